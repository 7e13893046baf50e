/** The loss that a job names. */
import { defaultLoss } from '../../../shared/losses.ts';
import type { LossSpec } from '../../../shared/losses.ts';
import { crossEntropy, hinge, rappor } from './classification.ts';
import type { Loss } from './loss.ts';
import { absoluteError, huber, squaredError } from './regression.ts';

/** @param outputs width of the scores. */
export function lossOf(spec: LossSpec, outputs: number): Loss {
  switch (spec.name) {
    case 'mse':
      return squaredError(outputs);
    case 'l1':
      return absoluteError(outputs);
    case 'huber':
      return huber(outputs, spec.delta);
    case 'crossEntropy':
      return crossEntropy(spec.smoothing, spec.classWeights);
    case 'hinge':
      return hinge(false, spec.classWeights);
    case 'squaredHinge':
      return hinge(true, spec.classWeights);
    case 'rappor':
      return rappor(spec.keep);
  }
}

/** Of a training job. */
export function trainingLoss(task: 'classification' | 'regression', loss: LossSpec | undefined): LossSpec {
  return loss ?? defaultLoss(task);
}
