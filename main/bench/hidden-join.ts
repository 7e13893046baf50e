/**
 * Training behind a hidden join at size, as a user runs it: two parties and the dealer as processes, half of the records in
 * common, a logistic regression beside the same one in the clear on the true intersection.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { PublicRandom, shuffledIndexes } from '../../shared/shuffle.ts';
import { runLocally } from '../host/run/local-run.ts';
import type { Benchmark } from './benchmark.ts';

const COLUMNS = 10;
const BATCH = 1024;
const SEED = 1;

/** What there is to know of a person, from its number alone: all cells, and a bit that a linear rule nearly gives. */
function recordOf(person: number): { readonly cells: readonly number[]; readonly label: number } {
  const random = new PublicRandom(SEED, 'weights', person);
  const uniform = Array.from({ length: 2 * COLUMNS }, () => random.nextFraction());
  const score = uniform.reduce((sum, value, i) => sum + (i % 2 === 0 ? value - 0.5 : 0.5 - value), 0);
  return {
    cells: uniform.map((value, i) => value * (i + 1)),
    label: Number(score + random.nextFraction() / 2 - 0.25 > 0),
  };
}

/** A party's file: `size` people from `first` on in an order of its own, with some of the columns. */
async function writeParty(
  path: string,
  { first, size, from, hasLabel }: { first: number; size: number; from: number; hasLabel: boolean },
): Promise<void> {
  const file = createWriteStream(path);
  const names = Array.from({ length: COLUMNS }, (_, i) => `x${from + i}`);
  file.write(`${['person', ...names, ...(hasLabel ? ['y'] : [])].join(',')}\n`);
  for (const row of shuffledIndexes(size, new PublicRandom(SEED, 'split', from))) {
    const { cells, label } = recordOf(first + row);
    const own = cells.slice(from, from + COLUMNS).map((value) => value.toFixed(4));
    file.write(`${[`P${first + row}`, ...own, ...(hasLabel ? [label] : [])].join(',')}\n`);
  }
  await finished(file.end());
}

/** @param size records of each party. */
export function hiddenJoin(size: number): Benchmark {
  return {
    name: 'hidden-join',
    summary: `logistic regression behind a hidden join of ${size.toLocaleString('en')} x ${size.toLocaleString('en')} records, half in common; processes over TLS`,
    async run({ signal, report }) {
      const folder = await mkdtemp(join(tmpdir(), 'tacit-bench-'));
      try {
        report('writing files');
        await writeParty(join(folder, 'a.csv'), { first: 0, size, from: 0, hasLabel: false });
        await writeParty(join(folder, 'b.csv'), { first: size / 2, size, from: COLUMNS, hasLabel: true });
        const job = {
          name: 'hidden join',
          parties: { a: { data: 'a.csv' }, b: { data: 'b.csv' } },
          dealer: 'registry',
          join: { how: 'hidden', on: 'person', form: 'keyed' },
          label: { b: 'y' },
          classes: ['0', '1'],
          task: 'classification',
          model: { template: 'logistic' },
          train: { epochs: 1, batch: BATCH, optimizer: { name: 'sgd', lr: 0.3, momentum: 0.9 }, test: 0.2, seed: SEED },
          reveal: { model: ['a'], metrics: ['a'] },
        };
        const jobFile = join(folder, 'job.json');
        await writeFile(jobFile, JSON.stringify(job));
        const { parties, baseline } = await runLocally({
          jobFile,
          folder: join(folder, 'parties'),
          kernels: 'wasm',
          signal,
          onProgress: (party, { phase, done, total }) =>
            report(`${party}: ${phase}${total === undefined ? '' : `, ${Math.floor((100 * (done ?? 0)) / total)} %`}`),
        });
        const metrics = parties.find((party) => party.metrics !== undefined)?.metrics;
        const most = (pick: (party: (typeof parties)[number]) => number): number => Math.max(...parties.map(pick));
        const { accuracy = NaN, loss = NaN } = metrics ?? {};
        return [
          {
            name: 'accuracy on shares - in the clear',
            value: accuracy - (baseline?.scores.accuracy ?? NaN),
            unit: 'of the test rows',
            goal: { sense: 'at least', value: -0.002 },
          },
          {
            name: 'loss on shares / in the clear',
            value: loss / (baseline?.scores.loss ?? NaN),
            unit: 'times',
            goal: { sense: 'at most', value: 1.01 },
          },
          {
            name: 'sent by a party / predicted',
            value: most(({ traffic }) => traffic.bytesSent / traffic.predictedBytes),
            unit: 'times',
            goal: { sense: 'at most', value: 1 },
            exact: true,
          },
          {
            name: 'sent by a party in training',
            value: most(({ traffic }) => traffic.bytesSent),
            unit: 'bytes',
            exact: true,
          },
          { name: 'training rounds', value: most(({ traffic }) => traffic.rounds), unit: 'rounds', exact: true },
          { name: 'join', value: most((party) => party.join?.cost?.seconds ?? NaN), unit: 'seconds' },
          { name: 'data, plan, keys', value: most(({ seconds }) => seconds.setup), unit: 'seconds' },
          { name: 'waiting for the dealer', value: most(({ seconds }) => seconds.offline), unit: 'seconds' },
          { name: 'training and reveal', value: most(({ seconds }) => seconds.online), unit: 'seconds' },
          { name: 'accuracy', value: accuracy, unit: 'of the test rows' },
        ];
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}
