/**
 * The reference kernel set: every instruction by the plainest loop over BigInt words and single bits. It is the
 * specification that the fast sets are compared with, so it is written to be read, not to be fast (about 10^7 word
 * operations a second). Generic in the ring width. Knows nothing of protocols or plans.
 */
import type {
  BitSlot,
  Factor,
  Instruction,
  InstructionTimer,
  Kernels,
  Memory,
  PackedPart,
  Slot,
  Windows,
  WordSlot,
} from '../kernels.ts';
import { packedBytes, planeBytes, windowsOut } from '../kernels.ts';
import { checkProgram, checkSlot } from '../check.ts';
import { InternalError } from '../../../shared/errors.ts';

/** Elements of one tensor in a memory. */
type Words = BigUint64Array;

class ReferenceMemory implements Memory {
  readonly bytes: number;
  readonly wordBits: number;
  readonly #buffer: ArrayBuffer;

  constructor(bytes: number, wordBits: number) {
    this.bytes = bytes;
    this.wordBits = wordBits;
    this.#buffer = new ArrayBuffer(Math.ceil(bytes / 16) * 16);
  }

  words(slot: WordSlot): Words {
    return new BigUint64Array(this.#buffer, slot.offset, slot.length);
  }

  /** Bytes of plane `plane` of a slot, pad bits included. */
  plane(slot: BitSlot, plane: number): Uint8Array {
    return new Uint8Array(this.#buffer, slot.offset + plane * planeBytes(slot.length), planeBytes(slot.length));
  }

  async pack(parts: readonly PackedPart[]): Promise<Uint8Array> {
    const packed = new Uint8Array(parts.reduce((sum, part) => sum + packedBytes(part.slot, part.width), 0));
    let at = 0;
    for (const { slot, width } of parts) {
      checkSlot(slot, this.bytes);
      this.#packSlot(slot, width, packed.subarray(at));
      at += packedBytes(slot, width);
    }
    return packed;
  }

  #packSlot(slot: Slot, width: number, packed: Uint8Array): void {
    let next = 0;
    if (slot.kind === 'words') {
      for (const word of this.words(slot)) {
        let rest = BigInt.asUintN(width, word);
        for (let byte = 0; byte < Math.ceil(width / 8); byte++, rest >>= 8n) packed[next++] = Number(rest & 0xffn);
      }
      return;
    }
    for (let plane = 0; plane < slot.planes; plane++) {
      const source = this.plane(slot, plane);
      for (let start = 0; start < slot.length; start += 8) {
        let byte = 0;
        for (let bit = 0; bit < 8 && start + bit < slot.length; bit++) byte |= bitAt(source, start + bit) << bit;
        packed[next++] = byte;
      }
    }
  }

  write(slot: Slot, packed: Uint8Array, width: number): void {
    this.#merge(
      slot,
      packed,
      width,
      (_old, value) => value,
      (_old, value) => value,
    );
  }

  accumulate(slot: Slot, packed: Uint8Array, width: number): void {
    this.#merge(
      slot,
      packed,
      width,
      (old, value) => old + value,
      (old, value) => old ^ value,
    );
  }

  dispose(): void {
    new Uint8Array(this.#buffer).fill(0);
  }

  #merge(
    slot: Slot,
    packed: Uint8Array,
    width: number,
    mergeWord: (old: bigint, value: bigint) => bigint,
    mergeBit: (old: number, value: number) => number,
  ): void {
    checkSlot(slot, this.bytes);
    if (packed.length !== packedBytes(slot, width)) {
      throw new InternalError(
        'kernel-packed-length',
        `${packed.length} packed bytes were given for a slot that takes ${packedBytes(slot, width)}.`,
      );
    }
    if (slot.kind === 'words') {
      const words = this.words(slot);
      const bytes = Math.ceil(width / 8);
      for (let i = 0; i < words.length; i++) {
        let value = 0n;
        for (let byte = bytes - 1; byte >= 0; byte--) value = (value << 8n) | BigInt(packed[i * bytes + byte]!);
        words[i] = BigInt.asUintN(Math.min(width, this.wordBits), mergeWord(words[i]!, value));
      }
      return;
    }
    const bytes = Math.ceil(slot.length / 8);
    for (let plane = 0; plane < slot.planes; plane++) {
      const target = this.plane(slot, plane);
      const source = packed.subarray(plane * bytes, (plane + 1) * bytes);
      for (let i = 0; i < slot.length; i++) setBit(target, i, mergeBit(bitAt(target, i), bitAt(source, i)));
    }
  }
}

