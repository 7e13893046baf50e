/**
 * The traced graph of a step: ordinary TypeScript on symbolic tensors leaves one node an operation, with shape, visibility,
 * fixed-point scale and bound, and no values. Autograd adds nodes to the same graph; lowering reads it once.
 * Knows nothing of shares, masks, rounds or kernels.
 *
 * Scale s means that a ring element x stands for x / 2^s. The bound is log2 of the largest magnitude of the ring element
 * (a real number); it is proved by interval arithmetic from declared bounds, or assumed (see Assumption).
 */
import { InternalError } from '../../shared/errors.ts';
import type { Windows } from '../kernels/kernels.ts';
import type { IntervalTable } from '../protocol/piecewise.ts';
import { ShapeError, sizeOf } from './shape.ts';
import type { Shape } from './shape.ts';

/** Who knows a tensor: everybody (`public`), one party (`private`), nobody alone (`secret`). */
export type Visibility =
  { readonly kind: 'public' } | { readonly kind: 'private'; readonly owner: string } | { readonly kind: 'secret' };

export const PUBLIC: Visibility = { kind: 'public' };
export const SECRET: Visibility = { kind: 'secret' };

/** Who knows a result: whoever knows all of what it was computed from. */
export function visibilityOf(inputs: readonly { readonly visibility: Visibility }[]): Visibility {
  return inputs.reduce<Visibility>((known, { visibility }) => {
    if (known.kind === 'public') return visibility;
    if (visibility.kind === 'public') return known;
    const isSame = known.kind === 'private' && visibility.kind === 'private' && known.owner === visibility.owner;
    return isSame ? known : SECRET;
  }, PUBLIC);
}

export type Operation =
  /** Plaintext of one party, given before the execution; without an owner a value of which every party gives its share. */
  | { readonly op: 'input'; readonly name: string; readonly owner: string | undefined }
  /** A value kept from an earlier execution; `masked` if it was stored with its opening under a mask. */
  | { readonly op: 'state'; readonly name: string; readonly masked: boolean }
  | { readonly op: 'constant'; readonly words: readonly bigint[] }
  /** Public integers given before each execution, known to the dealer too. */
  | { readonly op: 'known'; readonly name: string }
  /** Sum of integer multiples of tensors of one shape, and a public constant. */
  | { readonly op: 'linear'; readonly coefficients: readonly bigint[]; readonly constant: bigint }
  | { readonly op: 'multiply' }
  /** [batch, m, k] times [batch, k, n], each last two axes possibly transposed; a batch of 1 is used for all. */
  | {
      readonly op: 'matmul';
      readonly batch: number;
      readonly m: number;
      readonly k: number;
      readonly n: number;
      readonly transposeA: boolean;
      readonly transposeB: boolean;
    }
  | { readonly op: 'reshape' }
  | { readonly op: 'transpose'; readonly permutation: readonly number[] }
  | { readonly op: 'slice'; readonly begin: readonly number[] }
  /** Zeros around the tensor: it starts at `begin` of the result. */
  | { readonly op: 'embed'; readonly begin: readonly number[] }
  | { readonly op: 'concat'; readonly axis: number }
  | { readonly op: 'broadcast' }
  | { readonly op: 'sum'; readonly axis: number }
  /** Rows of input 0 by the public indices of input 1. */
  | { readonly op: 'gatherRows' }
  /** Division by 2^shift with public-dither rounding (protocol/truncate.ts). */
  | { readonly op: 'rescale'; readonly shift: number }
  /** Bit: 1 where the value is at least `threshold` (ring units). */
  | { readonly op: 'atLeast'; readonly threshold: bigint }
  /** Bit: 1 where the value, before a truncation that is pending, is above zero. */
  | { readonly op: 'isPositive' }
  /** Bit: 1 where the value is `value` (ring units). */
  | { readonly op: 'equals'; readonly value: bigint }
  /** One bit of the ring element, in two's complement. */
  | { readonly op: 'bitOf'; readonly position: number }
  | { readonly op: 'and' }
  | { readonly op: 'xor' }
  | { readonly op: 'not' }
  /** Bit (input 0) times number (input 1). */
  | { readonly op: 'select' }
  | { readonly op: 'bitToNumber' }
  /** Bits, one-hot along the first axis at its first largest element. */
  | { readonly op: 'oneHotMaximum' }
  /** Polynomial of the interval that the value lies in; meaningless outside the table's domain. */
  | { readonly op: 'lookUp'; readonly table: IntervalTable }
  | { readonly op: 'unfold'; readonly windows: Windows }
  | { readonly op: 'fold'; readonly windows: Windows };

