/**
 * From a resolved job and the schemas of its data to what the engine runs: programs, plan, and the order of executions. A
 * function of what all parties have agreed on, so that every party and the dealer get the same digest.
 * Knows no cells, and nothing of processes or links.
 */
import { createHash } from 'node:crypto';
import { randomInputs } from '../../../engine/functions/randomness.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { partyOrder } from '../../../shared/job-roles.ts';
import type { Job } from '../../../shared/job.ts';
import type { PublishedModel } from '../../../shared/published-model.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import { clusteringTask } from './tasks/clustering.ts';
import { decompositionTask } from './tasks/decomposition.ts';
import { inferenceTask } from './tasks/inference.ts';
import { statisticsTask } from './tasks/statistics.ts';
import type { CompiledJob, Task } from './tasks/task.ts';
import { trainingTask } from './tasks/training.ts';

/**
 * @param schemas of aligned or stacked rows; where the job joins them, those after the join (joinedSchemas).
 * @param model what all know of the file that the job names as its model, where it names one.
 * @throws InputError for tasks that a join does not serve, and for models that the engine cannot compute.
 */
export function compileJob(job: Job, schemas: SchemasByParty, model?: PublishedModel): CompiledJob {
  const { graphs, ...task } = taskOf(job, schemas, model);
  const parties = partyOrder(job);
  const programs = graphs.map((graph) => lower(graph, { parties }));
  return {
    ...task,
    job,
    randomness: new Map(graphs.map((graph) => [graph.options.name, randomInputs(graph)])),
    plan: planJob(programs, (data) => createHash('sha256').update(data).digest()),
    assumptions: graphs.flatMap((graph) => graph.assumptions),
  };
}

function taskOf(job: Job, schemas: SchemasByParty, model: PublishedModel | undefined): Task {
  switch (job.task) {
    case 'classification':
    case 'regression':
      return trainingTask(job, schemas, model);
    case 'inference':
      return inferenceTask(job, schemas, model);
    case 'statistics':
      return statisticsTask(job, schemas);
    case 'clustering':
      return clusteringTask(job, schemas);
    case 'decomposition':
      return decompositionTask(job, schemas);
  }
}
