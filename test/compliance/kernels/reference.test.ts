/** The reference set is the specification of the others, so it is compared with values worked out by hand. */
import { describe, expect, test } from 'vitest';
import type { BitSlot, Instruction, Memory, Slot, WordSlot } from '../../../engine/kernels/kernels.ts';
import { packedBytes, planeBytes, slotBytes, windowsOut } from '../../../engine/kernels/kernels.ts';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';
import { Slots } from './suite.ts';

/** Runs a program on tensors given as numbers; returns readers of results. */
async function run(
  wordBits: number,
  slots: Slots,
  inputs: readonly (readonly [WordSlot, readonly (number | bigint)[]])[],
  program: readonly Instruction[],
  bits: readonly (readonly [BitSlot, readonly string[]])[] = [],
): Promise<{ words: (slot: WordSlot) => number[]; planes: (slot: BitSlot) => string[] }> {
  const kernels = referenceKernels(wordBits);
  const memory = await kernels.allocate(slots.bytes);
  const all: WordSlot = { kind: 'words', offset: 0, length: slots.bytes / 8 };
  memory.write(all, new Uint8Array(slots.bytes).fill(0xa5), 64);
  for (const [slot, words] of inputs) {
    memory.write(slot, new Uint8Array(BigUint64Array.from(words, BigInt).buffer), 64);
  }
  for (const [slot, planes] of bits) writePlanes(memory, slot, planes);
  await kernels.run(memory, program);
  const { buffer } = await memory.pack([{ slot: all, width: 64 }]);
  return {
    words: (slot) => Array.from(new BigUint64Array(buffer, slot.offset, slot.length), Number),
    planes: (slot) =>
      Array.from({ length: slot.planes }, (_, plane) => {
        const bytes = new Uint8Array(buffer, slot.offset + plane * planeBytes(slot.length), planeBytes(slot.length));
        return planeText(bytes, slot.length);
      }),
  };
}

/** Planes as texts of 0 and 1, element 0 first. */
function writePlanes(memory: Memory, slot: BitSlot, planes: readonly string[]): void {
  const bytes = Math.ceil(slot.length / 8);
  const packed = new Uint8Array(packedBytes(slot, 1));
  planes.forEach((plane, p) => {
    [...plane].forEach((bit, i) => (packed[p * bytes + (i >> 3)]! |= Number(bit) << (i & 7)));
  });
  memory.write(slot, packed, 1);
}

function planeText(bytes: Uint8Array, length: number): string {
  return Array.from({ length }, (_, i) => (bytes[i >> 3]! >> (i & 7)) & 1).join('');
}

describe('sizes', () => {
  test('planes are padded to 16 bytes in a memory and to whole bytes outside', () => {
    expect([0, 1, 128, 129].map(planeBytes)).toEqual([0, 16, 16, 32]);
    const slot = { kind: 'bits', offset: 0, length: 129, planes: 3 } as const;
    expect(slotBytes(slot)).toBe(96);
    expect(packedBytes(slot, 1)).toBe(51);
    expect([1, 8, 9, 46, 64].map((width) => packedBytes({ kind: 'words', length: 10 }, width))).toEqual([
      10, 10, 20, 60, 80,
    ]);
  });

  test('window geometry', () => {
    const g = {
      batch: 1,
      channels: 1,
      height: 28,
      width: 9,
      kernel: [5, 3],
      stride: [1, 2],
      dilation: [1, 2],
    } as const;
    expect(windowsOut({ ...g, padding: [0, 0, 0, 0] })).toEqual([24, 3]);
    expect(windowsOut({ ...g, padding: [2, 1, 2, 1] })).toEqual([28, 4]);
  });
});

