/**
 * A kernel set checked against the reference on this machine: every instruction on random words and on those that carry
 * furthest. For sets whose arithmetic a driver does: it takes a fraction of a second and knows nothing of which set it checks.
 */
import { operandsOf } from './check.ts';
import type { BitSlot, Factor, Instruction, Kernels, Memory, PackedPart, Slot, WordSlot } from './kernels.ts';
import { SLOT_ALIGNMENT_BYTES, packedBytes, slotBytes } from './kernels.ts';
import { referenceKernels } from './reference/reference.ts';
import { chacha20Keystream } from '../random/chacha20.ts';
import { MachineError } from '../../shared/errors.ts';

/** Deeper than any variant of a product sums without folding. */
const DEEP = 16_400;

class Layout {
  bytes = 0;
  readonly outputs: Slot[] = [];
  words(length: number): WordSlot {
    return this.#place({ kind: 'words', offset: this.bytes, length });
  }
  bits(length: number, planes: number): BitSlot {
    return this.#place({ kind: 'bits', offset: this.bytes, length, planes });
  }
  /** An output, compared after the run. */
  out<S extends Slot>(slot: S): S {
    this.outputs.push(slot);
    return slot;
  }
  #place<S extends Slot>(slot: S): S {
    this.bytes = Math.ceil((slot.offset + slotBytes(slot)) / SLOT_ALIGNMENT_BYTES) * SLOT_ALIGNMENT_BYTES;
    return slot;
  }
}

/**
 * Words of a fixed sequence (splitmix64); of every eight, one is all ones and one small, which carry furthest and least. Not
 * random in any sense that protects.
 */
