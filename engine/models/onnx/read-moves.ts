/**
 * Operators that only move values or compute with public sizes: other shapes of the same rows, axes in another order, rows one
 * behind the other, and what exporters write to find out a shape.
 */
import { elementCount } from '../../../shared/layers/kind.ts';
import type { PlainTensor } from '../tensor.ts';
import type { Rows, Value } from './layer-list.ts';
import type { NodeReading, ReadNode } from './node-reading.ts';
import { embedding, transposed } from './read-products.ts';
import { lastPlace } from './read-recurrent.ts';

/** An axis behind the batch, counted from 0. */
function rowAxis(node: NodeReading, axis: number, rank: number): number {
  const from = axis < 0 ? axis + rank : axis;
  if (from < 1 || from >= rank) throw node.unsupported(`works along axis ${axis}, which is the batch or none`);
  return from - 1;
}

const flatten: ReadNode = (node) => {
  if (node.attributes.int('axis', 1) !== 1) throw node.unsupported('flattens from an axis other than 1');
  const rows = node.rows();
  node.reshaped(rows, [elementCount(rows.shape)]);
};

/** The batch stays the first axis; one size may be left open, and 0 is the size that stands there. */
function rowShape(node: NodeReading, { shape }: { readonly shape: readonly number[] }): readonly number[] {
  const target = node.attributes.ints('shape') ?? node.sizes(1) ?? [];
  const [batch, ...rest] = target;
  const cells = elementCount(shape);
  const known = rest.map((size, axis) => (size === 0 ? (shape[axis] ?? 0) : size));
  const open = known.indexOf(-1);
  const others = known.reduce<number>((product, size) => product * (size === -1 || size === 'batch' ? 1 : size), 1);
  const sizes = known.map((size, axis) => (axis === open ? cells / others : size));
  const isRows = sizes.every((size): size is number => typeof size === 'number' && size >= 1);
  const isOpen = batch === -1 && open >= 0;
  if (batch === undefined || isOpen || !isRows || elementCount(sizes) !== cells || rest.length === 0)
    throw node.unsupported(`reshapes to [${target.join(', ')}], which does not keep the batch apart`);
  return sizes;
}

const reshape: ReadNode = (node) => {
  if (node.attributes.int('allowzero', 0) !== 0) throw node.unsupported('sets allowzero');
  node.attributes.ignore('consumed_inputs');
  const value = node.value(0);
  if (value?.kind === 'sizes' || value?.kind === 'zeros') return node.give(value);
  if (value?.kind === 'state') return node.give({ kind: 'rows', layer: value.layer, shape: rowShape(node, value) });
  const rows = node.rows();
  node.reshaped(rows, rowShape(node, rows));
};

/** Public numbers are lists whatever their axes. */
function isPublic(value: Value | undefined): value is Extract<Value, { kind: 'sizes' | 'zeros' }> {
  return value?.kind === 'sizes' || value?.kind === 'zeros';
}

const squeeze: ReadNode = (node) => {
  const value = node.value(0);
  const axes = node.integers(1, 'axes');
  if (isPublic(value)) return node.give(value);
  if (value?.kind === 'states' && axes?.join() === '1')
    return node.give({ kind: 'places', layer: value.layer, shape: value.shape });
  if (value?.kind === 'state' && axes?.join() === '0')
    return node.give({ kind: 'rows', layer: value.layer, shape: value.shape });
  const rows = node.rows();
  const dropped = (axes ?? []).map((axis) => rowAxis(node, axis, rows.shape.length + 1));
  const kept = rows.shape.filter((_, axis) => !dropped.includes(axis));
  if (dropped.length === 0 || kept.length === 0 || dropped.some((axis) => rows.shape[axis] !== 1))
    throw node.unsupported(`drops the axes [${axes?.join(', ') ?? ''}] of rows of [${rows.shape.join(', ')}]`);
  node.reshaped(rows, kept);
};

const unsqueeze: ReadNode = (node) => {
  const value = node.value(0);
  const axes = node.integers(1, 'axes') ?? [];
  if (isPublic(value)) return node.give(value);
  const constant = node.list.constants.get(node.node.inputs[0] ?? '');
  if (constant !== undefined) return giveConstant(node, widened(constant, axes));
  const rows = node.rows();
  const rank = rows.shape.length + 1 + axes.length;
  const added = axes.map((axis) => rowAxis(node, axis, rank));
  const shape = rows.shape.slice();
  for (const axis of added.sort((a, b) => a - b)) shape.splice(axis, 0, 1);
  node.reshaped(rows, shape);
};

function widened(tensor: PlainTensor, axes: readonly number[]): PlainTensor {
  const shape = tensor.shape.slice();
  const rank = shape.length + axes.length;
  for (const axis of axes.map((n) => (n < 0 ? n + rank : n)).sort((a, b) => a - b)) shape.splice(axis, 0, 1);
  return { ...tensor, shape };
}

function giveConstant(node: NodeReading, tensor: PlainTensor): void {
  node.list.constants.set(node.node.outputs[0] ?? '', tensor);
}

const transpose: ReadNode = (node) => {
  const value = node.value(0);
  const order = node.attributes.ints('perm');
  const constant = node.list.constants.get(node.node.inputs[0] ?? '');
  if (constant?.shape.length === 2 && (order === undefined || order.join() === '1,0')) {
    const { shape, data } = transposed(node.weight(0));
    return giveConstant(node, { type: 'float64', shape, data: Float64Array.from(data) });
  }
  const isTurned = order?.join() === '1,0,2';
  if (value?.kind === 'places' && isTurned) return node.give({ kind: 'rows', layer: value.layer, shape: value.shape });
  const rows = node.rows();
  if (isTurned && rows.shape.length === 2)
    return node.give({ kind: 'places', layer: node.list.take(rows), shape: rows.shape });
  if (order?.[0] !== 0) throw node.unsupported('moves the axis of the batch');
  const moved = order.slice(1).map((axis) => axis - 1);
  if (moved.every((axis, i) => axis === i)) return node.give(rows);
  node.layer({ kind: 'permute', name: node.name('permute'), order: moved });
};

