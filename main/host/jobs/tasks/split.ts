/** A training whose model one party, which has all features, runs in the clear. Knows neither networks nor protocols. */
import { lossOf, trainingLoss } from '../../../../engine/nn/losses/table.ts';
import { checkRowsApart, checkSplitLoss } from '../../../../engine/nn/split/spec.ts';
import type { SplitSpec } from '../../../../engine/nn/split/spec.ts';
import { scoreWidth } from '../../../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../../../engine/nn/training/spec.ts';
import { InputError, InternalError } from '../../../../shared/errors.ts';
import { partyOrder } from '../../../../shared/job-roles.ts';
import type { TrainSpec } from '../../../../shared/job-train.ts';
import type { Job } from '../../../../shared/job.ts';
import { rateAt } from '../../../../shared/learning-rate.ts';
import type { ModelWeights } from '../../../../shared/model.ts';
import { batchSizes } from '../../../../shared/schedule.ts';
import type { ClearWork, OwnData } from './task.ts';

/**
 * Undefined for a job that is no split training.
 * @throws InputError for roles, layers and losses that a split model does not have.
 */
export function splitSpec(job: Job, spec: TrainingSpec): SplitSpec | undefined {
  const asked = job.privacy?.split;
  if (asked === undefined) return undefined;
  const [block, ...others] = spec.features;
  const [labelled] = Object.keys(job.label);
  if (block === undefined || others.length > 0 || block.owner === labelled) {
    throw new InputError(
      'split-owner',
      'In a split model one party has all features and another one the label; here features come from ' +
        `${spec.features.map(({ owner }) => owner).join(', ')} and the label from ${labelled ?? 'nobody'}.`,
      { hint: 'Write "features: { PARTY: "*", OTHER: [] }".' },
    );
  }
  if (!job.reveal.model.includes(block.owner)) {
    throw new InputError('split-receiver', `${block.owner} knows the model, and reveal.model does not name it.`, {
      hint: `Add ${block.owner} to reveal.model.`,
    });
  }
  if (spec.modelOwner !== undefined && spec.modelOwner !== block.owner) {
    throw new InputError('split-model-owner', `${spec.modelOwner} keeps the model, and ${block.owner} is to run it.`, {
      hint: `Let model.owner be ${block.owner}, or leave it out.`,
    });
  }
  const [loss, outputs] = [trainingLoss(spec.task, spec.loss), scoreWidth(spec)];
  checkSplitLoss(loss, outputs);
  if (asked.norm !== undefined) checkRowsApart(spec.description);
  // The loss's factor comes in the clear: lengths and noise on shares are without it.
  const norm = asked.norm === undefined ? undefined : asked.norm / lossOf(loss, outputs).factor;
  return {
    ...spec,
    split: { owner: block.owner, norm, deviation: asked.noise * (norm ?? 0), parties: partyOrder(job) },
  };
}

/** The owner's work between executions. TensorFlow.js takes a second to start: it is loaded only here. */
export async function splitClearWork(
  spec: SplitSpec,
  train: TrainSpec,
  weights: ModelWeights,
  { rows }: OwnData,
): Promise<ClearWork> {
  if (rows === undefined) throw new InternalError('split-without-rows', 'The owner of the features brings no rows.');
  const { splitWork } = await import('../../split/clear-work.ts');
  const stepsPerEpoch = batchSizes(spec.trainingRows, spec.batch).length;
  const length = { steps: stepsPerEpoch * train.epochs, stepsPerEpoch };
  const rate = (step: number): number => rateAt(train.schedule, step, length);
  return await splitWork({ spec, features: rows.matrix, weights, rate });
}
