/** The table of layers after a run: what the plan said of each, and the time that its kernels took at each party. */
import { jobCost } from './job-cost.ts';
import type { LayerTotal } from './job-cost.ts';
import type { RunRecord } from './results.ts';
import { timeShares } from './time-shares.ts';

export interface LayerRow extends LayerTotal {
  /** Kernels, in the order of the run's `times`. */
  readonly computeMs: readonly number[];
}

/**
 * Layers in order of first use, with the costs of the first party in the record's `times`. Bytes and rounds are the plan's; they hold for the run, because the counted totals of every
 * party equal the predicted ones, or the run fails.
 */
export function layerRows(run: Pick<RunRecord, 'plan' | 'executions' | 'times'>): LayerRow[] {
  const shares = run.times.map(timeShares);
  const self = Math.max(0, run.plan.parties.indexOf(run.times[0]?.id ?? ''));
  return jobCost(run.plan, run.executions, self).layers.map((layer) => ({
    ...layer,
    computeMs: shares.map(({ layerMs }) => layerMs.get(`${layer.layer}\n${layer.phase}`) ?? 0),
  }));
}