describe('packing', () => {
  test('keeps the low bits of each word, little-endian', async () => {
    const kernels = referenceKernels();
    const memory = await kernels.allocate(64);
    const slot: WordSlot = { kind: 'words', offset: 8, length: 2 };
    memory.write(slot, Uint8Array.of(0x01, 0x02, 0xff, 0xff), 11);
    const packed = (width: number): Promise<Uint8Array> => memory.pack([{ slot, width }]);
    expect(await packed(64)).toEqual(Uint8Array.of(1, 2, 0, 0, 0, 0, 0, 0, 0xff, 7, 0, 0, 0, 0, 0, 0));
    const before = packed(9);
    memory.accumulate(slot, Uint8Array.of(0xff, 0x05, 0x02, 0x00), 11);
    expect(await before).toEqual(Uint8Array.of(1, 0, 0xff, 1));
    expect(await packed(16)).toEqual(Uint8Array.of(0, 0, 1, 0));
    const parts = [
      { slot: { ...slot, length: 1 }, width: 8 },
      { slot, width: 8 },
    ];
    expect(await memory.pack(parts)).toEqual(Uint8Array.of(0, 0, 1));
    memory.dispose();
    expect(await packed(64)).toEqual(new Uint8Array(16));
  });

  test('XORs planes and clears pad bits', async () => {
    const kernels = referenceKernels();
    const memory = await kernels.allocate(64);
    const slot: BitSlot = { kind: 'bits', offset: 16, length: 3, planes: 2 };
    memory.write(slot, Uint8Array.of(0xff, 0xfa), 1);
    expect(await memory.pack([{ slot, width: 1 }])).toEqual(Uint8Array.of(7, 2));
    memory.accumulate(slot, Uint8Array.of(5, 1), 1);
    const packed = await memory.pack([{ slot, width: 1 }]);
    expect(Array.from(packed, (plane) => planeText(Uint8Array.of(plane), 3))).toEqual(['010', '110']);
  });
});

