/**
 * Symbolic tensors: what a model step is written with. Every method adds a node to the graph and computes nothing.
 * Products are brought back to the graph's scale; `raw` gives the product before that, for callers that fold public factors
 * into the truncation. Errors: ShapeError names the operation and both shapes.
 * Knows nothing of shares, masks, rounds or kernels.
 */
import { InputError } from '../../shared/errors.ts';
import { windowsOut } from '../kernels/kernels.ts';
import type { Windows } from '../kernels/kernels.ts';
import type { IntervalTable } from '../protocol/piecewise.ts';
import { PUBLIC, SECRET, visibilityOf } from './graph.ts';
import type { Graph, NodeInfo, Operation, Visibility } from './graph.ts';
import { ShapeError, broadcastShapes, normaliseAxis, sameShape, sizeOf } from './shape.ts';
import type { Shape } from './shape.ts';

export class Tensor {
  readonly graph: Graph;
  readonly node: NodeInfo;

  constructor(graph: Graph, node: NodeInfo) {
    this.graph = graph;
    this.node = node;
  }

  get shape(): Shape {
    return this.node.shape;
  }
  get scale(): number {
    return this.node.scale;
  }
  get size(): number {
    return sizeOf(this.node.shape);
  }
  get isPublic(): boolean {
    return this.node.visibility.kind === 'public';
  }

  // ---- linear ----

  add(other: Tensor): Tensor {
    return linear('add', [
      [1n, this],
      [1n, other],
    ]);
  }
  sub(other: Tensor): Tensor {
    return linear('sub', [
      [1n, this],
      [-1n, other],
    ]);
  }
  neg(): Tensor {
    return linear('neg', [[-1n, this]]);
  }
  /** Adds a public number. */
  addNumber(value: number): Tensor {
    return linear('add', [[1n, this]], toFixed(value, this.scale));
  }
  /** Multiplies by an integer: same scale, no truncation. */
  timesInteger(factor: bigint): Tensor {
    return linear('mul', [[factor, this]]);
  }
  /** Multiplies by a public number with `bits` fraction bits; the scale grows by `bits` and nothing is truncated. */
  timesRaw(factor: number, bits: number): Tensor {
    const scaled = linear('mul', [[toFixed(factor, bits), this]]);
    return derive(scaled, scaled.node.operation, scaled.node.inputs, { scale: this.scale + bits });
  }
  /** Multiplies by a public number. 1 round. Small factors get more fraction bits, so that their relative error stays 2^-f. */
  timesNumber(factor: number): Tensor {
    const small = factor === 0 ? 0 : Math.max(0, Math.ceil(-Math.log2(Math.abs(factor))));
    return this.timesRaw(factor, Math.min(this.graph.options.fractionBits + small, 40)).rescaled(this.scale);
  }
  /** Multiplies by 2^power exactly, by moving the scale: no round, and the same ring element. */
  timesPowerOfTwo(power: number): Tensor {
    return this.timesRaw(2 ** power, -power);
  }

  /**
   * The same value with a smaller declared bound: log2 of the largest magnitude of the number. An assumption: where it does
   * not hold, whatever is computed from the value is silently wrong; it is listed with the plan.
   */
  assumeBelow(magnitudeBits: number): Tensor {
    const bound = this.scale + magnitudeBits;
    if (bound >= this.node.bound) return this;
    this.graph.assume(this.node, bound);
    const same = linear('assume', [[1n, this]]);
    return new Tensor(this.graph, this.graph.add({ ...same.node, bound }));
  }

  /** The same value with a smaller bound that holds by construction, where interval analysis cannot see it. */
  provedBelow(magnitudeBits: number): Tensor {
    const bound = this.scale + magnitudeBits;
    if (bound >= this.node.bound) return this;
    const same = linear('bound', [[1n, this]]);
    return new Tensor(this.graph, this.graph.add({ ...same.node, bound }));
  }

  // ---- products ----

