/** Matrix products. */
import { range } from '../../tensor/rearrange.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { multiply } from './arithmetic.ts';
import { binary } from './elementwise.ts';
import { isFloat, numbersOf, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { TensorValue } from './value.ts';

/** Matrix product as numpy's matmul: a vector is a row on the left and a column on the right. The scales add up. */
export function matmulRaw(a: Tensor, b: Tensor): Tensor {
  const rows = a.shape.length === 1 ? a.reshape([1, a.size]) : a;
  const columns = b.shape.length === 1 ? b.reshape([b.size, 1]) : b;
  const product = rows.matmulRaw(columns);
  const rank = product.shape.length;
  return product.reshape(
    product.shape.filter(
      (_, axis) => !(axis === rank - 2 && a.shape.length === 1) && !(axis === rank - 1 && b.shape.length === 1),
    ),
  );
}

/** The product of two tensors in their type. */
function matmulValues(call: OperatorCall, a: TensorValue, b: TensorValue): TensorValue {
  if (a.kind === 'public' && b.kind === 'public')
    throw call.unsupported(
      'multiplies two public matrices, which is not supported',
      'Fold them when exporting the model.',
    );
  const product = matmulRaw(numbersOf(call.graph, a), numbersOf(call.graph, b));
  return secretTensor(a.type, isFloat(a.type) ? product.rescaled(call.graph.options.fractionBits) : product);
}

function gemm(call: OperatorCall): TensorValue {
  const { fractionBits } = call.graph.options;
  const [alpha, beta] = [call.float('alpha', 1), call.float('beta', 1)];
  const [a, b] = [call.numbers(0), call.numbers(1)];
  const isReal = isFloat(call.type(0));
  if (!isReal && (!Number.isInteger(alpha) || !Number.isInteger(beta)))
    throw call.unsupported(`multiplies whole numbers by ${alpha} and ${beta}`);
  const product = a.matmulRaw(b, {
    transposeA: call.int('transA', 0) !== 0,
    transposeB: call.int('transB', 0) !== 0,
  });
  if (product.isPublic) throw call.unsupported('multiplies two public matrices, which is not supported');
  const scaled =
    alpha === 1
      ? product
      : isReal
        ? product.rescaled(fractionBits).timesRaw(alpha, fractionBits)
        : product.timesInteger(BigInt(alpha));
  const c = call.optionalTensor(2);
  if (c === undefined || beta === 0) return secretTensor(call.type(0), isReal ? scaled.rescaled(fractionBits) : scaled);
  const offset = beta === 1 ? c : multiply(call, [c, publicTensor(c.type, [], [beta])]);
  const sum = scaled.add(numbersOf(call.graph, offset));
  return secretTensor(call.type(0), isReal ? sum.rescaled(fractionBits) : sum);
}

/** Larger ones take 2^n products, and their values leave the range. */
const LARGEST_DETERMINANT = 6;

/** By minors of more and more rows (Laplace), all matrices side by side. 2 (n - 1) rounds. */
function determinant(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const [rows = 0, columns = 0] = x.shape.slice(-2);
  const outer = x.shape.slice(0, -2);
  if (rows !== columns || rows < 1) throw call.unsupported(`takes square matrices, not ${rows} x ${columns}`);
  if (rows > LARGEST_DETERMINANT)
    throw call.unsupported(`takes matrices of ${rows} x ${rows}; up to ${LARGEST_DETERMINANT} are supported`);
  const cell = (row: number, column: number): Tensor =>
    x.slice([...outer.map(() => 0), row, column], [...outer, 1, 1]).reshape(outer);
  // By the columns they take, as bits: of the first row, of the first two ...
  let minors = new Map(range(rows).map((column) => [1 << column, cell(0, column)]));
  for (let row = 1; row < rows; row++) {
    const next = new Map<number, Tensor>();
    for (const set of range(1 << rows).filter((bits) => bitsIn(bits) === row + 1)) {
      const taken = range(rows).filter((column) => (set & (1 << column)) !== 0);
      const terms = taken.map((column, i) => {
        const term = cell(row, column).mulRaw(minors.get(set & ~(1 << column)) ?? x);
        return (row + i) % 2 === 0 ? term : term.neg();
      });
      next.set(set, terms.reduce((sum, term) => sum.add(term)).rescaled(x.scale));
    }
    minors = next;
  }
  return secretTensor(call.type(0), [...minors.values()][0] ?? x);
}

function bitsIn(bits: number): number {
  return bits === 0 ? 0 : (bits & 1) + bitsIn(bits >> 1);
}

export const linearAlgebra: OperatorFamily = {
  Det: { run: determinant },
  MatMul: { run: (call) => matmulValues(call, call.tensor(0), call.tensor(1)) },
  Gemm: { attributes: ['alpha', 'beta', 'transA', 'transB', 'broadcast'], run: gemm },
  MatMulInteger: {
    run: (call) => {
      /** In 32 bits, less its zero point: one for all, or one for each row of the left and column of the right operand. */
      const centred = (position: 0 | 1): TensorValue => {
        const x: TensorValue = { ...call.tensor(position), type: 'int32' };
        const zero = call.optionalTensor(position + 2);
        if (zero === undefined) return x;
        const isPerRow = position === 0 && shapeOf(zero).length === 1;
        const point = isPerRow
          ? numbersOf(call.graph, zero).reshape([shapeOf(zero)[0] ?? 0, 1])
          : numbersOf(call.graph, zero);
        const offset: TensorValue =
          zero.kind === 'public' ? { ...zero, type: 'int32', shape: point.shape } : secretTensor('int32', point);
        return binary(
          call,
          [x, offset],
          (a, b) => a - b,
          (a, b) => a.sub(b),
        );
      };
      return matmulValues(call, centred(0), centred(1));
    },
  },
};
