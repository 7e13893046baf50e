/**
 * The suite that every 64-bit kernel set must pass: each instruction, on many shapes and values, must leave the same
 * tensors as the reference set, bit for bit. Slots lie between others with garbage around them, and all of the memory is
 * compared, so a write outside an output shows too.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fc } from '../../helpers/properties.ts';
import type {
  BitSlot,
  Factor,
  Instruction,
  Kernels,
  Memory,
  Slot,
  Term,
  Windows,
  WordSlot,
} from '../../../engine/kernels/kernels.ts';
import { SLOT_ALIGNMENT_BYTES, packedBytes, slotBytes, windowsOut } from '../../../engine/kernels/kernels.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';

/** Words that wrap, or nearly. */
const SPECIAL_WORDS = [0n, 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n];

/** A small generator for test values only (splitmix32: halves of words are numbers, for BigInts are slow). */
export class TestValues {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  /** 32 bits. */
  #half(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }
  below(limit: number): number {
    return this.#half() % limit;
  }
  /** Random words with the values that wrap among them. */
  words(length: number): BigUint64Array {
    const words = new BigUint64Array(length);
    const halves = new Uint32Array(words.buffer);
    for (let i = 0; i < length; i++) {
      const special = SPECIAL_WORDS[this.below(20)];
      halves[2 * i] = this.#half();
      halves[2 * i + 1] = this.#half();
      if (special !== undefined) words[i] = special;
    }
    return words;
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** Lays slots out one after the other with a gap before each. */
export class Slots {
  #end = 64;
  readonly all: Slot[] = [];
  words(length: number): WordSlot {
    return this.#place({ kind: 'words', offset: this.#end, length });
  }
  bits(length: number, planes: number): BitSlot {
    return this.#place({ kind: 'bits', offset: this.#end, length, planes });
  }
  get bytes(): number {
    return this.#end;
  }
  #place<S extends Slot>(slot: S): S {
    this.#end = Math.ceil((slot.offset + slotBytes(slot)) / SLOT_ALIGNMENT_BYTES + 1) * SLOT_ALIGNMENT_BYTES;
    this.all.push(slot);
    return slot;
  }
}

function whole(bytes: number): WordSlot {
  return { kind: 'words', offset: 0, length: bytes / 8 };
}

function part(slot: WordSlot, start: number, length: number): WordSlot {
  return { kind: 'words', offset: slot.offset + start * 8, length };
}

function planesOf(slot: BitSlot, first: number, planes: number): BitSlot {
  return { ...slot, offset: slot.offset + first * slotBytes({ ...slot, planes: 1 }), planes };
}

interface Case {
  readonly bytes: number;
  readonly program: readonly Instruction[];
  /** Everything but these slots must keep its bytes. */
  readonly outputs: readonly Slot[];
  /** Words that a program reads as indices. */
  readonly fixed?: readonly { readonly slot: WordSlot; readonly words: BigUint64Array }[];
}

/** Registers the suite for one kernel set; `large` with shapes that are large enough to be shared among threads. */
export function kernelsCompliance(name: string, make: () => Promise<Kernels>, { large } = { large: true }): void {
  describe(`kernels: ${name}`, () => {
    let kernels: Kernels;
    const reference = referenceKernels();
    beforeAll(async () => {
      kernels = await make();
    });
    afterAll(async () => {
      await kernels.dispose();
    });

    /** Runs a case on both sets from the same random memory and compares all slots and everything around them. */
    async function agree(theCase: Case, seed: number): Promise<void> {
      const values = new TestValues(seed);
      const { bytes, program, outputs } = theCase;
      const start = values.words(bytes / 8);
      const memories: Memory[] = [];
      for (const set of [reference, kernels]) {
        const memory = await set.allocate(bytes);
        memory.write(whole(bytes), new Uint8Array(start.buffer), 64);
        for (const { slot, words } of theCase.fixed ?? []) memory.write(slot, new Uint8Array(words.buffer), 64);
        await set.run(memory, program);
        // A replay of the prepared program; outputs do not depend on what they held.
        if (set === kernels) await set.run(memory, program);
        memories.push(memory);
      }
      const [expected, actual] = memories as [Memory, Memory];
      const parts = outputs.map((slot) => ({ slot, width: 64 }));
      const results = await Promise.all([actual.pack(parts), expected.pack(parts)]);
      expect(Buffer.compare(...results), `${program[0]?.op}`).toBe(0);
      // Pad bits of planes are unspecified; wipe whole output slots before comparing what lies around them.
      for (const memory of memories) {
        for (const output of outputs) {
          const words: WordSlot = { kind: 'words', offset: output.offset, length: slotBytes(output) / 8 };
          memory.write(words, new Uint8Array(slotBytes(output)), 64);
        }
      }
      const around = await Promise.all(memories.map((memory) => memory.pack([{ slot: whole(bytes), width: 64 }])));
      expect(Buffer.compare(around[0]!, around[1]!), `${program[0]?.op}: memory around the output`).toBe(0);
      for (const memory of memories) memory.dispose();
    }

    const lengths = [0, 1, 2, 3, 7, 8, 9, 63, 64, 65, 127, 128, 129, 255, 511, 512, 513, 1024, 1500];

    test('packing: every width, read, write and accumulate', async () => {
      const values = new TestValues(1);
      for (const length of [0, 1, 2, 3, 16, 17, 20_001]) {
        const slots = new Slots();
        const slot = slots.words(length);
        const inner = part(slot, Math.min(1, length), Math.max(0, length - 2));
        const widths = length > 100 ? [1, 37, 46, 48, 56, 64] : Array.from({ length: 64 }, (_, i) => i + 1);
        for (const width of widths) {
          const memories = await Promise.all([reference, kernels].map((set) => set.allocate(slots.bytes)));
          const start = values.words(slots.bytes / 8);
          const packed = values.bytes(packedBytes(slot, width));
          const added = values.bytes(packedBytes(inner, width));
          const [expected, actual] = await Promise.all(
            memories.map(async (memory) => {
              memory.write(whole(slots.bytes), new Uint8Array(start.buffer), 64);
              const first = memory.pack([{ slot, width }]);
              memory.write(slot, packed, width);
              memory.accumulate(inner, added, width);
              const second = memory.pack([
                { slot: inner, width: Math.max(1, width - 3) },
                { slot: whole(slots.bytes), width: 64 },
                { slot: inner, width },
              ]);
              const both = Buffer.concat([await first, await second]);
              memory.dispose();
              return both;
            }),
          );
          expect(expected!.equals(actual!), `width ${width} of ${length} words`).toBe(true);
        }
      }
    });

    test('packing: planes', async () => {
      const values = new TestValues(2);
      for (const [length, planes] of [
        [0, 3],
        [1, 1],
        [5, 0],
        [7, 5],
        [8, 2],
        [127, 3],
        [128, 3],
        [129, 4],
        [1000, 54],
        [70_000, 9],
        [530_001, 2],
      ] as const) {
        const slots = new Slots();
        const slot = slots.bits(length, planes);
        const inner = planesOf(slot, Math.min(1, planes), Math.max(0, planes - 1));
        const start = values.words(slots.bytes / 8);
        const packed = values.bytes(packedBytes(slot, 1));
        const added = values.bytes(packedBytes(inner, 1));
        const [expected, actual] = await Promise.all(
          [reference, kernels].map(async (set) => {
            const memory = await set.allocate(slots.bytes);
            memory.write(whole(slots.bytes), new Uint8Array(start.buffer), 64);
            const first = memory.pack([{ slot, width: 1 }]);
            memory.write(slot, packed, 1);
            memory.accumulate(inner, added, 1);
            const odd: WordSlot = { kind: 'words', offset: 0, length: 1 };
            const second = memory.pack([
              { slot: odd, width: 20 },
              { slot, width: 1 },
              { slot: inner, width: 1 },
            ]);
            const both = Buffer.concat([await first, await second]);
            memory.dispose();
            return both;
          }),
        );
        expect(expected!.equals(actual!), `${length} x ${planes}`).toBe(true);
      }
    });

    test('packing: hundreds of overlapping writes keep their order', async () => {
      const values = new TestValues(6);
      const slots = new Slots();
      const words = slots.words(90);
      const start = values.bytes(slots.bytes);
      const writes = Array.from({ length: 700 }, () => {
        const from = values.below(80);
        const slot = part(words, from, values.below(10));
        const width = 1 + values.below(64);
        const how = values.below(3) === 0 ? ('write' as const) : ('accumulate' as const);
        return { slot, width, how, packed: values.bytes(packedBytes(slot, width)) };
      });
      const results = await Promise.all(
        [reference, kernels].map(async (set) => {
          const memory = await set.allocate(slots.bytes);
          memory.write(whole(slots.bytes), start, 64);
          for (const { slot, width, how, packed } of writes) memory[how](slot, packed, width);
          const packed = await memory.pack([{ slot: whole(slots.bytes), width: 64 }]);
          memory.dispose();
          return packed;
        }),
      );
      expect(Buffer.compare(results[0]!, results[1]!)).toBe(0);
    });

    test('key streams, where the set expands them: the bytes of OpenSSL', async () => {
      const values = new TestValues(4);
      for (const [length, planes, width] of [
        [1, 1, 64],
        [100, 7, 46],
        [20_001, 3, 13],
      ] as const) {
        const slots = new Slots();
        const [words, bits] = [slots.words(length), slots.bits(length, planes)];
        const start = values.bytes(slots.bytes);
        const keystream = { key: values.bytes(32), nonce: values.bytes(12), block: values.below(2 ** 20) };
        const results = await Promise.all(
          [reference, kernels].map(async (set) => {
            const memory = await set.allocate(slots.bytes);
            memory.write(whole(slots.bytes), start, 64);
            for (const slot of [words, bits]) {
              for (const how of ['write', 'accumulate'] as const) {
                const stream = { ...keystream, block: keystream.block + (how === 'write' ? 0 : 2 ** 20) };
                if (memory.expand !== undefined) {
                  memory.expand(slot, stream, width, how);
                } else {
                  const { key, nonce, block } = stream;
                  memory[how](
                    slot,
                    nodeCrypto.chacha20(new SecretKey(key), nonce, block, packedBytes(slot, width)),
                    width,
                  );
                }
              }
            }
            const packed = await memory.pack([
              { slot: words, width: 64 },
              { slot: bits, width: 1 },
            ]);
            memory.dispose();
            return packed;
          }),
        );
        expect(Buffer.compare(results[0]!, results[1]!), `${length} words, ${planes} planes`).toBe(0);
      }
    });

    test('a new memory is zero, and wrong lengths are refused', async () => {
      const memory = await kernels.allocate(1024);
      const everything = { slot: whole(1024), width: 64 };
      expect((await memory.pack([everything])).every((byte) => byte === 0)).toBe(true);
      expect(await memory.pack([])).toEqual(new Uint8Array(0));
      expect(() => memory.write(whole(1024), new Uint8Array(8), 64)).toThrow(/packed bytes/);
      await expect(memory.pack([everything, { slot: whole(1032), width: 64 }])).rejects.toThrow(/does not fit/);
      memory.write(whole(1024), new Uint8Array(1024).fill(0xff), 64);
      memory.dispose();
      const next = await kernels.allocate(2048);
      expect((await next.pack([{ slot: whole(2048), width: 64 }])).every((byte) => byte === 0)).toBe(true);
      next.dispose();
    });

    describe('combine', () => {
      const coefficients = [1n, -1n, 0n, 3n, 2n ** 63n, -(2n ** 40n), 2n ** 64n - 1n];

      test('the common forms, in all lengths', async () => {
        for (const length of lengths) {
          const slots = new Slots();
          const out = slots.words(length);
          const inputs = Array.from({ length: 6 }, () => slots.words(length));
          const f = (i: number): Factor => ({ slot: inputs[i]!, repeat: 'cycle' });
          const forms: Term[][] = [
            [],
            [{ coefficient: 5n, factors: [] }],
            [{ coefficient: 1n, factors: [f(0)] }],
            [{ coefficient: -1n, factors: [f(0)] }],
            [{ coefficient: 77n, factors: [f(0)] }],
            [
              { coefficient: 1n, factors: [f(0)] },
              { coefficient: 1n, factors: [f(1)] },
            ],
            [
              { coefficient: -1n, factors: [f(0)] },
              { coefficient: 1n, factors: [f(1)] },
            ],
            [
              { coefficient: -1n, factors: [f(0)] },
              { coefficient: -1n, factors: [f(1)] },
            ],
            [
              { coefficient: 1n, factors: [f(0), f(1)] },
              { coefficient: 1n, factors: [f(2), f(3)] },
              { coefficient: 1n, factors: [f(4)] },
            ],
            [
              { coefficient: 1n, factors: [f(0), f(1)] },
              { coefficient: -1n, factors: [f(2), f(3)] },
              { coefficient: 9n, factors: [f(4), f(4)] },
              { coefficient: 2n ** 63n, factors: [] },
            ],
            [
              { coefficient: -1n, factors: [f(0), f(0), f(0)] },
              { coefficient: 7n, factors: [f(0), f(1), f(2), f(3)] },
              { coefficient: 1n, factors: [f(5)] },
            ],
          ];
          for (const terms of forms) {
            await agree({ bytes: slots.bytes, program: [{ op: 'combine', out, terms }], outputs: [out] }, length + 1);
          }
        }
      });

      test('any terms with any repeats', async () => {
        const shape = fc.constantFrom(1, 2, 3, 4, 5, 8, 10, 37, 600);
        await fc.assert(
          fc.asyncProperty(
            shape,
            shape,
            fc.array(
              fc.record({
                coefficient: fc.constantFrom(...coefficients),
                factors: fc.array(
                  fc.record({
                    divisor: fc.constantFrom('one', 'outer', 'inner', 'all'),
                    repeat: fc.constantFrom('cycle' as const, 'stretch' as const),
                  }),
                  { maxLength: 4 },
                ),
              }),
              { maxLength: 6 },
            ),
            fc.nat(),
            async (outer, inner, description, seed) => {
              const length = outer * inner;
              fc.pre(length <= 10_000);
              const slots = new Slots();
              const out = slots.words(length);
              const size = { one: 1, outer, inner, all: length };
              const terms = description.map(({ coefficient, factors }) => ({
                coefficient,
                factors: factors.map(({ divisor, repeat }) => ({ slot: slots.words(size[divisor]), repeat })),
              }));
              await agree({ bytes: slots.bytes, program: [{ op: 'combine', out, terms }], outputs: [out] }, seed);
            },
          ),
          { numRuns: 60 },
        );
      });

      test('many terms', async () => {
        const slots = new Slots();
        const out = slots.words(700);
        const input = slots.words(2000);
        const terms = Array.from({ length: 300 }, (_, i) => ({
          coefficient: coefficients[i % 7]!,
          factors: [{ slot: part(input, i, 700), repeat: 'cycle' as const }],
        }));
        await agree({ bytes: slots.bytes, program: [{ op: 'combine', out, terms }], outputs: [out] }, 5);
      });
    });

    describe('views', () => {
      test('strided: slices, transposes, flips, broadcasts of up to 4 dimensions', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(
              fc.record({
                size: fc.constantFrom(0, 1, 2, 3, 7, 8, 9, 17),
                kind: fc.constantFrom('plain', 'flip', 'broadcast', 'skip'),
              }),
              { maxLength: 4 },
            ),
            fc.integer({ min: 0, max: 23 }),
            fc.nat(),
            async (dimensions, order, seed) => {
              const slots = new Slots();
              const count = dimensions.reduce((product, { size }) => product * size, 1);
              const out = slots.words(count);
              // Strides of a tensor whose dimensions lie in a permuted order.
              const permuted = dimensions
                .map((_, d) => d)
                .sort((a, b) => ((a * 7 + order) % 5) - ((b * 7 + order) % 5));
              const strides = new Array<number>(dimensions.length).fill(0);
              let stride = 1;
              let start = 3;
              for (const d of permuted) {
                const { size, kind } = dimensions[d]!;
                if (kind === 'broadcast') continue;
                const step = kind === 'skip' ? stride * 2 : stride;
                strides[d] = kind === 'flip' ? -step : step;
                if (kind === 'flip') start += step * Math.max(0, size - 1);
                stride = step * Math.max(size, 1);
              }
              const input = slots.words(start + stride + 5);
              const shape = dimensions.map(({ size }) => size);
              const program: Instruction[] = [{ op: 'strided', out, input, shape, strides, start }];
              await agree({ bytes: slots.bytes, program, outputs: [out] }, seed);
            },
          ),
          { numRuns: 150 },
        );
      });

      test('assemble: concatenation, scattered parts, and zeros between', async () => {
        for (const [rows, left, right] of [
          [1, 1, 1],
          [5, 3, 4],
          [64, 10, 30],
          [0, 3, 3],
          [9, 0, 8],
        ] as const) {
          const slots = new Slots();
          const out = slots.words(rows * (left + right) * 2 + 7);
          const [a, b] = [slots.words(rows * left), slots.words(rows * right)];
          const width = left + right;
          const parts = [
            { input: a, shape: [rows, left], strides: [width, 1], start: 2 },
            { input: b, shape: [rows, right], strides: [width, 1], start: 2 + left },
          ];
          const transposed = [
            { input: a, shape: [left, rows], strides: [1, left], start: 0 },
            { input: b, shape: [rows, right], strides: [-2 * right, 2], start: 2 * right * Math.max(rows - 1, 0) },
          ].slice(0, rows * right === 0 ? 1 : 2);
          for (const [seed, chosen] of [parts, transposed, []].entries()) {
            await agree(
              { bytes: slots.bytes, program: [{ op: 'assemble', out, parts: chosen }], outputs: [out] },
              seed,
            );
          }
        }
      });

      test('gatherRows', async () => {
        const values = new TestValues(3);
        for (const [rows, inner, count] of [
          [5, 1, 9],
          [7, 13, 20],
          [3, 300, 4],
          [4, 5, 0],
          [4, 0, 3],
        ] as const) {
          const slots = new Slots();
          const [out, input, index] = [slots.words(count * inner), slots.words(rows * inner), slots.words(count)];
          const words = BigUint64Array.from({ length: count }, () => BigInt(values.below(rows)));
          const program: Instruction[] = [{ op: 'gatherRows', out, input, index, inner }];
          await agree({ bytes: slots.bytes, program, outputs: [out], fixed: [{ slot: index, words }] }, rows);
        }
      });

      test('gatherRows refuses an index out of range', async () => {
        const slots = new Slots();
        const [out, input, index] = [slots.words(4), slots.words(6), slots.words(2)];
        const memory = await kernels.allocate(slots.bytes);
        memory.write(index, new Uint8Array(BigUint64Array.of(2n, 3n).buffer), 64);
        const run = async (): Promise<Uint8Array> => {
          await kernels.run(memory, [{ op: 'gatherRows', out, input, index, inner: 2 }]);
          return memory.pack([{ slot: out, width: 64 }]);
        };
        await expect(run()).rejects.toThrow(expect.objectContaining({ code: 'kernel-index-range' }));
        memory.dispose();
      });
    });