  /** Elementwise product with broadcasting, at the graph's scale. */
  mul(other: Tensor): Tensor {
    return this.mulRaw(other).rescaled(this.graph.options.fractionBits);
  }
  /** Elementwise product at the sum of the scales. */
  mulRaw(other: Tensor): Tensor {
    const shape = broadcastShapes('mul', this.shape, other.shape);
    const [a, b] = [this.broadcastTo(shape), other.broadcastTo(shape)];
    return record(this.graph, { op: 'multiply' }, [a, b], shape, {
      scale: this.scale + other.scale,
      bound: a.node.bound + b.node.bound,
    });
  }
  /** Matrix product of the last two axes, at the graph's scale; leading axes are broadcast. */
  matmul(other: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
    return this.matmulRaw(other, options).rescaled(this.graph.options.fractionBits);
  }
  matmulRaw(other: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
    const { transposeA = false, transposeB = false } = options;
    const [a, b] = [this.shape, other.shape];
    if (a.length < 2 || b.length < 2) throw new ShapeError('matmul', [a, b], 'both operands need two axes');
    const [rowsA, columnsA] = lastTwo(a, transposeA);
    const [rowsB, columnsB] = lastTwo(b, transposeB);
    const [batchA, batchB] = [a.slice(0, -2), b.slice(0, -2)];
    if (columnsA !== rowsB) throw new ShapeError('matmul', [a, b], `inner sizes ${columnsA} and ${rowsB} differ`);
    const batchShape = broadcastShapes('matmul', batchA, batchB);
    return record(
      this.graph,
      { op: 'matmul', batch: sizeOf(batchShape), m: rowsA, k: columnsA, n: columnsB, transposeA, transposeB },
      [matrices(this, batchShape), matrices(other, batchShape)],
      [...batchShape, rowsA, columnsB],
      {
        scale: this.scale + other.scale,
        bound: this.node.bound + other.node.bound + Math.log2(Math.max(1, columnsA)),
      },
    );
  }
  /** The value before its last truncation where there was one, also behind a change of shape. */
  get raw(): Tensor {
    const { operation, inputs } = this.node;
    if (operation.op !== 'rescale' && operation.op !== 'reshape') return this;
    const before = new Tensor(this.graph, this.graph.node(inputs[0] ?? -1));
    if (operation.op === 'rescale') return before;
    return before.raw.node === before.node ? this : before.raw.reshape(this.shape);
  }
  /** Brings the scale down to `scale` by truncation. 1 round; none for a public value, which is rounded to nearest. */
  rescaled(scale: number): Tensor {
    if (scale === this.scale) return this;
    if (scale > this.scale) {
      const raised = linear('rescale', [[1n << BigInt(scale - this.scale), this]]);
      return derive(raised, raised.node.operation, raised.node.inputs, { scale });
    }
    const shift = this.scale - scale;
    const bound = this.graph.workingBound(this.node) - shift;
    return record(this.graph, { op: 'rescale', shift }, [this], this.shape, {
      scale,
      // Rounding adds up to one unit; bounds are strict, also where a double has no room for it.
      bound: Math.log2(2 ** bound + 1) + 1e-9,
    });
  }

  // ---- shape ----

