/**
 * Products on matrix units, in plain code: the schedule that the kernel follows (tiles, slabs, pairs of bytes, folds), carried
 * out with sums of 32 bits that must never overflow, leaves the reference's words. What a driver makes of the kernel itself is
 * tested where one offers such units (webgpu-long.test.ts).
 */
import { describe, expect, test } from 'vitest';
import { matrixKernel } from '../../../engine/kernels/webgpu/matmul-matrix.ts';
import { offeredVariants } from '../../../engine/kernels/webgpu/matmul.ts';
import {
  BYTE_PAIRS,
  MATRIX_EXACT_TERMS,
  WORD_BYTES,
  chooseMatrixUnits,
  matrixTiling,
} from '../../../engine/kernels/webgpu/matrix-units.ts';
import type { MatrixConfiguration, MatrixTiling, MatrixUnits } from '../../../engine/kernels/webgpu/matrix-units.ts';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';
import type { Instruction } from '../../../engine/kernels/kernels.ts';
import { Slots, TestValues } from './suite.ts';

const limits = { subgroupSize: 32, mostThreads: 1024, mostBytes: 49_152 };
const ofShape = (rows: number, columns: number, depth: number): MatrixUnits => ({ rows, columns, depth, ...limits });
const configuration = (type: string, M: number, N: number, K: number): MatrixConfiguration => ({
  componentType: type,
  resultComponentType: type === 'u8' ? 'u32' : type === 'i8' ? 'i32' : 'f32',
  M,
  N,
  K,
});

interface Sizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** Byte `limb` of every word of a slab: depth x the tile's rows (or columns), zero outside the matrix. */
function planes(depth: number, size: number, word: (item: number, l: number) => bigint): Uint8Array[] {
  return Array.from({ length: WORD_BYTES }, (_, limb) =>
    Uint8Array.from({ length: depth * size }, (__, e) =>
      Number((word(e % size, Math.floor(e / size)) >> BigInt(8 * limb)) & 0xffn),
    ),
  );
}

/** What the kernel does, without the hardware: throws where a sum leaves 32 bits. */
function scheduled(units: MatrixUnits, tiling: MatrixTiling, { m, k, n }: Sizes, a: BigUint64Array, b: BigUint64Array) {
  const { tileRows, tileColumns, depth } = tiling;
  const out = new BigUint64Array(m * n);
  for (let row0 = 0; row0 < m; row0 += tileRows) {
    for (let column0 = 0; column0 < n; column0 += tileColumns) {
      const [rows, columns] = [Math.min(tileRows, m - row0), Math.min(tileColumns, n - column0)];
      const sums = Array.from({ length: WORD_BYTES }, () => new Float64Array(rows * columns));
      const fold = (): void => {
        sums.forEach((sum, diagonal) => {
          for (let row = 0; row < rows; row++) {
            for (let column = 0; column < columns; column++) {
              const at = (row0 + row) * n + column0 + column;
              out[at] = BigInt.asUintN(64, out[at]! + (BigInt(sum[row * columns + column]!) << BigInt(8 * diagonal)));
            }
          }
          sum.fill(0);
        });
      };
      let terms = 0;
      for (let l0 = 0; l0 < k; l0 += depth) {
        const inside = (l: number): boolean => l0 + l < k;
        const left = planes(depth, rows, (row, l) => (inside(l) ? a[(row0 + row) * k + l0 + l]! : 0n));
        const right = planes(depth, columns, (column, l) => (inside(l) ? b[(l0 + l) * n + column0 + column]! : 0n));
        // An instruction at a time: its whole depth goes into the sum at once.
        for (let step = 0; step < depth; step += units.depth) {
          for (const [i, j] of BYTE_PAIRS) {
            const sum = sums[i + j]!;
            for (let row = 0; row < rows; row++) {
              for (let column = 0; column < columns; column++) {
                let added = 0;
                for (let l = step; l < step + units.depth; l++) {
                  added += left[i]![l * rows + row]! * right[j]![l * columns + column]!;
                }
                if ((sum[row * columns + column]! += added) >= 2 ** 32) throw new RangeError('a sum overflows');
              }
            }
          }
        }
        terms += depth;
        if (terms === MATRIX_EXACT_TERMS) {
          fold();
          terms = 0;
        }
      }
      fold();
    }
  }
  return out;
}

