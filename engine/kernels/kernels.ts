/**
 * What a kernel set must do: ring tensors in one memory, and a small list of instructions on them.
 * The instructions are the whole local computation of parties and dealer; the reference set (reference/) is their
 * specification, every other set (wasm/, webgpu/) must agree with it bit for bit (test/compliance).
 * Knows nothing of protocols, parties, files or sockets.
 *
 * Words are elements of Z_2^w (w = 64, or smaller in tests), stored as little-endian u64, row-major.
 * Bits are XOR-shared or public bits in bit-sliced planes: plane p holds bit p of every element, element i at
 * bit (i mod 8) of byte floor(i / 8). A plane is padded to 16 bytes; pad bits are unspecified and never leave a memory.
 */

/** Slots start at multiples of this many bytes. */
export const SLOT_ALIGNMENT_BYTES = 64;

/** A tensor of ring words in a memory. A slot may be a contiguous part of another one. */
export interface WordSlot {
  readonly kind: 'words';
  /** Byte offset, a multiple of 8 (of 64 for whole values). */
  readonly offset: number;
  /** Number of words. */
  readonly length: number;
}

/** Planes of bits in a memory. A slot may be consecutive planes of another one. */
export interface BitSlot {
  readonly kind: 'bits';
  /** Byte offset, a multiple of 16 (of 64 for whole values). */
  readonly offset: number;
  /** Bits in one plane (number of elements). */
  readonly length: number;
  readonly planes: number;
}

export type Slot = WordSlot | BitSlot;

/** Bytes of one plane of `length` bits in a memory. */
export function planeBytes(length: number): number {
  return Math.ceil(length / 128) * 16;
}

/** Bytes that a slot occupies in a memory. */
export function slotBytes(slot: { kind: 'words' | 'bits'; length: number; planes?: number }): number {
  return slot.kind === 'words' ? slot.length * 8 : planeBytes(slot.length) * (slot.planes ?? 1);
}

/**
 * Bytes of a slot on a link or in a record. Words of `width` bits take ceil(width / 8) bytes each, little-endian,
 * the bits above `width` zero. Planes take ceil(length / 8) bytes each, one after the other, pad bits zero.
 */
export function packedBytes(slot: { kind: 'words' | 'bits'; length: number; planes?: number }, width: number): number {
  return slot.kind === 'words' ? slot.length * Math.ceil(width / 8) : Math.ceil(slot.length / 8) * (slot.planes ?? 1);
}

/**
 * A factor of a product term. Its length divides the output's; a shorter one is repeated:
 * `cycle` reads element i mod length (a row added to every row), `stretch` reads floor(i / (outputLength / length))
 * (a column added to every column).
 */
export interface Factor {
  readonly slot: WordSlot;
  readonly repeat: 'cycle' | 'stretch';
}

/** coefficient * product of the factors (0 to 4 of them), mod 2^w. */
export interface Term {
  readonly coefficient: bigint;
  readonly factors: readonly Factor[];
}

/** AND of the factors (1 to 8 of them); each has the output's planes, or one plane that is used for all. */
export interface BitTerm {
  readonly factors: readonly BitSlot[];
}

/** Two-dimensional windows of an image batch, for convolution and pooling. All sizes in elements. */
export interface Windows {
  readonly batch: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** Top, left, bottom, right; padded cells read as zero. */
  readonly padding: readonly [number, number, number, number];
}

/** Rows of windows: output height and width of a window geometry. */
export function windowsOut(g: Windows): readonly [number, number] {
  const size = (n: number, before: number, after: number, kernel: number, dilation: number, stride: number): number =>
    Math.floor((n + before + after - dilation * (kernel - 1) - 1) / stride) + 1;
  return [
    size(g.height, g.padding[0], g.padding[2], g.kernel[0], g.dilation[0], g.stride[0]),
    size(g.width, g.padding[1], g.padding[3], g.kernel[1], g.dilation[1], g.stride[1]),
  ];
}

/**
 * A matrix of a product that stands for the windows of an image batch, rows as `unfold` leaves them; matrix t of the product's
 * batch is the windows of the t-th part of the images. Its slot holds the images. A or B (of every pair, not transposed) is
 * read from there; `out` is added up there as by `fold`, and needs an A that is not transposed.
 */
export interface WindowedMatrix {
  readonly of: 'a' | 'b' | 'out';
  readonly geometry: Windows;
}

/**
 * One local operation. Outputs never overlap inputs, and never each other. All arithmetic is mod 2^w.
 * Every output element is written. Empty tensors (length 0) are legal everywhere.
 */