function bitAt(plane: Uint8Array, index: number): number {
  return (plane[index >> 3]! >> (index & 7)) & 1;
}

function setBit(plane: Uint8Array, index: number, bit: number): void {
  plane[index >> 3] = (plane[index >> 3]! & ~(1 << (index & 7))) | (bit << (index & 7));
}

/** Index into a factor of `length` elements for element `i` of an output of `outputLength`. */
function repeated(factor: Factor, i: number, outputLength: number): number {
  const length = factor.slot.length;
  return factor.repeat === 'cycle' ? i % length : Math.floor(i / (outputLength / length));
}

/** Visits every position of a tensor of `shape` in row-major order with its offset under `strides`. */
function visit(
  shape: readonly number[],
  strides: readonly number[],
  visitor: (offset: number, i: number) => void,
): void {
  const count = shape.reduce((product, size) => product * size, 1);
  for (let i = 0; i < count; i++) {
    let rest = i;
    let offset = 0;
    for (let d = shape.length - 1; d >= 0; d--) {
      offset += (rest % shape[d]!) * strides[d]!;
      rest = Math.floor(rest / shape[d]!);
    }
    visitor(offset, i);
  }
}

/** Visits every cell of every window: its index in the rows of windows, and in the image or -1 where it is padding. */
function visitWindows(g: Windows, visitor: (row: number, image: number) => void): void {
  const [outHeight, outWidth] = windowsOut(g);
  let row = 0;
  for (let b = 0; b < g.batch; b++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let c = 0; c < g.channels; c++)
          for (let ky = 0; ky < g.kernel[0]; ky++)
            for (let kx = 0; kx < g.kernel[1]; kx++) {
              const y = oy * g.stride[0] + ky * g.dilation[0] - g.padding[0];
              const x = ox * g.stride[1] + kx * g.dilation[1] - g.padding[1];
              const inside = y >= 0 && y < g.height && x >= 0 && x < g.width;
              visitor(row++, inside ? ((b * g.channels + c) * g.height + y) * g.width + x : -1);
            }
}

/** The windows of an image batch as rows. */
function unfolded(image: Words, g: Windows): Words {
  const [outHeight, outWidth] = windowsOut(g);
  const rows = new BigUint64Array(g.batch * outHeight * outWidth * g.channels * g.kernel[0] * g.kernel[1]);
  visitWindows(g, (row, cell) => {
    rows[row] = cell < 0 ? 0n : image[cell]!;
  });
  return rows;
}

/** Overwrites an image batch with the sums of its windows' rows. */
function foldInto(image: Words, rows: Words, g: Windows, modulo: (value: bigint) => bigint): void {
  image.fill(0n);
  visitWindows(g, (row, cell) => {
    if (cell >= 0) image[cell] = modulo(image[cell]! + rows[row]!);
  });
}

