/**
 * Picking and placing by indices. Indices that pick from one axis may be secret: they become one-hot rows, at the cost of a
 * comparison for each entry of the axis. Positions to scatter to are public.
 */
import { range, scatterElements } from '../../tensor/rearrange.ts';
import { oneHot, takeSecretly } from '../../tensor/secret-index.ts';
import { sizeOf, stridesOf } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { binary } from './elementwise.ts';
import { multiply } from './arithmetic.ts';
import { moveAxisOf, rearrangeValue, reshapeValue, takeValue } from './moves.ts';
import { isFloat, numbersOf, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { PublicTensor, SecretTensor, TensorValue } from './value.ts';

/** Secret indices with negative ones counted from the end. 4 rounds. */
function fromStart(index: SecretTensor, size: number): Tensor {
  const x = numbersOf(index.tensor.graph, index);
  if (index.type.startsWith('u')) return x;
  return x.add(x.atLeast(0).not().toNumber().timesInteger(BigInt(size)));
}

function gather(call: OperatorCall): TensorValue {
  const [x, index] = [call.tensor(0), call.tensor(1)];
  const shape = shapeOf(x);
  const axis = call.axis(call.int('axis', 0));
  const rest = [shape.slice(0, axis), shape.slice(axis + 1)] as const;
  if (index.kind === 'public') {
    const picked = takeValue(x, index.values, axis);
    return reshapeValue(picked, [...rest[0], ...index.shape, ...rest[1]]);
  }
  const table = numbersOf(call.graph, moveAxisOf(x, axis, 0));
  const rows = takeSecretly(table, fromStart(index, shape[axis] ?? 0));
  // [index axes, axes before, axes after] with the first two changed over.
  const [count, before] = [index.tensor.shape.length, rest[0].length];
  const order = [
    ...range(before).map((i) => count + i),
    ...range(count),
    ...range(rest[1].length).map((i) => count + before + i),
  ];
  return secretTensor(x.type, rows.transpose(order));
}

function gatherElements(call: OperatorCall): TensorValue {
  const [x, index] = [call.tensor(0), call.tensor(1)];
  const shape = shapeOf(index);
  const axis = call.axis(call.int('axis', 0));
  const size = shapeOf(x)[axis] ?? 0;
  if (index.kind === 'public') {
    const [strides, own] = [stridesOf(shapeOf(x)), stridesOf(shape)];
    return rearrangeValue(x, shape, (at) => {
      const chosen = index.values[at.reduce((sum, i, a) => sum + i * (own[a] ?? 1), 0)] ?? 0;
      return at.reduce(
        (sum, i, a) => sum + (a === axis ? (chosen < 0 ? chosen + size : chosen) : i) * (strides[a] ?? 1),
        0,
      );
    });
  }
  // Each index sees the entries of its own line along the axis.
  const last = shape.length - 1;
  const lines = shape.map((n, a) => (a === axis ? size : n));
  const part = lines.reduce((value: TensorValue, n, a) => takeValue(value, range(n), a), x);
  const table = numbersOf(call.graph, moveAxisOf(part, axis, last));
  const positions = numbersOf(call.graph, moveAxisOf({ ...index, tensor: fromStart(index, size) }, axis, last));
  const rows = sizeOf(table.shape.slice(0, -1));
  const picked = oneHot(positions, size)
    .reshape([rows, shape[axis] ?? 0, size])
    .matmulRaw(table.reshape([rows, size, 1]))
    .provedBelow(table.node.bound - table.scale)
    .reshape(positions.shape);
  return moveAxisOf(secretTensor(x.type, picked), last, axis);
}

/** Flat positions of the slices that rows of indices name, and the size of a slice. */
function slicePositions(
  shape: readonly number[],
  index: PublicTensor,
  batch: number,
): { starts: number[]; inner: number } {
  const depth = index.shape.at(-1) ?? 0;
  const strides = stridesOf(shape);
  const perBatch = sizeOf(index.shape.slice(batch, -1));
  const starts = range(sizeOf(index.shape.slice(0, -1))).map((row) => {
    const start = Math.floor(row / Math.max(1, perBatch)) * sizeOf(shape.slice(batch));
    return range(depth).reduce((sum, k) => {
      const at = index.values[row * depth + k] ?? 0;
      const size = shape[batch + k] ?? 0;
      return sum + (at < 0 ? at + size : at) * (strides[batch + k] ?? 1);
    }, start);
  });
  return { starts, inner: sizeOf(shape.slice(batch + depth)) };
}

function gatherSlices(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const index = call.publicTensor(1, 'its indices');
  const batch = call.int('batch_dims', 0);
  const { starts, inner } = slicePositions(shapeOf(x), index, batch);
  const depth = index.shape.at(-1) ?? 0;
  const shape = [...index.shape.slice(0, -1), ...shapeOf(x).slice(batch + depth)];
  const flat = rearrangeValue(
    x,
    [starts.length * inner],
    ([i = 0]) => (starts[Math.floor(i / inner)] ?? 0) + (i % inner),
  );
  return reshapeValue(flat, shape);
}

/** x with updates put, added, multiplied or compared at flat positions, one after the other. */
function scatterFlat(
  call: OperatorCall,
  x: TensorValue,
  targets: readonly number[],
  updates: TensorValue,
): TensorValue {
  const mode = call.choice('reduction', ['none', 'add', 'mul', 'max', 'min']);
  const size = sizeOf(shapeOf(x));
  if (x.kind === 'public' && updates.kind === 'public')
    throw call.unsupported('scatters into public values, which is not supported');
  const flat = numbersOf(call.graph, reshapeValue(x, [size]));
  const parts = numbersOf(call.graph, reshapeValue(updates, [targets.length]));
  if (mode === 'none' || mode === 'add') {
    const [secret, known] = flat.isPublic ? [parts, flat] : [flat, parts];
    const base = flat.isPublic ? secret.slice([0], [1]).timesInteger(0n).broadcastTo([size]).add(known) : secret;
    const result = scatterElements(base, targets, parts, 0, mode === 'add' ? 'add' : 'put');
    return reshapeValue(secretTensor(x.type, result), shapeOf(x));
  }
  // Positions that repeat are taken in turns.
  const turns: Map<number, number>[] = [];
  targets.forEach((target, i) => {
    let turn = turns.find((other) => !other.has(target));
    if (turn === undefined) turns.push((turn = new Map<number, number>()));
    turn.set(target, i);
  });
  const result = turns.reduce(
    (value: TensorValue, turn) => {
      const places = [...turn.keys()];
      const old = rearrangeValue(value, [places.length], ([i = 0]) => places[i]);
      const update = rearrangeValue(secretTensor(x.type, parts), [places.length], ([i = 0]) =>
        turn.get(places[i] ?? 0),
      );
      const combined =
        mode === 'mul'
          ? multiply(call, [old, update])
          : binary(call, [old, update], mode === 'max' ? Math.max : Math.min, (a, b) =>
              mode === 'max' ? b.add(a.sub(b).relu()) : a.sub(a.sub(b).relu()),
            );
      const target = numbersOf(call.graph, value);
      return secretTensor(x.type, scatterElements(target, places, numbersOf(call.graph, combined), 0));
    },
    secretTensor(x.type, flat),
  );
  return reshapeValue(result, shapeOf(x));
}

function scatterOperator(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const index = call.publicTensor(1, 'its indices');
  const axis = call.axis(call.int('axis', 0));
  const strides = stridesOf(shapeOf(x));
  const own = stridesOf(index.shape);
  const size = shapeOf(x)[axis] ?? 0;
  const targets = index.values.map((chosen, i) =>
    own.reduce((sum, stride, a) => {
      const at = Math.floor(i / stride) % (index.shape[a] ?? 1);
      return sum + (a === axis ? (chosen < 0 ? chosen + size : chosen) : at) * (strides[a] ?? 1);
    }, 0),
  );
  return scatterFlat(call, x, targets, call.tensor(2));
}

function scatterSlices(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const { starts, inner } = slicePositions(shapeOf(x), call.publicTensor(1, 'its indices'), 0);
  const targets = starts.flatMap((start) => range(inner).map((i) => start + i));
  return scatterFlat(call, x, targets, call.tensor(2));
}

function oneHotOperator(call: OperatorCall): TensorValue {
  const index = call.tensor(0);
  const depth = Math.trunc(call.publicNumbers(1, 'its depth')[0] ?? 0);
  const values = call.tensor(2);
  const rank = shapeOf(index).length + 1;
  const axis = call.axis(call.int('axis', -1), rank);
  const ends = range(2).map((i) => reshapeValue(takeValue(values, [i], 0), []));
  const [off, on] = ends;
  if (off === undefined || on === undefined) throw call.unsupported('needs two values', 'Repair the model.');
  let hot: TensorValue;
  if (index.kind === 'public') {
    const wrapped = index.values.map((at) => Math.trunc(at < 0 ? at + depth : at));
    hot = publicTensor(
      'int64',
      [...index.shape, depth],
      wrapped.flatMap((at) => range(depth).map((i) => Number(i === at))),
    );
  } else hot = secretTensor('int64', oneHot(fromStart(index, depth), depth));
  const placed = moveAxisOf(hot, rank - 1, axis);
  const bits: TensorValue =
    placed.kind === 'secret' && isFloat(values.type)
      ? secretTensor(values.type, placed.tensor.rescaled(call.graph.options.fractionBits))
      : { ...placed, type: values.type };
  const step = binary(
    call,
    [on, off],
    (a, b) => a - b,
    (a, b) => a.sub(b),
  );
  return binary(
    call,
    [multiply(call, [bits, step]), off],
    (a, b) => a + b,
    (a, b) => a.add(b),
  );
}

function compress(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const keeps = call.publicNumbers(1, 'its condition, which decides how many entries stay,');
  const kept = keeps.flatMap((keep, i) => (keep === 0 ? [] : [i]));
  const axis = call.attribute('axis', 'int');
  if (axis !== undefined) return takeValue(x, kept, call.axis(axis));
  return takeValue(reshapeValue(x, [sizeOf(shapeOf(x))]), kept, 0);
}

/** How many there are depends on the values. */
function nonZero(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  if (x.kind === 'secret') throw call.unsupported('gives an output whose size depends on secret values');
  const strides = stridesOf(x.shape);
  const found = x.values.flatMap((value, flat) => (value === 0 ? [] : [flat]));
  const rows = strides.map((stride, axis) => found.map((flat) => Math.floor(flat / stride) % (x.shape[axis] ?? 1)));
  return publicTensor('int64', [x.shape.length, found.length], rows.flat());
}

export const indexing: OperatorFamily = {
  Gather: { attributes: ['axis'], run: gather },
  GatherElements: { attributes: ['axis'], run: gatherElements },
  GatherND: { attributes: ['batch_dims'], run: gatherSlices },
  Scatter: { attributes: ['axis'], run: scatterOperator },
  ScatterElements: { attributes: ['axis', 'reduction'], run: scatterOperator },
  ScatterND: { attributes: ['reduction'], run: scatterSlices },
  OneHot: { attributes: ['axis'], run: oneHotOperator },
  Compress: { attributes: ['axis'], run: compress },
  NonZero: { run: nonZero },
};
