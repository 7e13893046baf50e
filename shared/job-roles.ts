/**
 * Who stands where in a job: the orders and groups of parties that every host must agree on.
 * Knows nothing of how a job is written.
 */
import type { Job, Task } from './job.ts';

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