    describe('matmul', () => {
      async function matmul(
        [batch, m, k, n]: readonly [number, number, number, number],
        pairs: readonly ('both' | 'oneA' | 'oneB')[],
        seed: number,
      ): Promise<void> {
        const slots = new Slots();
        const operands = pairs.map((kind) => ({
          a: slots.words(kind === 'oneA' ? m * k : batch * m * k),
          b: slots.words(kind === 'oneB' ? k * n : batch * k * n),
        }));
        const program = [0, 1, 2, 3].map((transposes) => ({
          op: 'matmul' as const,
          out: slots.words(batch * m * n),
          pairs: operands,
          batch,
          m,
          k,
          n,
          transposeA: (transposes & 1) === 1,
          transposeB: (transposes & 2) === 2,
        }));
        await agree({ bytes: slots.bytes, program, outputs: program.map(({ out }) => out) }, seed);
      }

      test('all shapes up to 10 x 5 x 10', async () => {
        for (const m of [0, 1, 2, 3, 4, 5, 8, 9, 10])
          for (const k of [0, 1, 2, 3, 5])
            for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 10]) await matmul([1, m, k, n], ['both'], m * 100 + n * 10 + k);
      });

      test('several pairs, batches, one matrix for a batch', async () => {
        await matmul([1, 6, 7, 9], [], 1);
        await matmul([0, 6, 7, 9], ['both'], 1);
        await matmul([3, 6, 7, 9], ['both', 'oneA', 'oneB'], 2);
        await matmul([4, 1, 9, 5], ['oneB', 'both'], 3);
        await matmul([4, 5, 9, 1], ['oneA', 'both'], 4);
        await matmul([2, 3, 1, 11], ['both', 'both'], 5);
      });

