/**
 * Products with constants as dense layers, sums and products of layers, and constants before the first layer as the
 * standardisation of the input. Knows nothing of bytes.
 */
import { elementCount } from '../../../shared/layers/kind.ts';
import type { LayerOf } from '../../../shared/layers/table.ts';
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import type { Rows } from './layer-list.ts';
import type { NodeReading, ReadNode } from './node-reading.ts';

/** A matrix with its rows as columns. */
export function transposed({ shape: [rows = 0, columns = 0], data }: WeightTensor): WeightTensor {
  const turned = Float64Array.from(data, (_, at) => data[(at % rows) * columns + Math.floor(at / rows)] ?? 0);
  return { shape: [columns, rows], data: turned };
}

function matrix(node: NodeReading, position: number): WeightTensor {
  const weight = node.weight(position);
  if (weight.shape.length === 2) return weight;
  throw node.unsupported(`multiplies by "${node.node.inputs[position] ?? ''}", which is not a matrix`);
}

function dense(node: NodeReading, kernel: WeightTensor, bias?: Float64Array): void {
  const [inputs = 0, outputs = 0] = kernel.shape;
  const name = node.name('dense');
  node.list.weights.set(`${name}/kernel`, kernel);
  if (bias !== undefined) node.list.weights.set(`${name}/bias`, { shape: [outputs], data: bias });
  node.layer({ kind: 'dense', name, inputs, outputs, useBias: bias !== undefined });
}

const gemm: ReadNode = (node) => {
  const { attributes } = node;
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)];
  attributes.ignore('broadcast');
  if (attributes.int('transA', 0) !== 0) throw node.unsupported('transposes its input');
  const stored = matrix(node, 1);
  const { shape, data } = attributes.int('transB', 0) === 0 ? stored : transposed(stored);
  const bias = node.isGiven(2) ? node.columns(2, shape[1] ?? 0).map((cell) => cell * beta) : undefined;
  dense(node, { shape, data: alpha === 1 ? data : data.map((cell) => cell * alpha) }, bias);
};

/** Gives a layer of weights the bias that it lacks; false where the node is no such sum. */
function takesBias(node: NodeReading, rows: Rows, constant: number): boolean {
  const layer = node.list.layer(rows.layer);
  const isWhole = rows.shape.join() === node.list.shapeOf(rows.layer).join();
  if (layer === undefined || !('useBias' in layer) || layer.kind === 'multiHeadAttention') return false;
  if (layer.useBias || !isWhole || !node.isOnlyWayOf(layer.name)) return false;
  const [count, axis] = layer.kind === 'dense' ? [layer.outputs, -1] : [layer.filters, 1 - rows.shape.length];
  node.list.weights.set(`${layer.name}/bias`, { shape: [count], data: node.columns(constant, count, axis) });
  node.give(node.list.replace({ ...layer, useBias: true }));
  return true;
}

/** A constant spread over the shape of the input, by ONNX's broadcasting rules. */
function broadcast(node: NodeReading, position: number, target: readonly number[]): Float64Array {
  const { shape: given, data } = node.weight(position);
  // Leading ones, batch included, change nothing.
  const shape = given.slice();
  while (shape.length > target.length && shape[0] === 1) shape.shift();
  while (shape.length < target.length) shape.unshift(1);
  if (shape.length > target.length || shape.some((n, axis) => n !== 1 && n !== target[axis])) {
    const name = node.node.inputs[position] ?? '';
    throw node.unsupported(`combines an input of [${target.join(', ')}] with "${name}" of [${given.join(', ')}]`);
  }
  return Float64Array.from({ length: elementCount(target) }, (_, at) => {
    let rest = at;
    let source = 0;
    let stride = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const cells = target[axis] ?? 1;
      if (shape[axis] !== 1) source += (rest % cells) * stride;
      stride *= shape[axis] ?? 1;
      rest = Math.floor(rest / cells);
    }
    return data[source] ?? 0;
  });
}

/** Appends x + c, x - c, x * c or x / c to (x - subtract) * multiply. */
function standardise(node: NodeReading, rows: Rows, constant: number): void {
  const { list } = node;
  const { operator } = node.node;
  const operand = broadcast(node, constant, rows.shape);
  const subtract = list.standardisation?.subtract.slice() ?? new Float64Array(operand.length);
  const multiply = list.standardisation?.multiply.slice() ?? new Float64Array(operand.length).fill(1);
  operand.forEach((cell, i) => {
    const factor = multiply[i] ?? 1;
    if (operator === 'Mul' || operator === 'Div') multiply[i] = operator === 'Mul' ? factor * cell : factor / cell;
    else subtract[i] = (subtract[i] ?? 0) + (operator === 'Sub' ? cell : -cell) / factor;
  });
  list.standardisation = { subtract, multiply };
  node.give(rows);
}

