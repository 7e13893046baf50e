/**
 * Evaluates a traced graph in the clear, element by element, over any kind of number: doubles for gradients, integers for the
 * fixed-point oracle (fixed-point.ts). Slow and obvious; it shares nothing with lowering or kernels.
 */
import { windowsOut } from '../../engine/kernels/kernels.ts';
import type { Windows } from '../../engine/kernels/kernels.ts';
import type { IntervalTable } from '../../engine/protocol/piecewise.ts';
import type { Graph, NodeInfo } from '../../engine/tensor/graph.ts';
import { sizeOf, stridesOf } from '../../engine/tensor/shape.ts';

/** What numbers are, and what the operations do that depend on it. Bits are `zero` and `one`. */
export interface Arithmetic<T> {
  readonly zero: T;
  readonly one: T;
  add(a: T, b: T): T;
  multiply(a: T, b: T): T;
  isLess(a: T, b: T): boolean;
  /** Bit of the ring element that x stands for. */
  bit(x: T, position: number, scale: number): boolean;
  /** The number that ring word `word` stands for at a scale. */
  fromWord(word: bigint, scale: number): T;
  /** What a coefficient of a linear node multiplies its input by. */
  coefficient(word: bigint, inputScale: number, outputScale: number): T;
  rescale(node: NodeInfo, values: readonly T[]): T[];
  /** `values` only where they are wanted: a truncation that only feeds look-ups is never carried out. */
  lookUp(node: NodeInfo, table: IntervalTable, values: () => readonly T[]): T[];
}

export interface PlainFeeds<T> {
  /** Inputs of parties, known inputs and states, by name. */
  readonly values: ReadonlyMap<string, readonly T[]>;
  /** Row numbers, by name. */
  readonly rows?: ReadonlyMap<string, readonly number[]>;
}

export class PlainGraph<T> {
  readonly #graph: Graph;
  readonly #arithmetic: Arithmetic<T>;
  readonly #feeds: PlainFeeds<T>;
  readonly #values = new Map<number, readonly T[]>();

  constructor(graph: Graph, arithmetic: Arithmetic<T>, feeds: PlainFeeds<T>) {
    this.#graph = graph;
    this.#arithmetic = arithmetic;
    this.#feeds = feeds;
  }

  value(id: number): readonly T[] {
    const known = this.#values.get(id);
    if (known !== undefined) return known;
    const node = this.#graph.node(id);
    const value = this.#evaluate(node);
    if (value.length !== sizeOf(node.shape))
      throw new RangeError(`${node.operation.op}: ${value.length} elements for shape [${node.shape.join(', ')}]`);
    this.#values.set(id, value);
    return value;
  }

