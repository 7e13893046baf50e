/** Functions of single cells, of rows and of channels as layers: activations and normalisations. */
import { elementCount } from '../../../shared/layers/kind.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import type { NodeReading, ReadNode } from './node-reading.ts';

/** Kinds that have no attributes. */
type Plain = 'relu' | 'sigmoid' | 'tanh' | 'softplus' | 'softsign' | 'hardSwish' | 'mish';

const plain =
  (kind: Plain): ReadNode =>
  (node) => {
    node.attributes.ignore('consumed_inputs');
    node.layer({ kind, name: node.name(kind) });
  };

/** Attributes of layers lie within this; see shared/layers/activations.ts. */
const MOST = 1000;

function limited(node: NodeReading, value: number): number {
  if (Math.abs(value) <= MOST) return value;
  throw node.unsupported(`has a parameter of ${value}; layers have up to ${MOST}`);
}

const clip: ReadNode = (node) => {
  const { attributes } = node;
  attributes.ignore('consumed_inputs');
  const low = node.number(1) ?? attributes.float('min', -Infinity);
  const high = node.number(2) ?? attributes.float('max', Infinity);
  const isOpen = high >= 3e38;
  if (low === 0 && isOpen) node.layer({ kind: 'relu', name: node.name('relu') });
  else if (low === 0 && high === 6) node.layer({ kind: 'relu6', name: node.name('relu') });
  else if (low >= high) throw node.unsupported(`clips to between ${low} and ${high}`);
  else node.layer({ kind: 'hardTanh', name: node.name('clip'), low: limited(node, low), high: limited(node, high) });
};

const selu: ReadNode = (node) => {
  node.attributes.ignore('consumed_inputs');
  const alpha = node.attributes.float('alpha', 1.6732632);
  const gamma = node.attributes.float('gamma', 1.050701);
  if (Math.abs(alpha - 1.6732632) > 1e-3 || Math.abs(gamma - 1.050701) > 1e-3)
    throw node.unsupported('is not the SELU with its usual parameters');
  node.layer({ kind: 'selu', name: node.name('selu') });
};

const rowwise =
  (kind: 'softmax' | 'logSoftmax'): ReadNode =>
  (node) => {
    const { shape } = node.rows();
    // Before operator set 13 everything from `axis` on was one flattened row; along the last axis that is the same.
    const axis = node.attributes.int('axis', node.opset < 13 ? 1 : -1);
    if (axis !== -1 && axis !== shape.length) throw node.unsupported('works along another axis than the last');
    node.layer({ kind, name: node.name(kind) });
  };

/** @param axes of the last ones that the weights have. */
function normalise(
  node: NodeReading,
  layer: Layer,
  parts: readonly [part: string, position: number][],
  shape: readonly number[],
): void {
  for (const [part, position] of parts) {
    const { shape: given, data } = node.weight(position);
    if (given.join() !== shape.join())
      throw node.unsupported(`has a ${part} of shape [${given.join(', ')}], not [${shape.join(', ')}]`);
    node.list.weights.set(`${layer.name}/${part}`, { shape, data });
  }
  node.layer(layer);
}

/** Layers take those between. */
function epsilonOf(node: NodeReading): number {
  const epsilon = node.attributes.float('epsilon', 1e-5);
  if (epsilon >= 1e-6 && epsilon <= 1) return Number(epsilon.toPrecision(6));
  throw node.unsupported(`has an epsilon of ${epsilon}; layers have 1e-6 to 1`);
}

