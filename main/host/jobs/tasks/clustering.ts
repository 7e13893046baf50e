/** Clustering: k-means over all rows; the receivers learn centroids and sizes, in the columns' own units. */
import { clusteringGraphs, clusteringNames, clusteringScript } from '../../../../engine/statistics/clustering.ts';
import type { ClusteringSpec } from '../../../../engine/statistics/clustering.ts';
import { decodeFixed } from '../../../../engine/runtime/words.ts';
import { InputError, InternalError } from '../../../../shared/errors.ts';
import type { Job } from '../../../../shared/job.ts';
import { jobRows, standardisation } from '../../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../../shared/resolve-job.ts';
import { PublicRandom, shuffledIndexes } from '../../../../shared/shuffle.ts';
import { tableColumns, tableSpec, tableStandardisation, tableWords } from './table.ts';
import type { Task } from './task.ts';

export function clusteringTask(job: Job, schemas: SchemasByParty): Task {
  if (job.clustering === undefined) throw new InternalError('job-incomplete', 'A clustering job lacks its section.');
  const { clusters, iterations, seed } = job.clustering;
  const layout = jobRows(job, schemas);
  const rows = layout.train.length;
  if (rows < clusters) {
    throw new InputError('clustering-too-few-rows', `${rows} rows do not make ${clusters} clusters.`, {
      hint: 'Ask for fewer clusters.',
    });
  }
  const columns = tableColumns(job, schemas);
  const spec: ClusteringSpec = {
    ...tableSpec(job, schemas, layout),
    iterations,
    start: shuffledIndexes(rows, new PublicRandom(seed, 'start')).slice(0, clusters),
    receivers: job.reveal.model,
  };
  return {
    graphs: clusteringGraphs(spec),
    layout,
    activity: 'clustering',
    about: [
      ['rows', String(rows)],
      ['clusters', String(clusters)],
      ['iterations', String(iterations)],
    ],
    scaleReceivers: standardisation(job) === 'locally' ? job.reveal.model : [],
    script: () => clusteringScript(spec, layout.train),
    inputs: (party, own) => tableWords(job, spec, layout, party, own.rows),
    quality: () => [],
    outcome: ({ party, revealed, standardisations }) => {
      if (!job.reveal.model.includes(party)) return {};
      const words = new Map(revealed.map((one) => [one.name, one.words]));
      const read = (name: string, scale: number): Float64Array =>
        decodeFixed(words.get(name) ?? new BigUint64Array(0), scale);
      const { subtract, multiply } = tableStandardisation(job, spec, standardisations, words);
      const centroids = read(clusteringNames.centroids, spec.fractionBits);
      const sizes = read(clusteringNames.sizes, 0);
      const width = columns.length;
      return {
        tables: [
          {
            name: 'centroids',
            columns: ['cluster', 'rows', ...columns.map(({ label }) => label)],
            rows: Array.from(sizes, (size, cluster) => [
              cluster + 1,
              size,
              ...columns.map(
                (_, column) =>
                  (centroids[cluster * width + column] ?? 0) / (multiply[column] ?? 1) + (subtract[column] ?? 0),
              ),
            ]),
          },
        ],
      };
    },
  };
}
