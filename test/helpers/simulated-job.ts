/** A job file with all its parties in this process: what each would have in its results, and what it cost. */
import { expect } from 'vitest';
import { compileJob } from '../../main/host/jobs/compile.ts';
import { openJobFile } from '../../main/host/jobs/open-job.ts';
import type { CompiledJob, OwnData } from '../../main/host/jobs/tasks/task.ts';
import { SecretKey } from '../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { randomisedLabels } from '../../main/host/datasets/randomised-labels.ts';
import { prepareLocal } from '../../main/host/datasets/prepare.ts';
import { readModelFile } from '../../main/host/models/model-files.ts';
import type { ResultTable, RunOutcome } from '../../main/host/results/results.ts';
import { simulateJob } from '../../main/host/simulation/simulate-job.ts';
import type { SimulatedRun } from '../../main/host/simulation/simulated-run.ts';
import { partyOrder } from '../../shared/job-roles.ts';
import { columnPlan } from '../../shared/resolve-job.ts';
import { localTrainingRows } from '../../shared/schedule.ts';
import { fixedCrypto } from './fixed-crypto.ts';

export interface SimulatedJob extends SimulatedRun<ReadonlyMap<string, RunOutcome>> {
  readonly compiled: CompiledJob;
}

/** Runs it on fixed randomness (another for another seed), and asserts that bytes and rounds are as predicted. */
export async function simulateJobFile(path: string, modelFile?: string, seed?: number): Promise<SimulatedJob> {
  const { job, schemas, data, model } = await openJobFile(path);
  const compiled = compileJob(job, schemas, model);
  const own = new Map<string, OwnData>();
  const owner = job.model !== undefined && 'owner' in job.model ? job.model.owner : undefined;
  for (const party of partyOrder(job)) {
    const files = data.get(party);
    const training = localTrainingRows(compiled.layout, party);
    const rows = files && (await prepareLocal(files.data, files.test, columnPlan(job, party, schemas), training));
    const keep = job.privacy?.labels?.keep;
    const labels =
      keep === undefined || rows?.labels === undefined
        ? rows?.labels
        : randomisedLabels(nodeCrypto, new SecretKey(new Uint8Array(32).fill(3)), rows.labels, keep);
    own.set(party, {
      rows: rows && { ...rows, labels },
      model: party === owner && modelFile !== undefined ? readModelFile(modelFile) : undefined,
    });
  }
  const run = await simulateJob({ compiled, schemas, own, crypto: fixedCrypto(seed) });
  run.traffic.forEach((traffic, i) => {
    const both = (part: 'training' | 'evaluation') => run.cost[part];
    expect(traffic.bytesSent).toBe((both('training').bytesSent[i] ?? 0) + (both('evaluation').bytesSent[i] ?? 0));
    expect(traffic.rounds).toBe(both('training').rounds + both('evaluation').rounds);
  });
  return { ...run, compiled };
}

/** A table of an outcome by its name. */
export function tableOf(outcome: RunOutcome | undefined, name: string): ResultTable {
  const found = outcome?.tables?.find((table) => table.name === name);
  if (found === undefined) throw new RangeError(`no table ${name}`);
  return found;
}

/** A column of a table as numbers. */
export function columnOf(table: ResultTable, heading: string): number[] {
  const at = table.columns.indexOf(heading);
  return table.rows.map((row) => Number(row[at]));
}
