/** Decomposition: principal components of the standardised columns; the receivers learn them and their variances. */
import {
  componentScale,
  decompositionGraphs,
  decompositionNames,
  decompositionScript,
} from '../../../../engine/statistics/decomposition.ts';
import type { DecompositionSpec } from '../../../../engine/statistics/decomposition.ts';
import { decodeFixed } from '../../../../engine/runtime/words.ts';
import { InputError, InternalError } from '../../../../shared/errors.ts';
import type { Job } from '../../../../shared/job.ts';
import { jobRows, standardisation } from '../../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../../shared/resolve-job.ts';
import { PublicRandom } from '../../../../shared/shuffle.ts';
import { tableColumns, tableSpec, tableStandardisation, tableWords } from './table.ts';
import type { Task } from './task.ts';

export function decompositionTask(job: Job, schemas: SchemasByParty): Task {
  if (job.decomposition === undefined)
    throw new InternalError('job-incomplete', 'A decomposition job lacks its section.');
  const { components, iterations } = job.decomposition;
  const layout = jobRows(job, schemas);
  const columns = tableColumns(job, schemas);
  if (components > columns.length) {
    throw new InputError(
      'decomposition-too-many',
      `${columns.length} columns have ${columns.length} components, not ${components}.`,
      { hint: 'Ask for fewer components.' },
    );
  }
  const spec: DecompositionSpec = {
    ...tableSpec(job, schemas, layout),
    components,
    iterations,
    start: startVector(columns.length),
    receivers: job.reveal.model,
  };
  return {
    graphs: decompositionGraphs(spec),
    layout,
    activity: 'decomposing',
    about: [
      ['rows', String(layout.train.length)],
      ['components', String(components)],
      ['iterations of each', String(iterations)],
    ],
    scaleReceivers: standardisation(job) === 'locally' ? job.reveal.model : [],
    script: () => decompositionScript(spec, layout.train),
    inputs: (party, own) => tableWords(job, spec, layout, party, own.rows),
    quality: () => [],
    outcome: ({ party, revealed, standardisations }) => {
      if (!job.reveal.model.includes(party)) return {};
      const all = (name: string): Float64Array[] =>
        revealed.filter((one) => one.name === name).map(({ words }) => decodeFixed(words, componentScale));
      const found = all(decompositionNames.component).map(normalised);
      const variances = all(decompositionNames.variance).map(([value = 0]) => value * columns.length);
      const { subtract, multiply } = tableStandardisation(
        job,
        spec,
        standardisations,
        new Map(revealed.map((one) => [one.name, one.words])),
      );
      return {
        tables: [
          {
            name: 'components',
            columns: ['column', 'subtract', 'multiply', ...found.map((_, i) => `component ${i + 1}`)],
            rows: columns.map(({ label }, column) => [
              label,
              subtract[column] ?? 0,
              multiply[column] ?? 1,
              ...found.map((vector) => vector[column] ?? 0),
            ]),
          },
          {
            name: 'variances',
            columns: ['component', 'variance'],
            rows: variances.map((variance, i) => [i + 1, variance]),
          },
        ],
      };
    },
  };
}

/** A public vector of length 1 that is unlikely to be orthogonal to a component. */
function startVector(length: number): Float64Array {
  const random = new PublicRandom(0, 'start');
  return normalised(Float64Array.from({ length }, () => 0.5 + random.nextFraction()));
}

/** Of length 1, its largest entry positive: a component's sign means nothing. */
function normalised(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value ** 2, 0)) || 1;
  const largest = vector.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0);
  return vector.map((value) => value / (largest < 0 ? -length : length));
}