export interface NodeInfo {
  readonly id: number;
  readonly operation: Operation;
  readonly inputs: readonly number[];
  readonly shape: Shape;
  readonly type: 'number' | 'bit';
  readonly scale: number;
  /** log2 of the largest magnitude of a ring element. */
  readonly bound: number;
  readonly visibility: Visibility;
  readonly layer: string;
  readonly phase: string;
}

/** A bound that interval analysis could not prove and that the job takes as given. */
export interface Assumption {
  readonly layer: string;
  readonly operation: string;
  readonly proved: number;
  readonly assumed: number;
}

export interface GraphOptions {
  readonly name: string;
  /** Scale of ordinary numbers: fraction bits f. */
  readonly fractionBits: number;
  /** Bound assumed for a value before truncation where none smaller is proved (54: magnitude below 2^22 at scale 32). */
  readonly assumedBound: number;
  readonly wordBits: number;
}

export interface Store {
  readonly name: string;
  readonly node: number;
  readonly masked: boolean;
}

export interface Reveal {
  readonly name: string;
  readonly node: number;
  readonly receivers: readonly string[];
}

export class Graph {
  readonly options: GraphOptions;
  readonly nodes: NodeInfo[] = [];
  readonly stores: Store[] = [];
  readonly reveals: Reveal[] = [];
  readonly assumptions: Assumption[] = [];
  #layer = '';
  #phase = 'forward';

  constructor(options: GraphOptions) {
    this.options = options;
  }

  /** Nodes traced inside belong to this layer and phase. */
  scope<T>(layer: string, phase: string, trace: () => T): T {
    const [outerLayer, outerPhase] = [this.#layer, this.#phase];
    this.#layer = layer;
    this.#phase = phase;
    try {
      return trace();
    } finally {
      this.#layer = outerLayer;
      this.#phase = outerPhase;
    }
  }

  /** The layer that is being traced, in words. */
  get place(): string {
    return this.#layer === '' ? `Program ${this.options.name}` : `Layer ${this.#layer} (${this.#phase})`;
  }

  add(node: Omit<NodeInfo, 'id' | 'layer' | 'phase'>): NodeInfo {
    const full: NodeInfo = { ...node, id: this.nodes.length, layer: this.#layer, phase: this.#phase };
    if (node.shape.some((size) => !Number.isInteger(size) || size < 0)) {
      throw new ShapeError(node.operation.op, [node.shape], 'sizes must be whole and not negative');
    }
    if (sizeOf(node.shape) > 2 ** 31) throw new ShapeError(node.operation.op, [node.shape], 'too many elements');
    this.nodes.push(full);
    return full;
  }

  node(id: number): NodeInfo {
    const node = this.nodes[id];
    if (node === undefined) throw new InternalError('no-such-node', `Graph ${this.options.name} has no node ${id}.`);
    return node;
  }

  /**
   * The bound to work with where a value is opened: the proved one and `slack` bits, or the job's assumption where that is
   * smaller; the latter is listed. A table's bound is its largest entry: it is reached, so never assumed away.
   */
  workingBound(node: NodeInfo, slack = 0): number {
    const proved = node.bound + slack;
    if (proved <= this.options.assumedBound || node.operation.op === 'lookUp') return proved;
    this.assume(node, this.options.assumedBound - slack);
    return this.options.assumedBound;
  }

  /** Lists an assumption, once a layer and operation. */
  assume(node: NodeInfo, assumed: number): void {
    if (this.assumptions.some((a) => a.layer === node.layer && a.operation === node.operation.op)) return;
    this.assumptions.push({ layer: node.layer, operation: node.operation.op, proved: node.bound, assumed });
  }
}
