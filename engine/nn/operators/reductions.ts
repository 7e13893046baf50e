/** Sums, means, products, extremes and norms over axes; running sums; positions of extremes; sorting. */
import { norm } from '../../functions/algebra.ts';
import { logarithm } from '../../functions/powers.ts';
import { alongAxis, logSumExp } from '../../functions/softmax.ts';
import { absolute } from '../../tensor/comparisons.ts';
import { argumentOfMaximum, argumentOfMinimum, maximum, minimum } from '../../tensor/extremes.ts';
import { flip, range } from '../../tensor/rearrange.ts';
import { cumulativeSum, mean, product, sum } from '../../tensor/reductions.ts';
import { sizeOf, stridesOf } from '../../tensor/shape.ts';
import { topK } from '../../tensor/sorting.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorDefinition, OperatorFamily } from './call.ts';
import { inType } from './elementwise.ts';
import { axesOf, normalAxes } from './shape.ts';
import { isFloat, numbersOf, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { PublicTensor, TensorValue } from './value.ts';

interface Reduction {
  readonly clear: (values: readonly number[]) => number;
  readonly secret: (x: Tensor, axes: readonly number[]) => Tensor;
  /** Operator set since which the axes are an input. */
  readonly axesInputSince: number;
  readonly realOnly?: true;
}

/** `secret` leaves the axes in place, of size 1, or out: it is reshaped. */
function reduction({ clear, secret, axesInputSince, realOnly }: Reduction): OperatorDefinition {
  return {
    attributes: ['axes', 'keepdims', 'noop_with_empty_axes'],
    run: (call) => {
      const x = call.tensor(0);
      const shape = shapeOf(x);
      const given = axesOf(call, axesInputSince);
      if ((given?.length ?? 0) === 0 && call.int('noop_with_empty_axes', 0) !== 0) return x;
      const axes = given === undefined || given.length === 0 ? range(shape.length) : normalAxes(call, given);
      const kept = shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
      const result = call.int('keepdims', 1) !== 0 ? kept : shape.filter((_, axis) => !axes.includes(axis));
      if (x.kind === 'public') return { ...reducePublic(x, axes, kept, clear), shape: result };
      if (realOnly === true && !isFloat(x.type))
        throw call.unsupported(`is computed of floating-point numbers, not of ${x.type}`);
      return secretTensor(x.type, inType(x.type, secret(numbersOf(call.graph, x), axes).reshape(result)));
    },
  };
}

function reducePublic(
  x: PublicTensor,
  axes: readonly number[],
  kept: readonly number[],
  clear: (values: readonly number[]) => number,
): PublicTensor {
  const groups = Array.from({ length: sizeOf(kept) }, (): number[] => []);
  const [from, to] = [stridesOf(x.shape), stridesOf(kept)];
  x.values.forEach((value, flat) => {
    const target = from.reduce(
      (at, stride, axis) =>
        axes.includes(axis) ? at : at + (Math.floor(flat / stride) % (x.shape[axis] ?? 1)) * (to[axis] ?? 1),
      0,
    );
    groups[target]?.push(value);
  });
  return publicTensor(x.type, kept, groups.map(clear));
}

/** The axes as one, last. */
function joined(x: Tensor, axes: readonly number[]): Tensor {
  const rest = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const order = [...rest, ...axes];
  const moved = order.every((axis, i) => axis === i) ? x.raw : x.raw.transpose(order);
  const outer = rest.map((axis) => x.shape[axis] ?? 1);
  return moved.reshape([...outer, sizeOf(axes.map((axis) => x.shape[axis] ?? 1))]).rescaled(x.scale);
}

/** A whole number's product keeps its scale of 0. */
function productOf(x: Tensor, axes: readonly number[]): Tensor {
  if (x.scale !== 0) return product(joined(x, axes), -1);
  const all = joined(x, axes);
  const size = all.shape.at(-1) ?? 0;
  const entry = (i: number): Tensor =>
    all.slice([...all.shape.slice(0, -1).map(() => 0), i], [...all.shape.slice(0, -1), 1]);
  return range(size - 1).reduce((t, i) => t.mulRaw(entry(i + 1)).assumeBelow(40), entry(0));
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const rounded = (x: Tensor): Tensor => x.rescaled(x.graph.options.fractionBits);

/** Squares of real numbers before their truncation; of whole numbers exactly. */
function sumOfSquares(x: Tensor, axes: readonly number[]): Tensor {
  const squares = sum(x.mulRaw(x), { axes });
  return x.scale === 0 ? squares : rounded(squares);
}

function position(pick: typeof argumentOfMaximum): OperatorDefinition {
  return {
    attributes: ['axis', 'keepdims', 'select_last_index'],
    run: (call) => {
      const x = call.tensor(0);
      if (x.kind === 'public') throw call.unsupported('looks for a position in public values, which is not supported');
      const axis = call.axis(call.int('axis', 0));
      const size = shapeOf(x)[axis] ?? 0;
      const keepAxis = call.int('keepdims', 1) !== 0;
      const t = numbersOf(call.graph, x);
      // Ties go to the first: to the last where the axis is read backwards.
      if (call.int('select_last_index', 0) === 0) return secretTensor('int64', pick(t, { axis, keepAxis }));
      return secretTensor(
        'int64',
        pick(flip(t, [axis]), { axis, keepAxis })
          .neg()
          .addNumber(size - 1),
      );
    },
  };
}

function topKOperator(call: OperatorCall): readonly TensorValue[] {
  const x = call.tensor(0);
  const k = call.version < 10 ? call.int('k', 1) : (call.publicNumbers(1, 'its K')[0] ?? 1);
  const axis = call.axis(call.int('axis', -1));
  const { values, indices } = topK(numbersOf(call.graph, x), k, axis, call.int('largest', 1) !== 0);
  return [secretTensor(x.type, values), secretTensor('int64', indices)];
}

function runningSum(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const axis = call.axis(call.publicNumbers(1, 'its axis')[0] ?? 0);
  const exclusive = call.int('exclusive', 0) !== 0;
  const reverse = call.int('reverse', 0) !== 0;
  const t = numbersOf(call.graph, x);
  if (t.isPublic) throw call.unsupported('adds up public values, which is not supported');
  const sums = cumulativeSum(reverse ? flip(t, [axis]) : t, axis, { exclusive });
  return secretTensor(x.type, inType(x.type, reverse ? flip(sums, [axis]) : sums));
}

export const reductions: OperatorFamily = {
  ReduceSum: reduction({ clear: total, secret: (x, axes) => sum(x, { axes }), axesInputSince: 13 }),
  ReduceMean: reduction({
    clear: (values) => total(values) / values.length,
    secret: (x, axes) => mean(x, { axes }),
    axesInputSince: 18,
    realOnly: true,
  }),
  ReduceMax: reduction({
    clear: (values) => Math.max(...values),
    secret: (x, axes) => maximum(joined(x, axes), { axis: -1 }),
    axesInputSince: 18,
  }),
  ReduceMin: reduction({
    clear: (values) => Math.min(...values),
    secret: (x, axes) => minimum(joined(x, axes), { axis: -1 }),
    axesInputSince: 18,
  }),
  ReduceProd: reduction({
    clear: (values) => values.reduce((a, b) => a * b, 1),
    secret: productOf,
    axesInputSince: 18,
  }),
  ReduceSumSquare: reduction({
    clear: (values) => total(values.map((value) => value * value)),
    secret: sumOfSquares,
    axesInputSince: 18,
  }),
  ReduceL1: reduction({
    clear: (values) => total(values.map(Math.abs)),
    secret: (x, axes) => sum(absolute(x), { axes }),
    axesInputSince: 18,
  }),
  ReduceL2: reduction({
    clear: (values) => Math.hypot(...values),
    secret: (x, axes) => norm(x, 2, { axes }),
    axesInputSince: 18,
    realOnly: true,
  }),
  ReduceLogSum: reduction({
    clear: (values) => Math.log(total(values)),
    secret: (x, axes) => logarithm(sum(x, { axes })),
    axesInputSince: 18,
    realOnly: true,
  }),
  ReduceLogSumExp: reduction({
    clear: (values) => Math.log(total(values.map(Math.exp))),
    secret: (x, axes) => alongAxis(joined(x, axes), -1, (rows) => logSumExp(rows)),
    axesInputSince: 18,
    realOnly: true,
  }),
  ArgMax: position(argumentOfMaximum),
  ArgMin: position(argumentOfMinimum),
  TopK: { attributes: ['axis', 'k', 'largest', 'sorted'], run: topKOperator },
  CumSum: { attributes: ['exclusive', 'reverse'], run: runningSum },
};
