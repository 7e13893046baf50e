/** Functions of each number alone and of rows, as layers and as attributes of others. */
import type { LayerCall } from '../layer-call.ts';
import { float, int } from '../fragment.ts';
import type { LayerFacts, Value } from '../network-builder.ts';
import {
  activationSchema,
  alphaSchema,
  leakyReluSchema,
  preluSchema,
  reluSchema,
  softmaxSchema,
  thetaSchema,
} from '../schema.ts';
import type { LayerReaders } from './reader.ts';

/** By Keras' names, with the numbers that TensorFlow.js computes with. */
const byName: Readonly<Record<string, LayerFacts>> = {
  relu: { kind: 'relu' },
  relu6: { kind: 'relu6' },
  sigmoid: { kind: 'sigmoid' },
  tanh: { kind: 'tanh' },
  softplus: { kind: 'softplus' },
  softsign: { kind: 'softsign' },
  elu: { kind: 'elu', alpha: 1 },
  selu: { kind: 'selu' },
  gelu: { kind: 'gelu', approximate: false },
  gelu_new: { kind: 'gelu', approximate: true },
  swish: { kind: 'silu' },
  silu: { kind: 'silu' },
  mish: { kind: 'mish' },
  hard_sigmoid: { kind: 'hardSigmoid', alpha: 0.2, beta: 0.5 },
  leaky_relu: { kind: 'leakyRelu', slope: 0.2 },
};
/** Over the last axis. */
const ofRows: Readonly<Record<string, LayerFacts>> = {
  softmax: { kind: 'softmax' },
  log_softmax: { kind: 'logSoftmax' },
};

/** The function that a layer has as an attribute, after it. @throws InputError `tfjs-unsupported` naming the layer. */
export function activated(call: LayerCall, name: string, value: Value, suffix?: string): Value {
  if (name === 'linear') return value;
  const more = suffix === undefined ? {} : { suffix };
  const facts = byName[name];
  if (facts !== undefined) return call.add(facts, [value], more);
  const rows = ofRows[name];
  if (rows !== undefined) return call.add(rows, [call.network.plain(value)], more);
  const known = ['linear', ...Object.keys(byName), ...Object.keys(ofRows)].join(', ');
  throw call.unsupported(`has the activation ${name}; supported are ${known}`);
}

function relu(call: LayerCall): Value {
  const { max_value: most, negative_slope: slope, threshold } = call.config(reluSchema);
  const [low, from] = [slope ?? 0, threshold ?? 0];
  if (from === 0 && typeof most !== 'number')
    return call.add(low === 0 ? { kind: 'relu' } : { kind: 'leakyRelu', slope: low }, [call.input]);
  if (from === 0 && low === 0 && typeof most === 'number')
    return call.add(most === 6 ? { kind: 'relu6' } : { kind: 'hardTanh', low: 0, high: most }, [call.input]);
  return call.operators([call.input], (graph, x = '') => {
    const start = graph.number('threshold', from);
    const above = graph.op('GreaterOrEqual', [x, start]);
    const below = graph.op('Mul', [graph.op('Sub', [x, start]), graph.number('slope', low)]);
    const cut = typeof most === 'number' ? graph.op('Min', [x, graph.number('most', most)]) : x;
    return graph.op('Where', [above, cut, below]);
  });
}

function softmax(call: LayerCall): Value {
  const { axis: axes } = call.config(softmaxSchema);
  const { plain } = call;
  const rank = plain.shape.length;
  const [axis = -1, ...more] = axes.map((n) => (n < 0 ? n + rank : n - 1));
  if (more.length > 0 || axis < 0 || axis >= rank)
    throw call.unsupported(`works along the axes ${axes.join(', ')}; supported is one that is not the batch`);
  if (axis === rank - 1) return call.add({ kind: 'softmax' }, [plain]);
  return call.operators([plain], (graph, x = '') => graph.op('Softmax', [x], { axis: int(axis + 1) }));
}

export const activationReaders: LayerReaders = {
  Activation: (call) => activated(call, call.config(activationSchema).activation, call.input),
  ReLU: relu,
  LeakyReLU: (call) => call.add({ kind: 'leakyRelu', slope: call.config(leakyReluSchema) }, [call.input]),
  ELU: (call) => call.add({ kind: 'elu', alpha: call.config(alphaSchema) }, [call.input]),
  ThresholdedReLU: (call) => {
    const theta = call.config(thetaSchema);
    return call.operators([call.input], (graph, x = '') => graph.op('ThresholdedRelu', [x], { alpha: float(theta) }));
  },
  PReLU: (call) => {
    call.config(preluSchema);
    return call.operators([call.input], (graph, x = '') =>
      graph.op('PRelu', [x, graph.weight('alpha', call.weight('alpha'))]),
    );
  },
  Softmax: softmax,
};