function testWords(length: number): BigUint64Array {
  let state = 0x7ac17n;
  return BigUint64Array.from({ length }, (_, i) => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = BigInt.asUintN(64, (state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    if (i % 8 === 3) return BigInt(i % 16);
    return i % 8 === 7 ? 2n ** 64n - 1n : z ^ (z >> 31n);
  });
}

interface Exercise {
  readonly layout: Layout;
  readonly program: readonly Instruction[];
  /** All ones before the run. */
  readonly ones: readonly WordSlot[];
}

/** A product with windows in each of its places, on parts of x and y. */
function convolutions(x: WordSlot, y: WordSlot, outWords: (length: number) => WordSlot): Instruction[] {
  const geometry = {
    ...{ batch: 1, channels: 6, height: 4, width: 4 },
    ...({ kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: [1, 1, 1, 1] } as const),
  };
  const [rows, columns, filters, image] = [16, 54, 5, 96];
  const part = (slot: WordSlot, length: number): WordSlot => ({ ...slot, length });
  const untransposed = { batch: 1, transposeA: false, transposeB: false };
  return [
    {
      op: 'matmul',
      out: outWords(rows * filters),
      pairs: [{ a: part(x, image), b: part(y, columns * filters) }],
      ...{ ...untransposed, m: rows, k: columns, n: filters },
      windows: { of: 'a', geometry },
    },
    {
      op: 'matmul',
      out: outWords(filters * columns),
      pairs: [{ a: part(x, rows * filters), b: part(y, image) }],
      ...{ ...untransposed, m: filters, k: rows, n: columns },
      windows: { of: 'b', geometry },
    },
    {
      op: 'matmul',
      out: outWords(image),
      pairs: [{ a: part(x, rows * filters), b: part(y, filters * columns) }],
      ...{ ...untransposed, m: rows, k: filters, n: columns },
      windows: { of: 'out', geometry },
    },
  ];
}

function exercise(): Exercise {
  const layout = new Layout();
  const words = (length: number): WordSlot => layout.words(length);
  const outWords = (length: number): WordSlot => layout.out(layout.words(length));
  const outBits = (length: number, planes: number): BitSlot => layout.out(layout.bits(length, planes));
  const factor = (slot: WordSlot, repeat: Factor['repeat'] = 'cycle'): Factor => ({ slot, repeat });
  const n = 300;
  const [x, y, row, column] = [words(n), words(n), words(30), words(10)];
  const [deepA, deepB] = [words(4 * DEEP), words(DEEP * 4)];
  const [index, digit, hot] = [outWords(20), outBits(n, 4), outBits(n, 15)];
  const [less, equal, flat] = [outBits(n, 1), outBits(n, 1), outBits(4 * n, 1)];
  const [oneHot, rows] = [outWords(20 * 16), outWords(2 * 16 * 3 * 9)];
  const opened: WordSlot = { ...x, length: 20 };
  const image: WordSlot = { ...y, length: 2 * 3 * 16 };
  const padding = [1, 1, 1, 1] as const;
  const windows = { batch: 2, channels: 3, height: 4, width: 4, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding } as const; // prettier-ignore
  const sizes = { batch: 1, m: 12, k: 25, n: 12 };
  const a: WordSlot = { ...x, length: 300 };
  const program: Instruction[] = [
    {
      op: 'combine',
      out: outWords(n),
      terms: [
        { coefficient: 1n, factors: [factor(x), factor(y)] },
        { coefficient: -1n, factors: [factor(row), factor(column, 'stretch')] },
        { coefficient: 0xf123_4567_89ab_cdefn, factors: [factor(y), factor(y)] },
        { coefficient: -(2n ** 40n), factors: [] },
      ],
    },
    { op: 'strided', out: outWords(n), input: x, shape: [15, 20], strides: [1, 15], start: 0 },
    {
      op: 'assemble',
      out: outWords(n + 5),
      parts: [{ input: y, shape: [15, 20], strides: [1, 15], start: 3 }],
    },
    { op: 'field', out: index, input: opened, shift: 61, width: 3 },
    { op: 'gatherRows', out: outWords(20 * 7), input: { ...x, length: 8 * 7 }, index, inner: 7 },
    ...[0, 1, 2, 3].map((transposes): Instruction => ({
      op: 'matmul',
      out: outWords(144),
      pairs: [
        { a, b: y },
        { a: y, b: x },
      ],
      ...sizes,
      transposeA: transposes % 2 === 1,
      transposeB: transposes > 1,
    })),
    {
      op: 'matmul',
      out: outWords(16),
      pairs: [{ a: deepA, b: deepB }],
      batch: 1,
      m: 4,
      k: DEEP,
      n: 4,
      transposeA: false,
      transposeB: false,
    },
    ...convolutions(x, y, outWords),
    { op: 'sum', out: outWords(20), input: x, outer: 2, count: 15, inner: 10 },
    { op: 'sum', out: outWords(1), input: deepA, outer: 1, count: deepA.length, inner: 1 },
    { op: 'wrap', out: outWords(n), opened: x, top: 63, zero: y, wrap: x, lift: 37 },
    { op: 'bitPlanes', out: digit, input: y, from: 30 },
    { op: 'oneHotBits', out: hot, input: digit },
    { op: 'digitLookup', less, equal, digit, table: hot, first: true },
    { op: 'combineBits', out: outBits(n, 4), terms: [{ factors: [digit, less] }, { factors: [equal] }], constant: 1 },
    { op: 'stackBits', out: outBits(n, 5), inputs: [digit, less] },
    { op: 'joinBits', out: flat, input: digit },
    { op: 'splitBits', out: outBits(n, 4), input: flat },
    { op: 'bitsToWords', out: outWords(n), input: equal },
    { op: 'selectMasked', out: outWords(n), v: less, value: x, masked: y },
    { op: 'oneHotWords', out: oneHot, input: opened, shift: 58, bits: 4 },
    {
      op: 'tableLookup',
      out: outWords(3 * 20),
      opened,
      oneHot,
      table: { ...y, length: 48 },
      polynomials: 3,
      shift: 58,
      bits: 4,
    },
    { op: 'unfold', out: rows, input: image, windows },
    { op: 'fold', out: outWords(image.length), input: rows, windows },
  ];
  return { layout, program, ones: [deepA, deepB] };
}

/** Operations that a set is not to be trusted with on this machine, and why. */
export type Refusals = ReadonlyMap<Instruction['op'], string>;

/** What comes out when words go in: unpacked, added to, and from a key stream. */
async function transferred(memory: Memory, { layout }: Exercise): Promise<Uint8Array> {
  const all: WordSlot = { kind: 'words', offset: 0, length: layout.bytes / 8 };
  memory.write(all, new Uint8Array(testWords(all.length).buffer), 64);
  const [narrow, streamed] = [
    { ...all, length: 300 },
    { ...all, offset: 64 * 300, length: 300 },
  ];
  memory.accumulate(narrow, new Uint8Array(narrow.length * 6).fill(0xff), 46);
  const key = Uint8Array.from({ length: 32 }, (_, i) => 7 * i);
  const nonce = new Uint8Array(12).fill(0xa5);
  if (memory.expand === undefined) {
    const stream = new Uint8Array(streamed.length * 7);
    chacha20Keystream(key, nonce, 9, stream);
    memory.accumulate(streamed, stream, 54);
  } else {
    memory.expand(streamed, { key, nonce, block: 9 }, 54, 'accumulate');
  }
  return await memory.pack([
    { slot: narrow, width: 46 },
    { slot: all, width: 64 },
  ]);
}

function firstDifference(expected: Uint8Array, actual: Uint8Array): number | undefined {
  const at = expected.findIndex((byte, i) => byte !== actual[i]);
  return at >= 0 ? at : expected.length === actual.length ? undefined : expected.length;
}

function wrong(name: string, text: string): MachineError {
  return new MachineError('kernels-wrong', `The ${name} kernels leave other words than the reference here: ${text}`, {
    hint: 'The driver or the hardware computes wrongly: update the driver, and run on the CPU until then.',
  });
}

function begin(memory: Memory, { layout, ones }: Exercise): void {
  const all: WordSlot = { kind: 'words', offset: 0, length: layout.bytes / 8 };
  memory.write(all, new Uint8Array(testWords(all.length).buffer), 64);
  for (const slot of ones) memory.write(slot, new Uint8Array(slotBytes(slot)).fill(0xff), 64);
}

const wholly = (slots: readonly Slot[]): PackedPart[] => slots.map((slot) => ({ slot, width: 64 }));

/**
 * Which operations the set refuses, or leaves other words in than the reference; none, on a machine that works. Throws
 * MachineError `kernels-wrong` where nothing can be trusted: words change on the way in or out, or between instructions.
 */
export async function selfTest(kernels: Kernels): Promise<Refusals> {
  const test = exercise();
  const reference = referenceKernels();
  const [expected, memory] = [await reference.allocate(test.layout.bytes), await kernels.allocate(test.layout.bytes)];
  try {
    const moved = firstDifference(await transferred(expected, test), await transferred(memory, test));
    if (moved !== undefined) throw wrong(kernels.name, `byte ${moved} of what went in and out again.`);
    begin(expected, test);
    await reference.run(expected, test.program);
    const refused = (await kernels.refused?.(memory, test.program)) ?? new Map<number, string>();
    if (refused.size === 0) {
      begin(memory, test);
      await kernels.run(memory, test.program);
      const outputs = wholly(test.layout.outputs);
      const differs = firstDifference(await expected.pack(outputs), await memory.pack(outputs));
      if (differs === undefined) return new Map();
    }
    const refusals = await tryEach(kernels, memory, expected, test, refused);
    if (refusals.size === 0) throw wrong(kernels.name, 'each instruction is right, all in a row are not.');
    return refusals;
  } finally {
    expected.dispose();
    memory.dispose();
  }
}

/** Every instruction on its own, on the operands that the reference left. */
async function tryEach(
  kernels: Kernels,
  memory: Memory,
  expected: Memory,
  { layout, program }: Exercise,
  refused: ReadonlyMap<number, string>,
): Promise<Refusals> {
  const all: WordSlot = { kind: 'words', offset: 0, length: layout.bytes / 8 };
  memory.write(all, await expected.pack(wholly([all])), 64);
  const refusals = new Map<Instruction['op'], string>();
  for (const [number, instruction] of program.entries()) {
    const { outputs } = operandsOf(instruction, kernels.wordBits);
    const right = await expected.pack(wholly(outputs));
    let reason = refused.get(number);
    if (reason === undefined) {
      for (const slot of outputs) memory.write(slot, new Uint8Array(packedBytes(slot, 64)).fill(0x5a), 64);
      await kernels.run(memory, [instruction]);
      const at = firstDifference(right, await memory.pack(wholly(outputs)));
      if (at !== undefined) reason = `it leaves other words than the reference (byte ${at} of ${right.length})`;
    }
    if (reason !== undefined && !refusals.has(instruction.op)) refusals.set(instruction.op, reason);
    let from = 0;
    for (const slot of outputs) {
      const bytes = packedBytes(slot, 64);
      memory.write(slot, right.subarray(from, from + bytes), 64);
      from += bytes;
    }
  }
  return refusals;
}
