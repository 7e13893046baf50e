/**
 * Private joins of two parties in both forms: time, bytes and memory from 10^4 to 10^6 identifiers. All participants are in this
 * process; its memory is that of all of them, and peaks count from its start.
 */
import { availableParallelism } from 'node:os';
import { resourceUsage } from 'node:process';
import { benchJoin, measureJoinRates } from '../../engine/join/bench.ts';
import type { JoinBench } from '../../engine/join/bench.ts';
import type { JoinForm } from '../../engine/join/terms.ts';
import { wasmCurve } from '../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import type { Benchmark, Figure } from './benchmark.ts';

const SIZES = [10_000, 100_000, 1_000_000];
const LARGEST = SIZES.at(-1);
const MEMORY_BYTES = 1e9;

/** Seconds for 10^6 x 10^6 on two cores. */
const forms: readonly (readonly [JoinForm, string, number])[] = [
  ['keyedHash', 'hashed tags', 20],
  ['curve', 'curve tags', 240],
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
      const rows: JoinBench[] = [];
      for (const size of SIZES) {
        for (const [form, title, goalSeconds] of forms) {
          const doing = `${title}, ${size.toLocaleString('en')} x ${size.toLocaleString('en')}`;
          const progress = (done: number, total: number): void =>
            report(`${doing}, ${Math.floor((100 * done) / total)} %`);
          const crypto = nodeCrypto;
          const row = await benchJoin({ size, parties: 2, form, curve, crypto, threads, rates, signal, progress });
          const before = rows.findLast((each) => each.form === form);
          rows.push(row);
          figures.push(
            {
              name: `${doing}: time`,
              value: row.seconds,
              unit: 'seconds',
              ...(size === LARGEST ? { goal: { sense: 'at most', value: goalSeconds } } : {}),
            },
            {
              name: `${doing}: sent per identifier`,
              value: row.bytesPerIdentifier,
              unit: 'bytes',
              goal: { sense: 'at most', value: 110 },
              exact: true,
            },
            {
              name: `${doing}: peak memory of all participants`,
              value: resourceUsage().maxRSS * 1024,
              unit: 'bytes',
              goal: { sense: 'at most', value: MEMORY_BYTES },
            },
          );
          ratios.push({
            name: `${doing}: sent / predicted`,
            value: row.bytes / row.predictedBytes,
            unit: 'times',
            goal: { sense: 'at most', value: 1 },
            exact: true,
          });
          if (before === undefined) continue;
          ratios.push({
            name: `${title}: time per identifier, ${size.toLocaleString('en')} / ${before.size.toLocaleString('en')}`,
            value: row.microsecondsPerIdentifier / before.microsecondsPerIdentifier,
            unit: 'times',
          });
        }
      }
      return [...ratios, ...figures];
    } finally {
      await curve.dispose();
    }
  },
};
