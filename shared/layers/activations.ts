/** Functions of each number alone, and of rows (softmax). */
import { z } from 'zod';
import { plainKind, single } from './kind.ts';
import type { Shape } from './kind.ts';

const unchanged = (_layer: unknown, inputs: readonly Shape[]): Shape => single(inputs);
const parameterless = () => plainKind({ attributes: {}, outputShape: unchanged });
const real = z.number().min(-1000).max(1000);

export const activationKinds = {
  relu: parameterless(),
  relu6: parameterless(),
  /** slope x below 0. */
  leakyRelu: plainKind({ attributes: { slope: real.default(0.01) }, outputShape: unchanged }),
  /** alpha (e^x - 1) below 0. */
  elu: plainKind({ attributes: { alpha: real.default(1) }, outputShape: unchanged }),
  selu: parameterless(),
  /** By the error function, or by tanh (`approximate`). */
  gelu: plainKind({ attributes: { approximate: z.boolean().default(false) }, outputShape: unchanged }),
  /** x sigmoid(x), also called Swish. */
  silu: parameterless(),
  mish: parameterless(),
  softplus: parameterless(),
  softsign: parameterless(),
  sigmoid: parameterless(),
  /** alpha x + beta between 0 and 1. */
  hardSigmoid: plainKind({
    attributes: { alpha: real.default(0.2), beta: real.default(0.5) },
    outputShape: unchanged,
  }),
  hardSwish: parameterless(),
  tanh: parameterless(),
  /** x between low and high. */
  hardTanh: plainKind({ attributes: { low: real.default(-1), high: real.default(1) }, outputShape: unchanged }),
  /** Over the last axis. */
  softmax: parameterless(),
  logSoftmax: parameterless(),
};
