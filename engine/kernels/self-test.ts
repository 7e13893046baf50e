/**
 * A kernel set checked against the reference on this machine: every instruction on random words and on those that carry
 * furthest. For sets whose arithmetic a driver does: it takes a fraction of a second and knows nothing of which set it checks.
 */
import type { BitSlot, Factor, Instruction, Kernels, Slot, WordSlot } from './kernels.ts';
import { SLOT_ALIGNMENT_BYTES, slotBytes } from './kernels.ts';
import { referenceKernels } from './reference/reference.ts';
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

/** Words of a fixed sequence (splitmix64), every eighth one all ones. Not random in any sense that protects. */
function testWords(length: number): BigUint64Array {
  let state = 0x7ac17n;
  return BigUint64Array.from({ length }, (_, i) => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = BigInt.asUintN(64, (state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return i % 8 === 7 ? 2n ** 64n - 1n : z ^ (z >> 31n);
  });
}

interface Exercise {
  readonly layout: Layout;
  readonly program: readonly Instruction[];
  /** All ones before the run. */
  readonly ones: readonly WordSlot[];
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

async function results(kernels: Kernels, { layout, program, ones }: Exercise): Promise<Uint8Array> {
  const memory = await kernels.allocate(layout.bytes);
  try {
    const all: WordSlot = { kind: 'words', offset: 0, length: layout.bytes / 8 };
    memory.write(all, new Uint8Array(testWords(all.length).buffer), 64);
    for (const slot of ones) memory.write(slot, new Uint8Array(slotBytes(slot)).fill(0xff), 64);
    await kernels.run(memory, program);
    const narrow = layout.outputs[0]!;
    memory.accumulate(narrow, new Uint8Array(narrow.length * 6).fill(0xff), 46);
    return await memory.pack([...layout.outputs.map((slot) => ({ slot, width: 64 })), { slot: narrow, width: 46 }]);
  } finally {
    memory.dispose();
  }
}

/** Throws MachineError `kernels-wrong` unless the set leaves the same words as the reference. */
export async function selfTest(kernels: Kernels): Promise<void> {
  const test = exercise();
  const [expected, actual] = [await results(referenceKernels(), test), await results(kernels, test)];
  const wrong = expected.findIndex((byte, i) => byte !== actual[i]);
  if (wrong < 0 && expected.length === actual.length) return;
  throw new MachineError(
    'kernels-wrong',
    `The ${kernels.name} kernels leave other words than the reference here (byte ${wrong} of ${expected.length}).`,
    { hint: 'The driver or the hardware computes wrongly: update the driver, and run on the CPU until then.' },
  );
}