  reshape(shape: Shape): Tensor {
    if (sizeOf(shape) !== this.size) throw new ShapeError('reshape', [this.shape, shape], 'element counts differ');
    return sameShape(shape, this.shape) ? this : record(this.graph, { op: 'reshape' }, [this], shape, this.#like());
  }
  transpose(permutation: readonly number[] = this.shape.map((_, axis) => this.shape.length - 1 - axis)): Tensor {
    if (
      [...permutation].sort((a, b) => a - b).some((axis, i) => axis !== i) ||
      permutation.length !== this.shape.length
    ) {
      throw new ShapeError('transpose', [this.shape], `[${permutation.join(', ')}] is no permutation of the axes`);
    }
    const shape = permutation.map((axis) => this.shape[axis] ?? 0);
    return record(this.graph, { op: 'transpose', permutation }, [this], shape, this.#like());
  }
  slice(begin: readonly number[], size: Shape): Tensor {
    const outside = size.some((count, axis) => {
      const from = begin[axis] ?? 0;
      return from < 0 || count < 0 || from + count > (this.shape[axis] ?? 0);
    });
    if (outside || begin.length !== this.shape.length || size.length !== this.shape.length) {
      throw new ShapeError('slice', [this.shape, size], `a slice from [${begin.join(', ')}] does not fit`);
    }
    return sameShape(size, this.shape) ? this : record(this.graph, { op: 'slice', begin }, [this], size, this.#like());
  }
  /** The tensor inside zeros of the given shape, starting at `begin`. */
  embed(begin: readonly number[], shape: Shape): Tensor {
    if (
      shape.length !== this.shape.length ||
      this.shape.some((n, axis) => (begin[axis] ?? 0) + n > (shape[axis] ?? 0))
    ) {
      throw new ShapeError('embed', [this.shape, shape], 'the tensor does not fit inside');
    }
    return record(this.graph, { op: 'embed', begin }, [this], shape, this.#like());
  }
  broadcastTo(shape: Shape): Tensor {
    if (sameShape(shape, this.shape)) return this;
    if (!sameShape(broadcastShapes('broadcast', this.shape, shape), shape)) {
      throw new ShapeError('broadcast', [this.shape, shape], 'the second is not a widening of the first');
    }
    const padded = this.reshape([...new Array<number>(shape.length - this.shape.length).fill(1), ...this.shape]);
    return record(this.graph, { op: 'broadcast' }, [padded], shape, this.#like());
  }
  /** Sum over an axis, which disappears. */
  sum(axis: number): Tensor {
    const normal = normaliseAxis('sum', axis, this.shape);
    const count = this.shape[normal] ?? 1;
    return record(
      this.graph,
      { op: 'sum', axis: normal },
      [this],
      this.shape.filter((_, i) => i !== normal),
      { ...this.#like(), bound: this.node.bound + Math.log2(Math.max(1, count)) },
    );
  }
  /** Rows by public numbers at scale 0, of one axis. */
  gatherRows(index: Tensor): Tensor {
    const operation = index.node.operation;
    if (!index.isPublic || index.shape.length !== 1 || index.scale !== 0) {
      throw new ShapeError('gatherRows', [this.shape, index.shape], 'rows are picked by one axis of public indices');
    }
    const rows = this.shape[0] ?? 0;
    if (operation.op === 'constant' && operation.words.some((row) => row < 0n || row >= BigInt(rows))) {
      throw new ShapeError('gatherRows', [this.shape, index.shape], 'an index is outside the first axis');
    }
    return record(this.graph, { op: 'gatherRows' }, [this, index], [index.size, ...this.shape.slice(1)], this.#like());
  }
  unfold(windows: Windows): Tensor {
    const [height, width] = windowsOut(windows);
    const rows = windows.batch * height * width;
    const columns = windows.channels * windows.kernel[0] * windows.kernel[1];
    return record(this.graph, { op: 'unfold', windows }, [this], [rows, columns], this.#like());
  }
  fold(windows: Windows): Tensor {
    const shape = [windows.batch, windows.channels, windows.height, windows.width];
    const overlaps = Math.log2(windows.kernel[0] * windows.kernel[1]);
    return record(this.graph, { op: 'fold', windows }, [this], shape, {
      ...this.#like(),
      bound: this.node.bound + overlaps,
    });
  }

  // ---- comparisons and tables ----

  /** Bit: 1 where the value is at least the public number. 3 rounds after the value's opening. */
  atLeast(threshold: number): Tensor {
    return record(this.graph, { op: 'atLeast', threshold: toFixed(threshold, this.scale) }, [this], this.shape, {
      type: 'bit',
      scale: 0,
      bound: 0,
    });
  }
  /**
   * Bit: 1 where the value is above zero; of a product, before its truncation. Costs what `atLeast` does. Right for magnitudes
   * below the bound, as all planned values are; at -2^bound itself it would be 1.
   */
  isPositive(): Tensor {
    return record(this.graph, { op: 'isPositive' }, [this], this.shape, { type: 'bit', scale: 0, bound: 0 });
  }
  /** Bit: 1 where the value is exactly the public number. 2 rounds after the value's opening; half the cost of two `atLeast`. */
  equalsNumber(value: number): Tensor {
    return record(this.graph, { op: 'equals', value: toFixed(value, this.scale) }, [this], this.shape, {
      type: 'bit',
      scale: 0,
      bound: 0,
    });
  }
  /** Bit `position` of the ring element in two's complement. At most 3 rounds after the value's opening. */
  bitOf(position: number): Tensor {
    return record(this.graph, { op: 'bitOf', position }, [this], this.shape, { type: 'bit', scale: 0, bound: 0 });
  }
  /** Both bits. 1 round. */
  and(other: Tensor): Tensor {
    if (!sameShape(this.shape, other.shape)) throw new ShapeError('and', [this.shape, other.shape], 'shapes differ');
    return record(this.graph, { op: 'and' }, [this, other], this.shape, this.#like());
  }
  /** At least one of the bits. 1 round. */
  or(other: Tensor): Tensor {
    return this.not().and(other.not()).not();
  }
  xor(other: Tensor): Tensor {
    if (!sameShape(this.shape, other.shape)) throw new ShapeError('xor', [this.shape, other.shape], 'shapes differ');
    return record(this.graph, { op: 'xor' }, [this, other], this.shape, this.#like());
  }
  not(): Tensor {
    return record(this.graph, { op: 'not' }, [this], this.shape, this.#like());
  }
  /** This bit times a number of the same shape: no round beyond the opening of the bit under its mask. */
  select(value: Tensor): Tensor {
    if (!sameShape(this.shape, value.shape)) throw new ShapeError('select', [this.shape, value.shape], 'shapes differ');
    return record(this.graph, { op: 'select' }, [this, value], value.shape, {
      scale: value.scale,
      bound: value.node.bound,
    });
  }
  /** A bit as the number 0 or 1, at scale 0. */
  toNumber(): Tensor {
    return record(this.graph, { op: 'bitToNumber' }, [this], this.shape, { scale: 0, bound: 0.01, type: 'number' });
  }
  /**
   * Rectifier: fused with the truncation before it; 4 rounds from a product, nothing lost. Its derivative at zero is zero, as
   * in CrypTen, PyTorch and TensorFlow: else a black background would move the first biases of an image's network.
   */
  relu(): Tensor {
    return this.isPositive().select(this);
  }
  /** Bits, one-hot along the first axis at its first largest element. */
  oneHotMaximum(): Tensor {
    return record(this.graph, { op: 'oneHotMaximum' }, [this], this.shape, { type: 'bit', scale: 0, bound: 0 });
  }
  /** Interval polynomial at scale `scale` (see protocol/piecewise.ts); `bound` is log2 of its largest ring magnitude. */
  lookUp(table: IntervalTable, scale: number, bound: number): Tensor {
    return record(this.graph, { op: 'lookUp', table }, [this], this.shape, { scale, bound });
  }

  // ---- ends ----

  /** Keeps the value for later executions; `masked` also opens it under a mask that lives as long (static data). */
  store(name: string, options: { masked?: boolean } = {}): void {
    this.graph.stores.push({ name, node: this.node.id, masked: options.masked ?? false });
  }
  /** Sends blinded shares to the named receivers, who alone learn the value. */
  reveal(name: string, receivers: readonly string[]): void {
    this.graph.reveals.push({ name, node: this.node.id, receivers });
  }

  #like(): { scale: number; bound: number; type: 'number' | 'bit' } {
    return { scale: this.node.scale, bound: this.node.bound, type: this.node.type };
  }
}

// ---- sources ----

/** Plaintext of one party. `magnitudeBits` is log2 of the largest magnitude of the number it stands for. */
export function privateInput(
  graph: Graph,
  name: string,
  owner: string,
  shape: Shape,
  magnitudeBits: number,
  scale = graph.options.fractionBits,
): Tensor {
  const visibility: Visibility = { kind: 'private', owner };
  return new Tensor(
    graph,
    graph.add({
      operation: { op: 'input', name, owner },
      inputs: [],
      shape,
      type: 'number',
      scale,
      bound: scale + magnitudeBits,
      visibility,
    }),
  );
}

/** A value of which every party holds a share: outcome of another computation. Magnitudes as of a private input. */
export function sharedInput(
  graph: Graph,
  name: string,
  shape: Shape,
  magnitudeBits: number,
  scale = graph.options.fractionBits,
): Tensor {
  return new Tensor(
    graph,
    graph.add({
      operation: { op: 'input', name, owner: undefined },
      inputs: [],
      shape,
      type: 'number',
      scale,
      bound: scale + magnitudeBits,
      visibility: SECRET,
    }),
  );
}

/** @param options.owner the party that knows the value, where nothing else was stored than what is its own. */
export function stateInput(
  graph: Graph,
  name: string,
  shape: Shape,
  options: { bound: number; scale?: number; masked?: boolean; owner?: string | undefined },
): Tensor {
  const { owner } = options;
  return new Tensor(
    graph,
    graph.add({
      operation: { op: 'state', name, masked: options.masked ?? false },
      inputs: [],
      shape,
      type: 'number',
      scale: options.scale ?? graph.options.fractionBits,
      bound: options.bound,
      visibility: owner === undefined ? SECRET : { kind: 'private', owner },
    }),
  );
}

/**
 * Public numbers, encoded at the given scale.
 * @throws InputError `constant-not-finite`, `constant-out-of-range` (a number that has no place in a word), naming the layer.
 */
export function constant(
  graph: Graph,
  values: ArrayLike<number>,
  shape: Shape,
  scale = graph.options.fractionBits,
): Tensor {
  const limit = 2 ** (graph.options.wordBits - 1 - scale);
  const words = Array.from({ length: values.length }, (_, i) => {
    const value = values[i] ?? 0;
    const holds = `${graph.place}: the constant [${shape.join(', ')}] holds ${value} at position ${i}`;
    if (!Number.isFinite(value))
      throw new InputError('constant-not-finite', `${holds}, which has no fixed-point form.`, {
        hint: 'Repair the model: only finite numbers can be used.',
      });
    if (Math.abs(value) < limit) return toFixed(value, scale);
    const fits = graph.options.wordBits - 2 - Math.floor(Math.log2(Math.abs(value)));
    throw new InputError(
      'constant-out-of-range',
      `${holds}: at ${scale} fraction bits magnitudes must stay below ${limit} in words of ${graph.options.wordBits} bits.`,
      {
        hint: fits < 0 ? 'Rescale the model.' : `It would fit with ${fits} fraction bits or fewer, or scaled down.`,
      },
    );
  });
  const largest = words.reduce((max, word) => (word < 0n ? (-word > max ? -word : max) : word > max ? word : max), 0n);
  return new Tensor(
    graph,
    graph.add({
      operation: { op: 'constant', words },
      inputs: [],
      shape,
      type: 'number',
      scale,
      bound: Math.log2(Number(largest) + 1),
      visibility: PUBLIC,
    }),
  );
}

/** Public numbers given before each execution, at the graph's scale if not at another; magnitudes below 2^magnitudeBits. */
export function knownInput(
  graph: Graph,
  name: string,
  shape: Shape,
  magnitudeBits: number,
  scale = graph.options.fractionBits,
): Tensor {
  return known(graph, name, shape, scale, scale + magnitudeBits);
}

/** Public row numbers, given before each execution. */
export function indexInput(graph: Graph, name: string, length: number): Tensor {
  return known(graph, name, [length], 0, 31);
}

function known(graph: Graph, name: string, shape: Shape, scale: number, bound: number): Tensor {
  return new Tensor(
    graph,
    graph.add({
      operation: { op: 'known', name },
      inputs: [],
      shape,
      type: 'number',
      scale,
      bound,
      visibility: PUBLIC,
    }),
  );
}

export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first, ...rest] = tensors;
  if (first === undefined) throw new ShapeError('concat', [], 'nothing to join');
  if (rest.length === 0) return first;
  const normal = normaliseAxis('concat', axis, first.shape);
  for (const other of rest) {
    if (other.shape.length !== first.shape.length || other.shape.some((n, i) => i !== normal && n !== first.shape[i])) {
      throw new ShapeError('concat', [first.shape, other.shape], `sizes differ beside axis ${normal}`);
    }
    if (other.scale !== first.scale) throw new ShapeError('concat', [first.shape, other.shape], 'scales differ');
  }
  const shape = first.shape.map((n, i) =>
    i === normal ? tensors.reduce((sum, t) => sum + (t.shape[normal] ?? 0), 0) : n,
  );
  return record(first.graph, { op: 'concat', axis: normal }, tensors, shape, {
    scale: first.scale,
    bound: Math.max(...tensors.map((t) => t.node.bound)),
  });
}

/** Sum of integer multiples; operands are broadcast and raised to the largest scale. `constantUnits` is in that scale's units. */
export function linear(name: string, terms: readonly (readonly [bigint, Tensor])[], constantUnits = 0n): Tensor {
  const [first] = terms;
  if (first === undefined) throw new ShapeError(name, [], 'no operands');
  const graph = first[1].graph;
  const shape = terms.reduce<Shape>((s, [, t]) => broadcastShapes(name, s, t.shape), first[1].shape);
  const scale = Math.max(...terms.map(([, t]) => t.scale));
  const aligned = terms.map(([coefficient, t]) => ({
    coefficient: coefficient << BigInt(scale - t.scale),
    tensor: t.broadcastTo(shape),
  }));
  const magnitude = aligned.reduce(
    (sum, { coefficient, tensor }) => sum + Math.abs(Number(coefficient)) * 2 ** tensor.node.bound,
    Math.abs(Number(constantUnits)),
  );
  return record(
    graph,
    { op: 'linear', coefficients: aligned.map((term) => term.coefficient), constant: constantUnits },
    aligned.map((term) => term.tensor),
    shape,
    { scale, bound: Math.log2(Math.max(1, magnitude)) },
  );
}

/** Nearest fixed-point integer. */
export function toFixed(value: number, scale: number): bigint {
  if (!Number.isFinite(value)) throw new InputError('not-a-number', `${value} has no fixed-point form.`);
  // Exact: a product by a power of two, which is a whole number where a double has no more fraction bits.
  return BigInt(Math.round(value * 2 ** scale));
}

function record(
  graph: Graph,
  operation: Operation,
  inputs: readonly Tensor[],
  shape: Shape,
  rest: { scale: number; bound: number; type?: 'number' | 'bit' },
): Tensor {
  const visibility = visibilityOf(inputs.map((t) => t.node));
  return new Tensor(
    graph,
    graph.add({
      operation,
      inputs: inputs.map((t) => t.node.id),
      shape,
      type: rest.type ?? 'number',
      scale: rest.scale,
      bound: rest.bound,
      visibility,
    }),
  );
}

/** The same operation once more under another scale. */
function derive(t: Tensor, operation: Operation, inputs: readonly number[], change: { scale: number }): Tensor {
  const { shape, type, bound, visibility } = t.node;
  return new Tensor(t.graph, t.graph.add({ operation, inputs, shape, type, bound, visibility, scale: change.scale }));
}

/** An operand of a batched matrix product: its batch axes widened, or left out where it is one matrix for all. */
function matrices(t: Tensor, batchShape: Shape): Tensor {
  const matrix = t.shape.slice(-2);
  const batch = t.shape.slice(0, -2);
  if (sameShape(batch, batchShape)) return t;
  return sizeOf(batch) === 1 ? t.reshape(matrix) : t.broadcastTo([...batchShape, ...matrix]);
}

function lastTwo(shape: Shape, transposed: boolean): [number, number] {
  const [rows, columns] = [shape[shape.length - 2] ?? 0, shape[shape.length - 1] ?? 0];
  return transposed ? [columns, rows] : [rows, columns];
}