async function reference({ m, k, n }: Sizes, a: BigUint64Array, b: BigUint64Array): Promise<BigUint64Array> {
  const slots = new Slots();
  const [left, right, out] = [slots.words(m * k), slots.words(k * n), slots.words(m * n)];
  const kernels = referenceKernels();
  const memory = await kernels.allocate(slots.bytes);
  memory.write(left, new Uint8Array(a.buffer), 64);
  memory.write(right, new Uint8Array(b.buffer), 64);
  const sizes = { batch: 1, m, k, n, transposeA: false, transposeB: false };
  const program: Instruction[] = [{ op: 'matmul', out, pairs: [{ a: left, b: right }], ...sizes }];
  await kernels.run(memory, program);
  return new BigUint64Array((await memory.pack([{ slot: out, width: 64 }])).slice().buffer);
}

describe('products on matrix units', () => {
  test('36 pairs of bytes make a word, and no sum of them can reach 2^32 between folds', () => {
    expect(new Set(BYTE_PAIRS.map(String)).size).toBe(36);
    expect(BYTE_PAIRS.every(([a, b]) => a + b < WORD_BYTES)).toBe(true);
    const fullest = Math.max(
      ...Array.from({ length: WORD_BYTES }, (_, d) => BYTE_PAIRS.filter(([a, b]) => a + b === d).length),
    );
    expect(fullest * 255 ** 2 * MATRIX_EXACT_TERMS).toBeLessThan(2 ** 32);
    expect(fullest * 255 ** 2 * 2 * MATRIX_EXACT_TERMS).toBeGreaterThan(2 ** 32);
  });

  test.each([
    [ofShape(16, 16, 32), [1, 1], { m: 37, k: 70, n: 67 }],
    [ofShape(16, 8, 32), [1, 2], { m: 17, k: 33, n: 21 }],
    [ofShape(8, 8, 8), [1, 1], { m: 5, k: 31, n: 40 }],
    [ofShape(8, 16, 64), [1, 1], { m: 9, k: 130, n: 18 }],
  ] as const)('%o leave the words of the reference', async (units, results, sizes) => {
    const tiling = matrixTiling(units, results)!;
    const values = new TestValues(5);
    const [a, b] = [values.words(sizes.m * sizes.k), values.words(sizes.k * sizes.n)];
    expect(scheduled(units, tiling, sizes, a, b)).toEqual(await reference(sizes, a, b));
  });

  test('deeper than the fold, all ones: the largest sums there are', async () => {
    const units = ofShape(16, 16, 32);
    const sizes = { m: 2, k: MATRIX_EXACT_TERMS + 40, n: 2 };
    const ones = new BigUint64Array(2 * sizes.k).fill(2n ** 64n - 1n);
    expect(scheduled(units, matrixTiling(units, [1, 1])!, sizes, ones, ones)).toEqual(
      await reference(sizes, ones, ones),
    );
  });

  test('the largest unsigned instruction that a card lists is chosen, or none', () => {
    const listed = [
      configuration('f16', 16, 16, 16),
      configuration('i8', 16, 16, 64),
      configuration('u8', 16, 8, 32),
      configuration('u8', 16, 16, 32),
      configuration('u8', 8, 8, 16),
    ];
    expect(chooseMatrixUnits(listed, limits)).toEqual(ofShape(16, 16, 32));
    expect(chooseMatrixUnits(listed.slice(0, 2), limits)).toBeUndefined();
    expect(chooseMatrixUnits(listed, { ...limits, mostBytes: 4096 })).toBeUndefined();
    // A depth that slabs between folds are no multiple of.
    expect(chooseMatrixUnits([configuration('u8', 16, 16, 48)], limits)).toBeUndefined();
  });

  test('tiles shrink to what a workgroup may have', () => {
    const units = ofShape(16, 16, 32);
    for (const mostBytes of [65_536, 49_152, 32_768, 16_384]) {
      const tiling = matrixTiling({ ...units, mostBytes }, [1, 1])!;
      expect(tiling.sharedWords * 4).toBeLessThanOrEqual(mostBytes);
      expect(tiling.sharedWords).toBeGreaterThanOrEqual(tiling.tileRows * tiling.tileColumns);
      expect(tiling.depth % units.depth).toBe(0);
      expect(MATRIX_EXACT_TERMS % tiling.depth).toBe(0);
    }
    expect(matrixTiling({ ...units, mostThreads: 128 }, [1, 1])).toMatchObject({ threads: 128, subgroups: [2, 2] });
  });

  test('are offered where there are units, and run 36 instructions for one of words', () => {
    const units = ofShape(16, 8, 32);
    expect(offeredVariants(undefined).some((variant) => variant.startsWith('matrix36'))).toBe(false);
    expect(offeredVariants(units)).toEqual(expect.arrayContaining(['matrix36_1x1', 'matrix36_1x2']));
    const { code, key } = matrixKernel('matrix36_1x2', units, matrixTiling(units, [1, 2])!);
    expect(code.match(/subgroupMatrixMultiplyAccumulate/gu)).toHaveLength(2 * 36);
    expect(key).toContain('16x8x32');
  });
});