  #evaluate(node: NodeInfo): readonly T[] {
    const { operation } = node;
    const a = this.#arithmetic;
    const input = (i: number): readonly T[] => this.value(node.inputs[i] ?? -1);
    const inputNode = (i: number): NodeInfo => this.#graph.node(node.inputs[i] ?? -1);
    const size = sizeOf(node.shape);
    const make = (element: (index: number[], flat: number) => T): T[] =>
      Array.from({ length: size }, (_, flat) => element(indexOf(flat, node.shape), flat));
    const at = (i: number, index: readonly number[]): T => input(i)[flatOf(index, inputNode(i).shape)] ?? a.zero;
    switch (operation.op) {
      case 'input':
      case 'known':
      case 'state': {
        const value = this.#feeds.values.get(operation.name);
        if (value === undefined) throw new RangeError(`no value for ${operation.name}`);
        return value;
      }
      case 'constant':
        return operation.words.map((word) => a.fromWord(word, node.scale));
      case 'linear': {
        const start = a.fromWord(operation.constant, node.scale);
        const factors = operation.coefficients.map((c, i) => a.coefficient(c, inputNode(i).scale, node.scale));
        const inputs = node.inputs.map((_, i) => input(i));
        return make((_, flat) =>
          inputs.reduce((sum, x, i) => a.add(sum, a.multiply(factors[i] ?? a.zero, x[flat] ?? a.zero)), start),
        );
      }
      case 'multiply':
        return make((_, flat) => a.multiply(input(0)[flat] ?? a.zero, input(1)[flat] ?? a.zero));
      case 'matmul': {
        const { k, transposeA, transposeB } = operation;
        const rankA = inputNode(0).shape.length;
        const rankB = inputNode(1).shape.length;
        return make((index) => {
          const batch = index.slice(0, -2);
          const [row = 0, column = 0] = index.slice(-2);
          let sum = a.zero;
          for (let l = 0; l < k; l++) {
            const left = at(0, [...(rankA > 2 ? batch : []), ...(transposeA ? [l, row] : [row, l])]);
            const right = at(1, [...(rankB > 2 ? batch : []), ...(transposeB ? [column, l] : [l, column])]);
            sum = a.add(sum, a.multiply(left, right));
          }
          return sum;
        });
      }
      case 'reshape':
        return input(0);
      case 'transpose':
        return make((index) => {
          const source: number[] = [];
          operation.permutation.forEach((axis, i) => (source[axis] = index[i] ?? 0));
          return at(0, source);
        });
      case 'slice':
        return make((index) =>
          at(
            0,
            index.map((v, axis) => v + (operation.begin[axis] ?? 0)),
          ),
        );
      case 'embed':
        return make((index) => {
          const source = index.map((v, axis) => v - (operation.begin[axis] ?? 0));
          return source.every((v, axis) => v >= 0 && v < (inputNode(0).shape[axis] ?? 0)) ? at(0, source) : a.zero;
        });
      case 'concat':
        return make((index) => {
          let position = index[operation.axis] ?? 0;
          let part = 0;
          while (position >= (inputNode(part).shape[operation.axis] ?? 0)) {
            position -= inputNode(part).shape[operation.axis] ?? 0;
            part++;
          }
          return at(
            part,
            index.map((v, axis) => (axis === operation.axis ? position : v)),
          );
        });
      case 'broadcast':
        return make((index) =>
          at(
            0,
            index.map((v, axis) => (inputNode(0).shape[axis] === 1 ? 0 : v)),
          ),
        );
      case 'sum':
        return make((index) => {
          let sum = a.zero;
          for (let j = 0; j < (inputNode(0).shape[operation.axis] ?? 0); j++)
            sum = a.add(sum, at(0, [...index.slice(0, operation.axis), j, ...index.slice(operation.axis)]));
          return sum;
        });
      case 'gatherRows': {
        const index = inputNode(1).operation;
        const rows =
          index.op === 'known'
            ? (this.#feeds.rows?.get(index.name) ?? [])
            : index.op === 'constant'
              ? index.words.map(Number)
              : [];
        return make(([row = 0, ...rest]) => at(0, [rows[row] ?? -1, ...rest]));
      }
      case 'rescale':
        return a.rescale(node, input(0));
      case 'atLeast': {
        const threshold = a.fromWord(operation.threshold, inputNode(0).scale);
        // The operation compares what stands before a pending truncation.
        const { values, limit } = this.#untruncated(inputNode(0), operation.threshold) ?? {
          values: input(0),
          limit: threshold,
        };
        return make((_, flat) => (a.isLess(values[flat] ?? a.zero, limit) ? a.zero : a.one));
      }
      case 'isPositive': {
        const values = this.#untruncated(inputNode(0), 0n)?.values ?? input(0);
        return make((_, flat) => (a.isLess(a.zero, values[flat] ?? a.zero) ? a.one : a.zero));
      }
      case 'equals': {
        const value = a.fromWord(operation.value, inputNode(0).scale);
        return make((_, flat) => {
          const x = input(0)[flat] ?? a.zero;
          return a.isLess(x, value) || a.isLess(value, x) ? a.zero : a.one;
        });
      }
      case 'bitOf':
        return make((_, flat) =>
          a.bit(input(0)[flat] ?? a.zero, operation.position, inputNode(0).scale) ? a.one : a.zero,
        );
      case 'and':
        return make((_, flat) => (input(0)[flat] !== a.zero && input(1)[flat] !== a.zero ? a.one : a.zero));
      case 'xor':
        return make((_, flat) => (input(0)[flat] === input(1)[flat] ? a.zero : a.one));
      case 'not':
        return make((_, flat) => (input(0)[flat] === a.zero ? a.one : a.zero));
      case 'select':
        return make((_, flat) => (input(0)[flat] === a.zero ? a.zero : (input(1)[flat] ?? a.zero)));
      case 'bitToNumber':
        return input(0);
      case 'oneHotMaximum': {
        const values = this.#untruncated(inputNode(0), 0n)?.values ?? input(0);
        const [candidates = 1] = node.shape;
        const rest = size / Math.max(1, candidates);
        return make((_, flat) => {
          const column = flat % rest;
          let best = 0;
          for (let i = 1; i < candidates; i++)
            if (a.isLess(values[best * rest + column] ?? a.zero, values[i * rest + column] ?? a.zero)) best = i;
          return best === Math.floor(flat / rest) ? a.one : a.zero;
        });
      }
      case 'lookUp':
        return a.lookUp(node, operation.table, () => input(0));
      case 'unfold':
        return make(([row = 0, column = 0]) => {
          const cell = cellOf(operation.windows, row, column);
          return cell === undefined ? a.zero : at(0, cell);
        });
      case 'fold': {
        const sums = new Array<T>(size).fill(a.zero);
        const [rows = 0, columns = 0] = inputNode(0).shape;
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            const cell = cellOf(operation.windows, row, column);
            if (cell === undefined) continue;
            const flat = flatOf(cell, node.shape);
            sums[flat] = a.add(sums[flat] ?? a.zero, at(0, [row, column]));
          }
        return sums;
      }
    }
  }

  #untruncated(node: NodeInfo, threshold: bigint): { values: readonly T[]; limit: T } | undefined {
    if (node.operation.op !== 'rescale') return undefined;
    const inner = this.#graph.node(node.inputs[0] ?? -1);
    const limit = this.#arithmetic.fromWord(threshold << BigInt(node.operation.shift), inner.scale);
    return { values: this.value(inner.id), limit };
  }
}

function indexOf(flat: number, shape: readonly number[]): number[] {
  let rest = flat;
  return stridesOf(shape).map((stride) => {
    const index = Math.floor(rest / stride);
    rest -= index * stride;
    return index;
  });
}

function flatOf(index: readonly number[], shape: readonly number[]): number {
  return stridesOf(shape).reduce((sum, stride, axis) => sum + stride * (index[axis] ?? 0), 0);
}

/** Image element behind a cell of the windows; undefined for padding. */
function cellOf(windows: Windows, row: number, column: number): number[] | undefined {
  const [outHeight, outWidth] = windowsOut(windows);
  const [kernelHeight, kernelWidth] = windows.kernel;
  const batch = Math.floor(row / (outHeight * outWidth));
  const [top, left] = [Math.floor(row / outWidth) % outHeight, row % outWidth];
  const channel = Math.floor(column / (kernelHeight * kernelWidth));
  const [down, across] = [Math.floor(column / kernelWidth) % kernelHeight, column % kernelWidth];
  const y = top * windows.stride[0] + down * windows.dilation[0] - windows.padding[0];
  const x = left * windows.stride[1] + across * windows.dilation[1] - windows.padding[1];
  return y < 0 || y >= windows.height || x < 0 || x >= windows.width ? undefined : [batch, channel, y, x];
}