describe('instructions', () => {
  test('combine, in rings of 8 and 64 bits', async () => {
    for (const [wordBits, expected] of [
      [8, [249, 246, 243, 240]],
      [64, [2 ** 64 - 7, 2 ** 64 - 10, 2 ** 64 - 13, 2 ** 64 - 16]],
    ] as const) {
      const slots = new Slots();
      const [out, row, column] = [slots.words(4), slots.words(2), slots.words(2)];
      const program: Instruction[] = [
        {
          op: 'combine',
          out,
          terms: [
            { coefficient: -3n, factors: [{ slot: row, repeat: 'cycle' }] },
            { coefficient: 2n, factors: [] },
            { coefficient: -6n, factors: [{ slot: column, repeat: 'stretch' }] },
          ],
        },
      ];
      const { words } = await run(wordBits, slots, [[row, [3, 4]], [column, [0, 1]]], program); // prettier-ignore
      expect(words(out)).toEqual(expected);
    }
  });

  test('combine of products wraps', async () => {
    const slots = new Slots();
    const [out, x, y] = [slots.words(2), slots.words(2), slots.words(2)];
    const factor = (slot: WordSlot) => ({ slot, repeat: 'cycle' }) as const;
    const program: Instruction[] = [
      { op: 'combine', out, terms: [{ coefficient: 3n, factors: [factor(x), factor(y), factor(y)] }] },
    ];
    const { words } = await run(8, slots, [[x, [255, 2]], [y, [255, 16]]], program); // prettier-ignore
    expect(words(out)).toEqual([253, 0]);
  });

  test('strided, assemble, gatherRows', async () => {
    const slots = new Slots();
    const input = slots.words(6);
    const [transposed, flipped, wide] = [slots.words(6), slots.words(3), slots.words(4)];
    const [joined, rows, index] = [slots.words(8), slots.words(6), slots.words(3)];
    const { words } = await run(
      8,
      slots,
      [[input, [1, 2, 3, 4, 5, 6]], [index, [2, 0, 2]]], // prettier-ignore
      [
        { op: 'strided', out: transposed, input, shape: [3, 2], strides: [1, 3], start: 0 },
        { op: 'strided', out: flipped, input, shape: [3], strides: [-1], start: 5 },
        { op: 'strided', out: wide, input, shape: [2, 2], strides: [0, 1], start: 1 },
        {
          op: 'assemble',
          out: joined,
          parts: [
            { input: flipped, shape: [3], strides: [2], start: 1 },
            { input: { ...input, length: 1 }, shape: [], strides: [], start: 6 },
          ],
        },
        { op: 'gatherRows', out: rows, input, index, inner: 2 },
      ],
    );
    expect(words(transposed)).toEqual([1, 4, 2, 5, 3, 6]);
    expect(words(flipped)).toEqual([6, 5, 4]);
    expect(words(wide)).toEqual([2, 3, 2, 3]);
    expect(words(joined)).toEqual([0, 6, 0, 5, 0, 4, 1, 0]);
    expect(words(rows)).toEqual([5, 6, 1, 2, 5, 6]);
  });

  test('matmul with transposes, batches and several pairs', async () => {
    const slots = new Slots();
    const [a, b, c] = [slots.words(4), slots.words(8), slots.words(4)];
    const [plain, both] = [slots.words(8), slots.words(4)];
    const sizes = { m: 2, k: 2, n: 2 };
    const { words } = await run(
      8,
      slots,
      [[a, [1, 2, 3, 4]], [b, [1, 0, 0, 1, 5, 6, 7, 8]], [c, [100, 0, 0, 100]]], // prettier-ignore
      [
        { op: 'matmul', out: plain, pairs: [{ a, b }], batch: 2, ...sizes, transposeA: false, transposeB: false },
        { op: 'matmul', out: both, pairs: [{ a, b: c }, { a: c, b: a }], batch: 1, ...sizes, transposeA: true, transposeB: true }, // prettier-ignore
      ],
    );
    expect(words(plain)).toEqual([1, 2, 3, 4, 19, 22, 43, 50]);
    // 2 * 100 * transposed a, mod 256
    expect(words(both)).toEqual([200, 600 % 256, 400 % 256, 800 % 256]);
  });

  test('sum, field, wrap', async () => {
    const slots = new Slots();
    const input = slots.words(6);
    const [sums, fields, wrapped] = [slots.words(2), slots.words(6), slots.words(6)];
    const [zero, wrap] = [slots.words(6), slots.words(6)];
    const { words } = await run(
      8,
      slots,
      [
        [input, [1, 200, 3, 100, 0x8f, 6]],
        [zero, [1, 1, 1, 1, 1, 1]],
        [wrap, [1, 1, 1, 1, 255, 255]],
      ],
      [
        { op: 'sum', out: sums, input, outer: 1, count: 3, inner: 2 },
        { op: 'field', out: fields, input, shift: 3, width: 4 },
        { op: 'wrap', out: wrapped, opened: input, top: 7, zero, wrap, lift: 4 },
      ],
    );
    expect(words(sums)).toEqual([(1 + 3 + 0x8f) % 256, (200 + 100 + 6) % 256]);
    expect(words(fields)).toEqual([0, 9, 0, 12, 1, 0]);
    expect(words(wrapped)).toEqual([1, 17, 1, 1, 241, 1]);
  });

  test('bits and words', async () => {
    const slots = new Slots();
    const input = slots.words(4);
    const [planes, words1, selected] = [slots.bits(4, 3), slots.words(4), slots.words(4)];
    const plane: BitSlot = { ...planes, planes: 1 };
    const { words, planes: bits } = await run(
      8,
      slots,
      [[input, [0b0010, 0b1000, 0b1110, 0b0001]]],
      [
        { op: 'bitPlanes', out: planes, input, from: 1 },
        { op: 'bitsToWords', out: words1, input: plane },
        { op: 'selectMasked', out: selected, v: plane, value: words1, masked: input },
      ],
    );
    expect(bits(planes)).toEqual(['1010', '0010', '0110']);
    expect(words(words1)).toEqual([1, 0, 1, 0]);
    expect(words(selected)).toEqual([255, 8, 1 - 14 + 256, 1]);
  });

  test('combineBits and the regrouping of planes', async () => {
    const slots = new Slots();
    const [a, b, one] = [slots.bits(3, 2), slots.bits(3, 2), slots.bits(3, 1)];
    const [out, stacked, joined, split] = [slots.bits(3, 2), slots.bits(3, 3), slots.bits(6, 1), slots.bits(2, 3)];
    const { planes } = await run(
      8,
      slots,
      [],
      [
        { op: 'combineBits', out, terms: [{ factors: [a, one] }, { factors: [b] }], constant: 1 },
        { op: 'stackBits', out: stacked, inputs: [one, a] },
        { op: 'joinBits', out: joined, input: a },
        { op: 'splitBits', out: split, input: joined },
      ],
      [
        [a, ['110', '011']],
        [b, ['000', '111']],
        [one, ['101']],
      ],
    );
    expect(planes(out)).toEqual(['011', '001']);
    expect(planes(stacked)).toEqual(['101', '110', '011']);
    expect(planes(joined)).toEqual(['110011']);
    expect(planes(split)).toEqual(['11', '00', '11']);
  });

  test('digitLookup compares a public digit with a shared one, for all values of both', async () => {
    const slots = new Slots();
    const pairs = Array.from({ length: 16 }, (_, i) => ({ c: i >> 2, r: i & 3 }));
    const [digit, less, equal] = [slots.bits(16, 2), slots.bits(16, 1), slots.bits(16, 1)];
    const [table, hot] = [slots.bits(16, 3), slots.bits(16, 3)];
    const text = (bit: (pair: { c: number; r: number }) => boolean): string =>
      pairs.map((pair) => (bit(pair) ? '1' : '0')).join('');
    const { planes } = await run(
      8,
      slots,
      [],
      [
        { op: 'digitLookup', less, equal, digit, table, first: true },
        { op: 'oneHotBits', out: hot, input: digit },
      ],
      [
        [digit, [text(({ c }) => (c & 1) === 1), text(({ c }) => c > 1)]],
        [table, [0, 1, 2].map((v) => text(({ r }) => r === v))],
      ],
    );
    expect(planes(less)).toEqual([text(({ c, r }) => c < r)]);
    expect(planes(equal)).toEqual([text(({ c, r }) => c === r)]);
    expect(planes(hot)).toEqual([0, 1, 2].map((v) => text(({ c }) => c === v)));
  });

  test('a table look-up reads the entry at opened minus hidden', async () => {
    const slots = new Slots();
    const hidden = [0, 1, 2, 3, 3];
    const [opened, oneHot, table, out] = [slots.words(5), slots.words(20), slots.words(8), slots.words(10)];
    const words = (of: WordSlot, values: readonly number[]) => [of, values] as const;
    const hiddenWords = slots.words(5);
    const result = await run(
      8,
      slots,
      [
        words(opened, [0x0f, 0x1f, 0x3f, 0x0f, 0xff]),
        words(hiddenWords, hidden),
        words(table, [10, 11, 12, 13, 200, 201, 202, 203]),
      ],
      [
        { op: 'oneHotWords', out: oneHot, input: hiddenWords, shift: 0, bits: 2 },
        { op: 'tableLookup', out, opened, oneHot, table, polynomials: 2, shift: 4, bits: 2 },
      ],
    );
    expect(result.words(oneHot).slice(4, 12)).toEqual([0, 1, 0, 0, 0, 0, 1, 0]);
    expect(result.words(out)).toEqual([10, 10, 11, 11, 10, 200, 200, 201, 201, 200]);
  });

  test('unfold and fold', async () => {
    const slots = new Slots();
    const windows = {
      batch: 1,
      channels: 1,
      height: 2,
      width: 2,
      kernel: [2, 2],
      stride: [1, 1],
      dilation: [1, 1],
      padding: [1, 0, 0, 0],
    } as const;
    const [image, rows, back] = [slots.words(4), slots.words(8), slots.words(4)];
    const { words } = await run(
      8,
      slots,
      [[image, [1, 2, 3, 4]]],
      [
        { op: 'unfold', out: rows, input: image, windows },
        { op: 'fold', out: back, input: rows, windows },
      ],
    );
    expect(words(rows)).toEqual([0, 0, 1, 2, 1, 2, 3, 4]);
    expect(words(back)).toEqual([2, 4, 3, 4]);
  });
});

describe('misuse', () => {
  test('slots of another ring or set, and empty programs', async () => {
    const small = referenceKernels(8);
    const memory: Memory = await small.allocate(64);
    await small.run(memory, []);
    await expect(referenceKernels(64).run(memory, [])).rejects.toThrow(
      expect.objectContaining({ code: 'kernel-foreign-memory' }),
    );
    const slot: Slot = { kind: 'words', offset: 0, length: 1 };
    const field: Instruction = { op: 'field', out: { ...slot, offset: 8 }, input: slot, shift: 4, width: 5 };
    await expect(small.run(memory, [field])).rejects.toThrow(/Instruction 0 \(field\): .*width is 5/);
    const twice: Instruction = {
      op: 'assemble',
      out: { ...slot, length: 4 },
      parts: [{ input: { ...slot, offset: 32, length: 4 }, shape: [2, 2], strides: [1, 1], start: 0 }],
    };
    await expect(small.run(memory, [twice])).rejects.toThrow(/names an element twice/);
  });
});
