/** Private joins of two parties in both forms: bytes against prediction, growth from 10^4 to 10^5, and what a million takes. */
import { availableParallelism } from 'node:os';
import { benchJoin, measureJoinRates } from '../../engine/join/bench.ts';
import type { JoinBench } from '../../engine/join/bench.ts';
import type { JoinForm } from '../../engine/join/terms.ts';
import { wasmCurve } from '../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import type { Benchmark, Figure } from './benchmark.ts';

const SIZES = [10_000, 100_000];
const MILLION = 1_000_000;

/** Seconds for 10^6 x 10^6 on two cores. */
const forms: readonly (readonly [JoinForm, string, number])[] = [
  ['curve', 'curve tags', 240],
  ['keyedHash', 'hashed tags', 20],
];

export const join: Benchmark = {
  name: 'join',
  summary: 'private joins of two parties on this machine, half of the identifiers in common',
  async run({ signal, report }) {
    const threads = availableParallelism();
    const curve = await wasmCurve({ threads });
    try {
      report('rates');
      const rates = await measureJoinRates(curve, nodeCrypto);
      const ratios: Figure[] = [];
      const figures: Figure[] = [
        { name: 'multiples on the curve, one core', value: 1000 / rates.multiplyMs, unit: 'points/s' },
        { name: 'hashes to the curve, one core', value: 1000 / rates.hashToCurveMs, unit: 'points/s' },
      ];
      for (const [form, title, goalSeconds] of forms) {
        const rows: JoinBench[] = [];
        for (const size of SIZES) {
          const doing = `${title}, ${size.toLocaleString('en')} x ${size.toLocaleString('en')}`;
          const progress = (done: number, total: number): void =>
            report(`${doing}, ${Math.floor((100 * done) / total)} %`);
          const row = await benchJoin({
            size,
            parties: 2,
            form,
            curve,
            crypto: nodeCrypto,
            threads,
            rates,
            signal,
            progress,
          });
          rows.push(row);
          figures.push(
            { name: `${doing}: time`, value: row.seconds, unit: 'seconds' },
            {
              name: `${doing}: sent per identifier`,
              value: row.bytesPerIdentifier,
              unit: 'bytes',
              goal: { sense: 'at most', value: 110 },
              exact: true,
            },
          );
          ratios.push({
            name: `${doing}: sent / predicted`,
            value: row.bytes / row.predictedBytes,
            unit: 'times',
            goal: { sense: 'at most', value: 1 },
            exact: true,
          });
        }
        const [small, large] = rows as [JoinBench, JoinBench];
        ratios.push({
          name: `${title}: time per identifier, ${large.size.toLocaleString('en')} / ${small.size.toLocaleString('en')}`,
          value: large.microsecondsPerIdentifier / small.microsecondsPerIdentifier,
          unit: 'times',
        });
        figures.push({
          name: `${title}: 1,000,000 x 1,000,000 in proportion`,
          value: (large.seconds * MILLION) / large.size,
          unit: 'seconds',
          goal: { sense: 'at most', value: goalSeconds },
        });
      }
      return [...ratios, ...figures];
    } finally {
      await curve.dispose();
    }
  },
};