export type Instruction =
  /** out[i] = sum over terms of coefficient * factors[i]...; no terms: zeros; a term without factors is a constant. */
  | { readonly op: 'combine'; readonly out: WordSlot; readonly terms: readonly Term[] }
  /** out[i0, i1, ...] = input[start + sum(i_d * strides[d])]: transposes, slices, broadcasts (stride 0), flips. */
  | {
      readonly op: 'strided';
      readonly out: WordSlot;
      readonly input: WordSlot;
      readonly shape: readonly number[];
      readonly strides: readonly number[];
      readonly start: number;
    }
  /** out = zeros, then for each part out[start + sum(i_d * strides[d])] = input[i0, i1, ...]: concatenation, adjoint of a slice. */
  | {
      readonly op: 'assemble';
      readonly out: WordSlot;
      readonly parts: readonly {
        readonly input: WordSlot;
        readonly shape: readonly number[];
        readonly strides: readonly number[];
        readonly start: number;
      }[];
    }
  /** out[i, j] = input[index[i], j], j < inner. Indices are public and in range (the planner checks them). */
  | {
      readonly op: 'gatherRows';
      readonly out: WordSlot;
      readonly input: WordSlot;
      readonly index: WordSlot;
      readonly inner: number;
    }
  /**
   * out[b] = sum over pairs of A[b] B[b], out m x n, A m x k (k x m if transposeA), B k x n (n x k if transposeB), `batch` of
   * them one after the other. A pair whose A (or B) has a single matrix uses it for the whole batch. With `windows`, one of
   * the three is not written out (see WindowedMatrix): convolutions, and their gradients.
   */
  | {
      readonly op: 'matmul';
      readonly out: WordSlot;
      readonly pairs: readonly { readonly a: WordSlot; readonly b: WordSlot }[];
      readonly batch: number;
      readonly m: number;
      readonly k: number;
      readonly n: number;
      readonly transposeA: boolean;
      readonly transposeB: boolean;
      readonly windows?: WindowedMatrix;
    }
  /** out[o, i] = sum over j of input[o, j, i]; sizes outer, count, inner. */
  | {
      readonly op: 'sum';
      readonly out: WordSlot;
      readonly input: WordSlot;
      readonly outer: number;
      readonly count: number;
      readonly inner: number;
    }
  /** out[i] = floor(input[i] / 2^shift) mod 2^width (logical). shift + width <= w. */
  | {
      readonly op: 'field';
      readonly out: WordSlot;
      readonly input: WordSlot;
      readonly shift: number;
      readonly width: number;
    }
  /**
   * Wrap term of the exact truncation: out[i] = zero[i] + c_top * wrap[i] * 2^lift, where c_top is bit `top` of opened[i].
   */
  | {
      readonly op: 'wrap';
      readonly out: WordSlot;
      readonly opened: WordSlot;
      readonly top: number;
      readonly zero: WordSlot;
      readonly wrap: WordSlot;
      readonly lift: number;
    }
  /** Plane p of out = bit (from + p) of every input word. */
  | { readonly op: 'bitPlanes'; readonly out: BitSlot; readonly input: WordSlot; readonly from: number }
  /** out[i] = bit i of the single input plane, as word 0 or 1. */
  | { readonly op: 'bitsToWords'; readonly out: WordSlot; readonly input: BitSlot }
  /** out = constant XOR (XOR of the terms); constant applies to every bit. */
  | { readonly op: 'combineBits'; readonly out: BitSlot; readonly terms: readonly BitTerm[]; readonly constant: 0 | 1 }
  /** The planes of the inputs one after the other. */
  | { readonly op: 'stackBits'; readonly out: BitSlot; readonly inputs: readonly BitSlot[] }
  /** Bit i of plane p of out = bit (p * out.length + i) of the single input plane. */
  | { readonly op: 'splitBits'; readonly out: BitSlot; readonly input: BitSlot }
  /** Inverse of splitBits: bit (p * input.length + i) of the single plane of out = bit i of plane p of input. */
  | { readonly op: 'joinBits'; readonly out: BitSlot; readonly input: BitSlot }
  /**
   * One digit of a comparison by one-time tables. `digit` has d planes (public bits of a digit c of each element), `table`
   * has 2^d - 1 planes, E[v] for v = 0 .. 2^d - 2 (XOR shares of 1{v = r}). E[2^d - 1] is implied: XOR of the others, plus 1
   * where `first` is set; d is 1 to 12. less = XOR of E[v] over v > c (share of 1{c < r}); equal = E[c] (share of 1{c = r}).
   */
  | {
      readonly op: 'digitLookup';
      readonly less: BitSlot;
      readonly equal: BitSlot;
      readonly digit: BitSlot;
      readonly table: BitSlot;
      readonly first: boolean;
    }
  /** Plane v of out = 1{value of the d input planes = v}, v = 0 .. 2^d - 2. */
  | { readonly op: 'oneHotBits'; readonly out: BitSlot; readonly input: BitSlot }
  /** out[i, j] = 1{ (floor(input[i] / 2^shift) mod 2^bits) = j }, j < 2^bits. */
  | {
      readonly op: 'oneHotWords';
      readonly out: WordSlot;
      readonly input: WordSlot;
      readonly shift: number;
      readonly bits: number;
    }
  /**
   * Interval look-up: out[p, i] = sum over j of table[p, (floor(opened[i] / 2^shift) - j) mod 2^bits] * oneHot[i, j].
   * out has `polynomials` rows of opened.length words; table has as many rows of 2^bits words.
   */
  | {
      readonly op: 'tableLookup';
      readonly out: WordSlot;
      readonly opened: WordSlot;
      readonly oneHot: WordSlot;
      readonly table: WordSlot;
      readonly polynomials: number;
      readonly shift: number;
      readonly bits: number;
    }
  /** out[i] = v[i] ? value[i] - masked[i] : masked[i]; with masked = rho * value this is (v XOR rho) * value. */
  | {
      readonly op: 'selectMasked';
      readonly out: WordSlot;
      readonly v: BitSlot;
      readonly value: WordSlot;
      readonly masked: WordSlot;
    }
  /** Windows of input [batch, channels, height, width] as rows: out [batch * outHeight * outWidth, channels * kh * kw]. */
  | { readonly op: 'unfold'; readonly out: WordSlot; readonly input: WordSlot; readonly windows: Windows }
  /** Adjoint of unfold: out [batch, channels, height, width] = sums of the rows' cells; padded cells are dropped. */
  | { readonly op: 'fold'; readonly out: WordSlot; readonly input: WordSlot; readonly windows: Windows };

