/** Functions of each number alone, and softmax over the last axis. Errors and rounds stand with the functions. */
import type { activationKinds } from '../../../shared/layers/activations.ts';
import * as functions from '../../functions/activations.ts';
import { sigmoid, softplus } from '../../functions/elementary.ts';
import { alongAxis, logSoftmax, softmax } from '../../functions/softmax.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Table } from './layer.ts';

function overRows(x: Tensor, f: (rows: Tensor) => Tensor): Tensor {
  return x.shape.length === 2 ? f(x) : alongAxis(x, -1, f);
}

export const activationLayers: Table<keyof typeof activationKinds> = {
  relu: (_, { x }) => x.relu(),
  relu6: (_, { x }) => functions.relu6(x),
  leakyRelu: ({ slope }, { x }) => functions.leakyRelu(x, slope),
  elu: ({ alpha }, { x }) => functions.elu(x, alpha),
  selu: (_, { x }) => functions.selu(x),
  gelu: ({ approximate }, { x }) => (approximate ? functions.geluTanh(x) : functions.gelu(x)),
  silu: (_, { x }) => functions.silu(x),
  mish: (_, { x }) => functions.mish(x),
  softplus: (_, { x }) => softplus(x),
  softsign: (_, { x }) => functions.softSign(x),
  sigmoid: (_, { x }) => sigmoid(x),
  hardSigmoid: ({ alpha, beta }, { x }) => functions.hardSigmoid(x, alpha, beta),
  hardSwish: (_, { x }) => functions.hardSwish(x),
  // tanh x = 2 sigmoid(2x) - 1; twice the sigmoid's error, a third less to open than the table of tanh.
  tanh: (_, { x }) => sigmoid(x.timesInteger(2n)).timesInteger(2n).addNumber(-1),
  hardTanh: ({ low, high }, { x }) => functions.hardTanh(x, low, high),
  softmax: (_, { x }) => overRows(x, (rows) => softmax(rows)),
  logSoftmax: (_, { x }) => overRows(x, (rows) => logSoftmax(rows)),
};