function execute(memory: ReferenceMemory, instruction: Instruction): void {
  const w = memory.wordBits;
  const modulo = (value: bigint): bigint => BigInt.asUintN(w, value);
  const words = (slot: WordSlot): Words => memory.words(slot);
  const planes = (slot: BitSlot): Uint8Array[] =>
    Array.from({ length: slot.planes }, (_, plane) => memory.plane(slot, plane));
  /** Value of the planes at element i, plane 0 the lowest bit. */
  const valueAt = (slot: readonly Uint8Array[], i: number): number =>
    slot.reduce((value, plane, p) => value + bitAt(plane, i) * 2 ** p, 0);

  switch (instruction.op) {
    case 'combine': {
      const out = words(instruction.out);
      const terms = instruction.terms.map((term) => ({
        coefficient: term.coefficient,
        factors: term.factors.map((factor) => ({ factor, words: words(factor.slot) })),
      }));
      for (let i = 0; i < out.length; i++) {
        let sum = 0n;
        for (const term of terms) {
          let product = modulo(term.coefficient);
          for (const { factor, words } of term.factors) {
            product = modulo(product * words[repeated(factor, i, out.length)]!);
          }
          sum += product;
        }
        out[i] = modulo(sum);
      }
      return;
    }
    case 'strided': {
      const [out, input] = [words(instruction.out), words(instruction.input)];
      visit(instruction.shape, instruction.strides, (offset, i) => {
        out[i] = input[instruction.start + offset]!;
      });
      return;
    }
    case 'assemble': {
      const out = words(instruction.out);
      out.fill(0n);
      for (const part of instruction.parts) {
        const input = words(part.input);
        visit(part.shape, part.strides, (offset, i) => {
          out[part.start + offset] = input[i]!;
        });
      }
      return;
    }
    case 'gatherRows': {
      const [out, input, index] = [words(instruction.out), words(instruction.input), words(instruction.index)];
      const { inner } = instruction;
      for (let i = 0; i < index.length; i++)
        for (let j = 0; j < inner; j++) {
          const word = input[Number(index[i]) * inner + j];
          if (word === undefined)
            throw new InternalError('kernel-index-range', `Row index ${index[i]} is out of range.`);
          out[i * inner + j] = word;
        }
      return;
    }
    case 'matmul': {
      const { batch, m, k, n, transposeA, transposeB, windows } = instruction;
      const matrices = (slot: WordSlot, of: 'a' | 'b'): Words =>
        windows?.of === of ? unfolded(words(slot), windows.geometry) : words(slot);
      const out = windows?.of === 'out' ? new BigUint64Array(batch * m * n) : words(instruction.out);
      out.fill(0n);
      for (const pair of instruction.pairs) {
        const [a, b] = [matrices(pair.a, 'a'), matrices(pair.b, 'b')];
        for (let t = 0; t < batch; t++) {
          const aStart = a.length === m * k ? 0 : t * m * k;
          const bStart = b.length === k * n ? 0 : t * k * n;
          for (let i = 0; i < m; i++)
            for (let j = 0; j < n; j++) {
              let sum = out[(t * m + i) * n + j]!;
              for (let l = 0; l < k; l++) {
                const x = a[aStart + (transposeA ? l * m + i : i * k + l)]!;
                const y = b[bStart + (transposeB ? j * k + l : l * n + j)]!;
                sum = modulo(sum + x * y);
              }
              out[(t * m + i) * n + j] = sum;
            }
        }
      }
      if (windows?.of === 'out') foldInto(words(instruction.out), out, windows.geometry, modulo);
      return;
    }
    case 'sum': {
      const [out, input] = [words(instruction.out), words(instruction.input)];
      const { outer, count, inner } = instruction;
      for (let o = 0; o < outer; o++)
        for (let i = 0; i < inner; i++) {
          let sum = 0n;
          for (let j = 0; j < count; j++) sum += input[(o * count + j) * inner + i]!;
          out[o * inner + i] = modulo(sum);
        }
      return;
    }
    case 'field': {
      const [out, input] = [words(instruction.out), words(instruction.input)];
      for (let i = 0; i < out.length; i++) {
        out[i] = BigInt.asUintN(instruction.width, input[i]! >> BigInt(instruction.shift));
      }
      return;
    }
    case 'wrap': {
      const [out, opened] = [words(instruction.out), words(instruction.opened)];
      const [zero, wrap] = [words(instruction.zero), words(instruction.wrap)];
      for (let i = 0; i < out.length; i++) {
        const top = (opened[i]! >> BigInt(instruction.top)) & 1n;
        out[i] = modulo(zero[i]! + ((top * wrap[i]!) << BigInt(instruction.lift)));
      }
      return;
    }
    case 'bitPlanes': {
      const [out, input] = [planes(instruction.out), words(instruction.input)];
      out.forEach((plane, p) => {
        for (let i = 0; i < input.length; i++) {
          setBit(plane, i, Number((input[i]! >> BigInt(instruction.from + p)) & 1n));
        }
      });
      return;
    }
    case 'bitsToWords': {
      const [out, input] = [words(instruction.out), memory.plane(instruction.input, 0)];
      for (let i = 0; i < out.length; i++) out[i] = BigInt(bitAt(input, i));
      return;
    }
    case 'combineBits': {
      const terms = instruction.terms.map((term) => term.factors.map(planes));
      planes(instruction.out).forEach((plane, p) => {
        for (let i = 0; i < instruction.out.length; i++) {
          let bit: number = instruction.constant;
          for (const factors of terms) {
            let product = 1;
            for (const factor of factors) product &= bitAt(factor.length === 1 ? factor[0]! : factor[p]!, i);
            bit ^= product;
          }
          setBit(plane, i, bit);
        }
      });
      return;
    }
    case 'stackBits': {
      const inputs = instruction.inputs.flatMap(planes);
      planes(instruction.out).forEach((plane, p) => plane.set(inputs[p]!));
      return;
    }
    case 'splitBits': {
      const { length } = instruction.out;
      const input = memory.plane(instruction.input, 0);
      planes(instruction.out).forEach((plane, p) => {
        for (let i = 0; i < length; i++) setBit(plane, i, bitAt(input, p * length + i));
      });
      return;
    }
    case 'joinBits': {
      const { length } = instruction.input;
      const out = memory.plane(instruction.out, 0);
      planes(instruction.input).forEach((plane, p) => {
        for (let i = 0; i < length; i++) setBit(out, p * length + i, bitAt(plane, i));
      });
      return;
    }
    case 'digitLookup': {
      const [less, equal] = [memory.plane(instruction.less, 0), memory.plane(instruction.equal, 0)];
      const [digit, table] = [planes(instruction.digit), planes(instruction.table)];
      for (let i = 0; i < instruction.digit.length; i++) {
        const entries = table.map((plane) => bitAt(plane, i));
        entries.push(entries.reduce((parity, bit) => parity ^ bit, instruction.first ? 1 : 0));
        const c = valueAt(digit, i);
        setBit(
          less,
          i,
          entries.slice(c + 1).reduce((parity, bit) => parity ^ bit, 0),
        );
        setBit(equal, i, entries[c]!);
      }
      return;
    }
    case 'oneHotBits': {
      const [out, input] = [planes(instruction.out), planes(instruction.input)];
      for (let i = 0; i < instruction.input.length; i++) {
        const value = valueAt(input, i);
        out.forEach((plane, v) => setBit(plane, i, value === v ? 1 : 0));
      }
      return;
    }
    case 'oneHotWords': {
      const [out, input] = [words(instruction.out), words(instruction.input)];
      const entries = 2 ** instruction.bits;
      for (let i = 0; i < input.length; i++) {
        const value = Number(BigInt.asUintN(instruction.bits, input[i]! >> BigInt(instruction.shift)));
        for (let j = 0; j < entries; j++) out[i * entries + j] = value === j ? 1n : 0n;
      }
      return;
    }
    case 'tableLookup': {
      const [out, opened] = [words(instruction.out), words(instruction.opened)];
      const [oneHot, table] = [words(instruction.oneHot), words(instruction.table)];
      const entries = 2 ** instruction.bits;
      for (let p = 0; p < instruction.polynomials; p++)
        for (let i = 0; i < opened.length; i++) {
          const value = Number(BigInt.asUintN(instruction.bits, opened[i]! >> BigInt(instruction.shift)));
          let sum = 0n;
          for (let j = 0; j < entries; j++) {
            sum += table[p * entries + ((value - j + entries) % entries)]! * oneHot[i * entries + j]!;
          }
          out[p * opened.length + i] = modulo(sum);
        }
      return;
    }
    case 'selectMasked': {
      const [out, v] = [words(instruction.out), memory.plane(instruction.v, 0)];
      const [value, masked] = [words(instruction.value), words(instruction.masked)];
      for (let i = 0; i < out.length; i++) {
        out[i] = bitAt(v, i) === 1 ? modulo(value[i]! - masked[i]!) : masked[i]!;
      }
      return;
    }
    case 'unfold':
      words(instruction.out).set(unfolded(words(instruction.input), instruction.windows));
      return;
    case 'fold':
      foldInto(words(instruction.out), words(instruction.input), instruction.windows, modulo);
  }
}

/**
 * The specification as a kernel set, for a ring of `wordBits` bits (8, 16 or 64): all word results are taken mod 2^wordBits.
 * Programs are checked against the shapes of their slots before they run.
 */
export function referenceKernels(wordBits = 64): Kernels {
  const checked = new WeakMap<readonly Instruction[], number>();
  return {
    name: 'reference',
    wordBits,
    allocate: (bytes) => Promise.resolve(new ReferenceMemory(bytes, wordBits)),
    async run(memory: Memory, program: readonly Instruction[], timer?: InstructionTimer): Promise<void> {
      if (!(memory instanceof ReferenceMemory) || memory.wordBits !== wordBits) {
        throw new InternalError('kernel-foreign-memory', 'The memory was allocated by another kernel set.');
      }
      if (checked.get(program) !== memory.bytes) {
        checkProgram(program, memory.bytes, wordBits);
        checked.set(program, memory.bytes);
      }
      program.forEach((instruction, index) => {
        const start = performance.now();
        execute(memory, instruction);
        timer?.tell(index, performance.now() - start);
      });
    },
    dispose: () => Promise.resolve(),
  };
}