/** Wants to know what instructions took. */
export interface InstructionTimer {
  /** Indices, from 0 upwards, at which groups of instructions begin whose time is wanted together. */
  readonly groups: readonly number[];
  /**
   * The time of the instruction with this index, or of the group that begins with it. A set that computes elsewhere tells it
   * before the next pack settles, or not at all where the device has no clock.
   */
  tell(index: number, ms: number): void;
}

/** What a device did while the host waited for a pack, on the device's clock; the rest of the wait is reading back. */
export interface DeviceTimes {
  /** Unpacking what was written. */
  readonly uploadMs: number;
  /** Instructions. */
  readonly kernelMs: number;
}

/** A slot on its way out of a memory: the low `width` bits of each word, or whole planes (`width` is ignored for bits). */
export interface PackedPart {
  readonly slot: Slot;
  readonly width: number;
}

/** A place in a ChaCha20 keystream (RFC 8439): from block `block` under a key of 32 bytes and a nonce of 12. */
export interface Keystream {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly block: number;
}

/**
 * One memory of a kernel set: resident tensors, read and written only at the edges (links, records, results).
 * Calls take effect in the order in which they are made, a run when its promise resolves (await it before the next call); a set
 * may carry them out later, and then reports what went wrong by rejecting the next pack.
 */
export interface Memory {
  readonly bytes: number;
  /**
   * The parts packed one after the other (see packedBytes), as they are at the time of the call whatever is called before
   * the promise settles. The only way out of a memory, and the only wait: a set that computes elsewhere has one transfer a call.
   */
  pack(parts: readonly PackedPart[]): Promise<Uint8Array>;
  /** Overwrites a slot from packed bytes; bits above `width` of a packed word are ignored, words are zero-extended. */
  write(slot: Slot, packed: Uint8Array, width: number): void;
  /** Adds packed words to a slot mod 2^width (the result keeps only `width` bits), or XORs packed planes into it. */
  accumulate(slot: Slot, packed: Uint8Array, width: number): void;
  /**
   * Where a set expands key streams itself: overwrites a slot as `write` does, or adds to it as `accumulate` does, with as many
   * bytes of the keystream as the packed slot has.
   */
  expand?(slot: Slot, keystream: Keystream, width: number, how: 'write' | 'accumulate'): void;
  /**
   * Of a set that carries calls out later: begins with those that were made until now, for a caller who turns to something else.
   */
  flush?(): void;
  /** Of a set that computes elsewhere: what the last pack waited for. */
  deviceTimes?(): DeviceTimes;
  /**
   * Where a set can lose a memory and make it again: of all that was written until now, only these slots are read later.
   * Called between executions; it may take a copy of them, the one thing besides `pack` that leaves.
   */
  settle?(states: readonly WordSlot[]): Promise<void>;
  /** Overwrites with zeros whatever the memory holds and frees it. */
  dispose(): void;
}

/** A kernel set: `reference` (slow, obvious), `wasm` (threads and SIMD), `webgpu` (a graphics card). */
export interface Kernels {
  readonly name: string;
  /** Bits of a ring word; 64 except in exhaustive tests. */
  readonly wordBits: number;
  /** A zeroed memory. */
  allocate(bytes: number): Promise<Memory>;
  /**
   * Runs instructions in order; a set that computes elsewhere has queued them when the promise resolves. `program` is treated
   * as immutable, so a set may cache what it prepares for it.
   */
  run(memory: Memory, program: readonly Instruction[], timer?: InstructionTimer): Promise<void>;
  /** Of a set that a driver may refuse kernels: the instructions of a program that it cannot run, by index, and why. */
  refused?(memory: Memory, program: readonly Instruction[]): Promise<ReadonlyMap<number, string>>;
  dispose(): Promise<void>;
}