const batchNorm: ReadNode = (node) => {
  const { attributes } = node;
  const momentum = attributes.float('momentum', 0.9);
  const isByCell = attributes.int('spatial', 1) === 0;
  const isTrained = attributes.int('training_mode', 0) !== 0 || (node.opset < 7 && attributes.int('is_test', 0) === 0);
  attributes.ignore('consumed_inputs');
  if (isTrained || isByCell || momentum < 0 || momentum >= 1 || [1, 2, 3, 4].some((output) => node.isUsed(output)))
    throw node.unsupported('is not a normalisation by channels with statistics that are known');
  const [channels = 0] = node.rows().shape;
  normalise(
    node,
    { kind: 'batchNorm', name: node.name('norm'), channels, epsilon: epsilonOf(node), momentum },
    [
      ['scale', 1],
      ['bias', 2],
      ['mean', 3],
      ['variance', 4],
    ],
    [channels],
  );
};

const scaleAndBias: readonly [string, number][] = [
  ['scale', 1],
  ['bias', 2],
];

const layerNorm: ReadNode = (node) => {
  const { shape } = node.rows();
  const axis = node.attributes.int('axis', -1);
  node.attributes.ignore('stash_type');
  const from = axis < 0 ? axis + shape.length : axis - 1;
  if (from < 0 || from >= shape.length || node.isUsed(1) || node.isUsed(2))
    throw node.unsupported('normalises over the batch, or gives its statistics');
  const over = shape.slice(from);
  const name = node.name('norm');
  const hasBias = node.isGiven(2);
  const none: WeightTensor = { shape: over, data: new Float64Array(elementCount(over)) };
  if (!hasBias) node.list.weights.set(`${name}/bias`, none);
  const parts = hasBias ? scaleAndBias : scaleAndBias.slice(0, 1);
  normalise(node, { kind: 'layerNorm', name, shape: over, epsilon: epsilonOf(node) }, parts, over);
};

const instanceNorm: ReadNode = (node) => {
  node.attributes.ignore('consumed_inputs');
  const [channels = 0] = node.rows().shape;
  const epsilon = epsilonOf(node);
  normalise(node, { kind: 'instanceNorm', name: node.name('norm'), channels, epsilon }, scaleAndBias, [channels]);
};

const groupNorm: ReadNode = (node) => {
  const [channels = 0] = node.rows().shape;
  const groups = node.attributes.int('num_groups', 1);
  node.attributes.ignore('stash_type');
  const epsilon = epsilonOf(node);
  normalise(node, { kind: 'groupNorm', name: node.name('norm'), channels, groups, epsilon }, scaleAndBias, [channels]);
};

export const cellReaders: Readonly<Record<string, ReadNode>> = {
  Relu: plain('relu'),
  Sigmoid: plain('sigmoid'),
  Tanh: plain('tanh'),
  Softplus: plain('softplus'),
  Softsign: plain('softsign'),
  HardSwish: plain('hardSwish'),
  Mish: plain('mish'),
  LeakyRelu: (node) => {
    node.attributes.ignore('consumed_inputs');
    const slope = Number(limited(node, node.attributes.float('alpha', 0.01)).toPrecision(7));
    node.layer({ kind: 'leakyRelu', name: node.name('leakyRelu'), slope });
  },
  Elu: (node) => {
    node.attributes.ignore('consumed_inputs');
    const alpha = limited(node, node.attributes.float('alpha', 1));
    node.layer({ kind: 'elu', name: node.name('elu'), alpha });
  },
  Selu: selu,
  Gelu: (node) => {
    const approximate = node.attributes.text('approximate', 'none') === 'tanh';
    node.layer({ kind: 'gelu', name: node.name('gelu'), approximate });
  },
  HardSigmoid: (node) => {
    node.attributes.ignore('consumed_inputs');
    const alpha = limited(node, node.attributes.float('alpha', 0.2));
    const beta = limited(node, node.attributes.float('beta', 0.5));
    node.layer({ kind: 'hardSigmoid', name: node.name('hardSigmoid'), alpha: Number(alpha.toPrecision(7)), beta });
  },
  Clip: clip,
  Softmax: rowwise('softmax'),
  LogSoftmax: rowwise('logSoftmax'),
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
  InstanceNormalization: instanceNorm,
  GroupNormalization: groupNorm,
};