      test('depths and widths beyond a block', async () => {
        await matmul([1, 5, 257, 6], ['both', 'both'], 6);
        await matmul([1, 3, 513, 131], ['both'], 7);
        await matmul([1, 10, 260, 133], ['both'], 8);
        await matmul([1, 4, 201, 9], ['both'], 8);
        await matmul([1, 30, 569, 1], ['both'], 9);
        await matmul([1, 1, 90, 1100], ['both', 'both'], 10);
        await matmul([1, 1100, 30, 1], ['both', 'both'], 11);
      });

      if (large) {
        test('large enough to be shared among threads', async () => {
          await matmul([1, 128, 100, 70], ['both'], 12);
          await matmul([1, 260, 50, 70], ['both'], 13);
          await matmul([6, 30, 64, 75], ['both'], 14);
        });
      }
    });

    test('sum', async () => {
      for (const [outer, count, inner] of [
        [1, 1, 1],
        [3, 7, 1],
        [3, 8, 1],
        [2, 5, 9],
        [1, 100, 513],
        [4, 1, 6],
        [3, 0, 4],
        [0, 3, 4],
        [3, 4, 0],
        [1, 700, 1030],
      ] as const) {
        const slots = new Slots();
        const [out, input] = [slots.words(outer * inner), slots.words(outer * count * inner)];
        const program: Instruction[] = [{ op: 'sum', out, input, outer, count, inner }];
        await agree({ bytes: slots.bytes, program, outputs: [out] }, count);
      }
    });

    test('field and wrap', async () => {
      for (const length of lengths) {
        const slots = new Slots();
        const [out, opened, zero, wrap] = [0, 1, 2, 3].map(() => slots.words(length)) as [WordSlot, ...WordSlot[]];
        for (const [shift, width] of [
          [0, 64],
          [0, 0],
          [63, 1],
          [64, 0],
          [13, 32],
          [20, 44],
        ] as const) {
          const program: Instruction[] = [{ op: 'field', out, input: opened!, shift, width }];
          await agree({ bytes: slots.bytes, program, outputs: [out] }, shift);
        }
        for (const [top, lift] of [
          [63, 48],
          [0, 0],
          [47, 32],
          [63, 63],
        ] as const) {
          const program: Instruction[] = [{ op: 'wrap', out, opened: opened!, zero: zero!, wrap: wrap!, top, lift }];
          await agree({ bytes: slots.bytes, program, outputs: [out] }, top);
        }
      }
    });

    test('bit planes to and from words', async () => {
      for (const length of lengths) {
        for (const [planes, from] of [
          [0, 0],
          [1, 0],
          [1, 63],
          [4, 2],
          [46, 3],
          [33, 31],
          [64, 0],
        ] as const) {
          const slots = new Slots();
          const [out, input] = [slots.bits(length, planes), slots.words(length)];
          const program: Instruction[] = [{ op: 'bitPlanes', out, input, from }];
          await agree({ bytes: slots.bytes, program, outputs: [out] }, planes);
        }
        const slots = new Slots();
        const [out, input] = [slots.words(length), slots.bits(length, 3)];
        const program: Instruction[] = [{ op: 'bitsToWords', out, input: planesOf(input, 1, 1) }];
        await agree({ bytes: slots.bytes, program, outputs: [out] }, length);
      }
    });

    test('combineBits', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...lengths),
          fc.integer({ min: 0, max: 5 }),
          fc.constantFrom(0 as const, 1 as const),
          fc.array(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), { maxLength: 12 }),
          fc.nat(),
          async (length, planes, constant, description, seed) => {
            const slots = new Slots();
            const out = slots.bits(length, planes);
            const terms = description.map((factors) => ({
              factors: factors.map((single) => slots.bits(length, single ? 1 : planes)),
            }));
            const program: Instruction[] = [{ op: 'combineBits', out, terms, constant }];
            await agree({ bytes: slots.bytes, program, outputs: [out] }, seed);
          },
        ),
        { numRuns: 60 },
      );
    });

    test('regrouping planes', async () => {
      for (const length of lengths) {
        for (const planes of [0, 1, 2, 3, 5, 9]) {
          const slots = new Slots();
          const [many, one] = [slots.bits(length, planes), slots.bits(length * planes, 1)];
          const split: Instruction[] = [{ op: 'splitBits', out: many, input: one }];
          await agree({ bytes: slots.bytes, program: split, outputs: [many] }, planes);
          const join: Instruction[] = [{ op: 'joinBits', out: one, input: many }];
          await agree({ bytes: slots.bytes, program: join, outputs: [one] }, planes);
          const [left, out] = [slots.bits(length, 2), slots.bits(length, 2 * planes + 3)];
          const inputs = [many, left, many, planesOf(left, 1, 1)];
          await agree({ bytes: slots.bytes, program: [{ op: 'stackBits', out, inputs }], outputs: [out] }, planes);
        }
      }
    });

    test('digitLookup and oneHotBits', async () => {
      for (const d of [1, 2, 3, 4, 5, 8]) {
        for (const length of d > 5 ? [1, 130] : [0, 1, 100, 127, 128, 129, 1000]) {
          const slots = new Slots();
          const [less, equal] = [slots.bits(length, 1), slots.bits(length, 1)];
          const [digit, table] = [slots.bits(length, d), slots.bits(length, 2 ** d - 1)];
          for (const first of [false, true]) {
            const program: Instruction[] = [{ op: 'digitLookup', less, equal, digit, table, first }];
            await agree({ bytes: slots.bytes, program, outputs: [less, equal] }, d);
          }
          const program: Instruction[] = [{ op: 'oneHotBits', out: table, input: digit }];
          await agree({ bytes: slots.bytes, program, outputs: [table] }, d);
        }
      }
    });

    test('oneHotWords and tableLookup', async () => {
      for (const [length, bits, shift, polynomials] of [
        [0, 3, 5, 2],
        [1, 0, 64, 1],
        [9, 1, 63, 3],
        [20, 4, 0, 4],
        [33, 5, 20, 5],
        [17, 6, 58, 9],
        [5, 8, 13, 0],
      ] as const) {
        const slots = new Slots();
        const [out, opened] = [slots.words(polynomials * length), slots.words(length)];
        const [oneHot, table] = [slots.words(length * 2 ** bits), slots.words(polynomials * 2 ** bits)];
        const lookup: Instruction[] = [{ op: 'tableLookup', out, opened, oneHot, table, polynomials, shift, bits }];
        await agree({ bytes: slots.bytes, program: lookup, outputs: [out] }, bits);
        const spread: Instruction[] = [{ op: 'oneHotWords', out: oneHot, input: opened, shift, bits }];
        await agree({ bytes: slots.bytes, program: spread, outputs: [oneHot] }, bits);
      }
    });

    test('selectMasked', async () => {
      for (const length of lengths) {
        const slots = new Slots();
        const [out, value, masked] = [slots.words(length), slots.words(length), slots.words(length)];
        const v = slots.bits(length, 2);
        const program: Instruction[] = [{ op: 'selectMasked', out, v: planesOf(v, 1, 1), value, masked }];
        await agree({ bytes: slots.bytes, program, outputs: [out] }, length);
      }
    });

    test('unfold and fold', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: 0, max: 3 }),
          fc.integer({ min: 1, max: 3 }),
          fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
          fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
          fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
          fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
          fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 }))),
          fc.nat(),
          async (batch, channels, [height, width], kernel, stride, dilation, padding, seed) => {
            const [top, left, bottom, right] = padding as [number, number, number, number];
            const windows = {
              batch,
              channels,
              height,
              width,
              kernel,
              stride,
              dilation,
              padding: [top, left, bottom, right] as const,
            };
            const [outHeight, outWidth] = windowsOut(windows);
            fc.pre(outHeight > 0 && outWidth > 0);
            const slots = new Slots();
            const image = slots.words(batch * channels * height * width);
            const rows = slots.words(batch * outHeight * outWidth * channels * kernel[0] * kernel[1]);
            const unfold: Instruction[] = [{ op: 'unfold', out: rows, input: image, windows }];
            await agree({ bytes: slots.bytes, program: unfold, outputs: [rows] }, seed);
            const fold: Instruction[] = [{ op: 'fold', out: image, input: rows, windows }];
            await agree({ bytes: slots.bytes, program: fold, outputs: [image] }, seed);
          },
        ),
        { numRuns: 60 },
      );
    });

    /** The three products of a convolution, each with one of its matrices left as windows of images. */
    async function convolutionsAgree(geometry: Windows, batch: number, filters: number, seed: number): Promise<void> {
      const [outHeight, outWidth] = windowsOut(geometry);
      const rows = (geometry.batch / batch) * outHeight * outWidth;
      const columns = geometry.channels * geometry.kernel[0] * geometry.kernel[1];
      const values = new TestValues(seed);
      for (const of of ['a', 'b', 'out'] as const) {
        const [m, k, n] =
          of === 'a' ? [rows, columns, filters] : of === 'b' ? [filters, rows, columns] : [rows, filters, columns];
        const [transposeA, transposeB] = [of === 'b' && values.below(2) === 0, of !== 'b' && values.below(2) === 0];
        const slots = new Slots();
        const image = (): WordSlot =>
          slots.words(geometry.batch * geometry.channels * geometry.height * geometry.width);
        const isShared = values.below(2) === 0;
        const matrix = (size: number): WordSlot => slots.words(isShared ? size : batch * size);
        const out = of === 'out' ? image() : slots.words(batch * m * n);
        const pairs = Array.from({ length: 1 + values.below(2) }, () => ({
          a: of === 'a' ? image() : matrix(m * k),
          b: of === 'b' ? image() : matrix(k * n),
        }));
        const windows = { of, geometry };
        const program: Instruction[] = [{ op: 'matmul', out, pairs, batch, m, k, n, transposeA, transposeB, windows }];
        await agree({ bytes: slots.bytes, program, outputs: [out] }, seed);
      }
    }

    test('products of windows that are not written out', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 2 })),
          fc.integer({ min: 1, max: 4 }),
          fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 11 })),
          fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
          fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
          fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
          fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 }))),
          fc.constantFrom(1, 1, 2, 3, 5, 9, 17),
          fc.nat(),
          async ([batch, images], channels, [height, width], kernel, stride, dilation, sides, filters, seed) => {
            const padding = sides as [number, number, number, number];
            const geometry = { batch: batch * images, channels, height, width, kernel, stride, dilation, padding };
            const [outHeight, outWidth] = windowsOut(geometry);
            fc.pre(outHeight > 0 && outWidth > 0);
            await convolutionsAgree(geometry, batch, filters, seed);
          },
        ),
        { numRuns: 25 },
      );
    });

    if (large) {
      test.each([
        ['deep and wide', { channels: 19, height: 9, width: 7, kernel: [4, 4] }, 6, 1, 11],
        ['many filters', { channels: 2, height: 5, width: 5, kernel: [3, 3] }, 2, 1, 300],
        ['one image', { channels: 6, height: 24, width: 24, kernel: [5, 5] }, 1, 1, 16],
        ['one filter', { channels: 31, height: 6, width: 6, kernel: [3, 3] }, 1, 1, 1],
        ['every channel apart', { channels: 1, height: 30, width: 33, kernel: [3, 3] }, 24, 8, 1],
        ['groups', { channels: 3, height: 17, width: 18, kernel: [3, 2] }, 20, 4, 6],
      ] as const)('products of windows, shared among threads: %s', async (_, sizes, images, batch, filters) => {
        const geometry = { ...sizes, batch: images, stride: [1, 1], dilation: [1, 1], padding: [1, 1, 1, 1] } as const;
        await convolutionsAgree(geometry, batch, filters, 77);
        await convolutionsAgree({ ...geometry, stride: [2, 2], padding: [0, 1, 2, 0] }, batch, filters, 78);
      });
    }

    if (large) {
      test('large elementwise and bit operations, shared among threads', async () => {
        const length = 160_001;
        const slots = new Slots();
        const [x, y, out, out2] = [0, 1, 2, 3].map(() => slots.words(length)) as [
          WordSlot,
          WordSlot,
          WordSlot,
          WordSlot,
        ];
        const [planes, digit] = [slots.bits(length, 15), slots.bits(length, 4)];
        const [less, equal, both] = [slots.bits(length, 1), slots.bits(length, 1), slots.bits(length, 4)];
        const f = (slot: WordSlot): Factor => ({ slot, repeat: 'cycle' });
        const program: Instruction[] = [
          { op: 'bitPlanes', out: digit, input: x, from: 50 },
          { op: 'oneHotBits', out: planes, input: digit },
          { op: 'digitLookup', less, equal, digit: planesOf(planes, 0, 4), table: planes, first: true },
          { op: 'combineBits', out: both, terms: [{ factors: [digit, less] }, { factors: [equal] }], constant: 1 },
          {
            op: 'combine',
            out,
            terms: [
              { coefficient: 1n, factors: [f(x), f(y)] },
              { coefficient: 3n, factors: [f(y)] },
            ],
          },
          { op: 'selectMasked', out: out2, v: less, value: x, masked: out },
        ];
        await agree({ bytes: slots.bytes, program, outputs: [out, out2, planes, digit, less, equal, both] }, 9);
      });
    }

    test('a program is replayed on several memories, timed by instruction', async () => {
      const slots = new Slots();
      const [x, out] = [slots.words(40), slots.words(40)];
      const program: Instruction[] = [
        { op: 'combine', out, terms: [{ coefficient: 2n, factors: [{ slot: x, repeat: 'cycle' }] }] },
        { op: 'combine', out: x, terms: [{ coefficient: 1n, factors: [{ slot: out, repeat: 'cycle' }] }] },
      ];
      const memories = [await kernels.allocate(slots.bytes), await kernels.allocate(slots.bytes + 4096)];
      memories.forEach((memory, i) =>
        memory.write(x, new Uint8Array(new BigUint64Array(40).fill(BigInt(i + 1)).buffer), 64),
      );
      const timed: number[] = [];
      const timer = { groups: [0, 1], tell: (index: number, ms: number) => void timed.push(ms < 0 ? -1 : index) };
      for (let run = 0; run < 3; run++) {
        for (const memory of memories) await kernels.run(memory, program, timer);
      }
      const packed = await Promise.all(memories.map((memory) => memory.pack([{ slot: x, width: 64 }])));
      expect(packed.map((bytes) => new BigUint64Array(bytes.buffer)[39])).toEqual([8n, 16n]);
      expect(timed).toEqual([0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]);
      for (const memory of memories) memory.dispose();
    });

    test('instructions against the contract are refused by name', async () => {
      const memory = await kernels.allocate(4096);
      const slot = (offset: number, length: number): WordSlot => ({ kind: 'words', offset, length });
      const bad: Instruction[] = [
        {
          op: 'combine',
          out: slot(0, 4),
          terms: [{ coefficient: 1n, factors: [{ slot: slot(16, 4), repeat: 'cycle' }] }],
        },
        {
          op: 'combine',
          out: slot(0, 4),
          terms: [{ coefficient: 1n, factors: [{ slot: slot(64, 3), repeat: 'cycle' }] }],
        },
        { op: 'field', out: slot(4000, 100), input: slot(0, 100), shift: 0, width: 1 },
        { op: 'field', out: slot(64, 1), input: slot(0, 1), shift: 60, width: 5 },
        { op: 'strided', out: slot(0, 4), input: slot(64, 4), shape: [4], strides: [-1], start: 2 },
      ];
      for (const instruction of bad) {
        await expect(kernels.run(memory, [instruction])).rejects.toThrow(
          expect.objectContaining({ code: 'kernel-bad-instruction', message: expect.stringContaining(instruction.op) }),
        );
      }
      memory.dispose();
    });
  });
}
