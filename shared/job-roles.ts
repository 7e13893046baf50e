/**
 * Who stands where in a job: the orders and groups of parties that every host must agree on.
 * Knows nothing of how a job is written.
 */
import type { Job } from './job.ts';
import type { PrepareSpec } from './job-prepare.ts';
import type { Task } from './job-tasks.ts';

/** The compute parties in the order in which every party numbers them and stacks their rows: by UTF-16 code units. */
export function partyOrder(job: Pick<Job, 'parties'>): string[] {
  return Object.keys(job.parties).sort();
}

/** Those of partyOrder that bring data. */
export function dataParties(job: Pick<Job, 'parties'>): string[] {
  return partyOrder(job).filter((party) => job.parties[party]?.data !== undefined);
}

/** Whether the task fits a model, as opposed to using one or none. */
export const trains = (task: Task): boolean => task === 'classification' || task === 'regression';

/** Whether the result stays shared: a model that nobody receives. */
export function keepsShares(job: Pick<Job, 'task' | 'reveal'>): boolean {
  return trains(job.task) && job.reveal.model.length === 0;
}

/** What happens to a job's columns before they are shared. */
export function preparation(job: Pick<Job, 'train' | 'prepare'>): PrepareSpec {
  return job.train ?? job.prepare ?? { standardise: false, missing: 'refuse' };
}