/** x + c where c has a number for each place and size: a trained vector for each place. */
function addPositions(node: NodeReading, rows: Rows, constant: number): boolean {
  const [length = 1, size = 1] = rows.shape;
  const { shape, data } = node.weight(constant);
  if (rows.shape.length !== 2 || data.length !== length * size || shape.slice(-2).join() !== rows.shape.join())
    return false;
  const name = node.name('positions');
  node.list.weights.set(`${name}/positions`, { shape: [length, size], data });
  node.layer({ kind: 'positionEmbedding', name, length, size }, [rows]);
  return true;
}

/** With one constant: a standardisation before any layer, a bias, or positions. */
function withConstant(node: NodeReading, position: number): void {
  const rows = node.rows(position);
  const constant = 1 - position;
  node.constant(constant);
  const { operator } = node.node;
  const commutes = operator === 'Add' || operator === 'Mul';
  const isInput = rows.layer === MODEL_INPUT && rows.shape.join() === node.list.shapeOf(MODEL_INPUT).join();
  if (isInput && node.isOnlyWayOf(MODEL_INPUT) && (position === 0 || commutes))
    return standardise(node, rows, constant);
  if (operator === 'Add' && takesBias(node, rows, constant)) return;
  if (operator === 'Add' && addPositions(node, rows, constant)) return;
  throw node.unsupported('is neither a standardisation of the input nor a bias of the layer before it');
}

/** Layers whose product with what they take is a layer of its own. */
function gated(node: NodeReading): boolean {
  for (const [gate, other] of [
    [1, 0],
    [0, 1],
  ] as const) {
    const [value, source] = [node.rows(gate), node.rows(other)];
    const layer = node.list.layer(value.layer);
    if (layer === undefined || !node.isOnlyWayOf(layer.name)) continue;
    const isSource = node.list.inputsOf(layer).join() === source.layer;
    const isWhole = [value, source].every(({ layer: name, shape }) => node.list.shapeOf(name).join() === shape.join());
    if (!isSource || !isWhole) continue;
    const { name, from } = layer;
    const kind = layer.kind === 'sigmoid' ? 'silu' : isSwishGate(layer) ? 'hardSwish' : undefined;
    if (kind === undefined) continue;
    node.give(node.list.replace({ kind, name, ...(from === undefined ? {} : { from }) }));
    return true;
  }
  return false;
}

function isSwishGate(layer: { readonly kind: string }): boolean {
  if (layer.kind !== 'hardSigmoid') return false;
  const { alpha, beta } = layer as LayerOf<'hardSigmoid'>;
  return Math.abs(alpha - 1 / 6) < 1e-6 && beta === 0.5;
}

/** Of rows of the same shape; a single one is itself. */
const merged =
  (kind: 'add' | 'multiply' | 'average'): ReadNode =>
  (node) => {
    const inputs = node.allRows();
    const [first, ...others] = inputs;
    if (first === undefined) throw node.unsupported('takes nothing');
    const stray = others.find(({ shape }) => shape.join() !== first.shape.join());
    if (stray !== undefined)
      throw node.unsupported(`combines rows of [${first.shape.join(', ')}] with rows of [${stray.shape.join(', ')}]`);
    if (others.length === 0) node.give(first);
    else node.layer({ kind, name: node.name(kind) }, inputs);
  };

const arithmetic: ReadNode = (node) => {
  const { operator } = node.node;
  node.attributes.ignore('axis', 'broadcast', 'consumed_inputs');
  const [left, right] = [node.value(0), node.value(1)];
  if (left?.kind === 'sizes' || right?.kind === 'sizes') return sizeProduct(node);
  if (left === undefined || right === undefined) return withConstant(node, left === undefined ? 1 : 0);
  if (operator === 'Add') merged('add')(node);
  else if (operator !== 'Mul') throw node.unsupported('has two inputs that are computed');
  else if (!gated(node)) merged('multiply')(node);
};

/** Of single public sizes, as shape arithmetic has them. */
function sizeProduct(node: NodeReading): void {
  const [[left, ...more] = [], [right, ...others] = []] = [node.sizes(0), node.sizes(1)];
  if (
    node.node.operator !== 'Mul' ||
    typeof left !== 'number' ||
    typeof right !== 'number' ||
    more.length + others.length > 0
  )
    throw node.unsupported('computes with sizes in a way that is not supported');
  node.give({ kind: 'sizes', sizes: [left * right] });
}

/** A trained row for each whole number. */
export const embedding: ReadNode = (node) => {
  const index = node.value(1);
  if (index?.kind !== 'rows' || index.whole === undefined || node.attributes.int('axis', 0) !== 0)
    throw node.unsupported('picks by an index that is neither a constant nor whole numbers of the input');
  const kernel = matrix(node, 0);
  const [tokens = 1, size = 1] = kernel.shape;
  const name = node.name('embedding');
  node.list.weights.set(`${name}/kernel`, kernel);
  node.layer({ kind: 'embedding', name, tokens, size }, [index]);
};

export const productReaders: Readonly<Record<string, ReadNode>> = {
  Gemm: gemm,
  MatMul: (node) => dense(node, matrix(node, 1)),
  Add: arithmetic,
  Sub: arithmetic,
  Mul: arithmetic,
  Div: arithmetic,
  Sum: merged('add'),
  Mean: merged('average'),
};