const concat: ReadNode = (node) => {
  const values = node.node.inputs.map((_, position) => node.value(position));
  const axis = node.attributes.int('axis', 1);
  if (values.some((value) => value?.kind === 'sizes'))
    return node.give({ kind: 'sizes', sizes: values.flatMap((_, position) => node.sizes(position) ?? []) });
  const inputs = node.allRows();
  const [first] = inputs;
  if (first === undefined) throw node.unsupported('takes nothing');
  if (inputs.length === 1) return node.give(first);
  const along = rowAxis(node, axis, first.shape.length + 1);
  node.layer({ kind: 'concat', name: node.name('concat'), axis: along }, inputs);
};

/** Of public sizes, of a table by whole numbers, or of the last place of a sequence. */
const gather: ReadNode = (node) => {
  const value = node.value(0);
  if (value === undefined) return embedding(node);
  const axis = node.attributes.int('axis', 0);
  if (value.kind === 'zeros') return node.give(value);
  const index = node.integers(1, '') ?? [];
  if (value.kind === 'sizes') {
    const sizes = index.map((at) => value.sizes.at(at));
    return node.give({ kind: 'sizes', sizes: sizes.filter((size) => size !== undefined) });
  }
  const [at, ...more] = index;
  const isSingle = node.constant(1).shape.length === 0 && more.length === 0;
  const length = value.kind === 'state' ? 1 : (value.shape[0] ?? 0);
  const isLast = isSingle && (at === -1 || at === length - 1);
  if (value.kind === 'state' && axis === 0 && isLast)
    return node.give({ kind: 'rows', layer: value.layer, shape: value.shape });
  const along = value.kind === 'places' ? 0 : 1;
  if (!isLast || axis !== along || value.kind === 'states' || value.shape.length !== 2)
    throw node.unsupported('picks parts of what is computed');
  lastPlace(node, value.layer);
};

const slice: ReadNode = (node) => {
  const value = node.value(0);
  if (value?.kind === 'zeros') return node.give(value);
  if (value?.kind !== 'sizes') throw node.unsupported('cuts parts out of what is computed');
  const [from = 0] = node.integers(1, 'starts') ?? [];
  const [to = value.sizes.length] = node.integers(2, 'ends') ?? [];
  const [step = 1] = node.integers(4, 'steps') ?? [];
  node.attributes.ignore('axes');
  if (step !== 1) throw node.unsupported('picks sizes in steps');
  node.give({ kind: 'sizes', sizes: value.sizes.slice(from, to) });
};

/** TensorProto.DataType of floating-point types. */
const floatTypes: readonly number[] = [1, 10, 11, 16];

const cast: ReadNode = (node) => {
  const value = node.value(0);
  const isFloat = floatTypes.includes(node.attributes.int('to', 1));
  node.attributes.ignore('saturate');
  if (isPublic(value)) return node.give(value);
  if (value?.kind !== 'rows') throw node.unsupported('changes the type of what is no row of numbers');
  if (isFloat && value.whole === 'rounded') throw node.unsupported('rounds what is computed');
  node.give({ ...value, whole: isFloat ? undefined : (value.whole ?? 'rounded') });
};

/** In evaluation nothing is dropped; a job that trains the model on drops what its author did. */
const dropout: ReadNode = (node) => {
  const { attributes } = node;
  attributes.ignore('seed', 'is_test', 'consumed_inputs');
  if (node.isUsed(1) || (node.isGiven(2) && node.constant(2).data[0] !== 0))
    throw node.unsupported('drops values in evaluation too, or tells which');
  const rate = Number((node.number(1) ?? attributes.float('ratio', 0.5)).toPrecision(6));
  if (rate <= 0 || rate >= 1) return node.give(node.rows());
  node.layer({ kind: 'dropout', name: node.name('dropout'), rate, wholeChannels: false });
};

const identity: ReadNode = (node) => {
  const value = node.value(0);
  if (value === undefined) giveConstant(node, node.constant(0));
  else node.give(value);
};

const shape: ReadNode = (node) => {
  const value: Rows = node.rows();
  const sizes = ['batch' as const, ...value.shape];
  const { attributes } = node;
  node.give({ kind: 'sizes', sizes: sizes.slice(attributes.int('start', 0), attributes.int('end', sizes.length)) });
};

const constantOfShape: ReadNode = (node) => {
  const value = node.node.attributes.get('value');
  node.attributes.ignore('value');
  node.sizes(0);
  if (value?.kind === 'tensor' && Number(value.value.data[0]) !== 0)
    throw node.unsupported('makes a constant of a size that depends on the batch');
  node.give({ kind: 'zeros' });
};

const expand: ReadNode = (node) => {
  const value = node.value(0);
  const isZero = value?.kind === 'zeros' || (value === undefined && node.weight(0).data.every((cell) => cell === 0));
  if (!isZero) throw node.unsupported('repeats what is computed');
  node.give({ kind: 'zeros' });
};

export const moveReaders: Readonly<Record<string, ReadNode>> = {
  Flatten: flatten,
  Reshape: reshape,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Gather: gather,
  Slice: slice,
  Cast: cast,
  Dropout: dropout,
  Identity: identity,
  Shape: shape,
  ConstantOfShape: constantOfShape,
  Expand: expand,
};
