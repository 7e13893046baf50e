import { describe, test } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import {
  allPairs,
  bitsOf,
  checkOutputs,
  equalities,
  comparisons,
  randomNumbers,
  rectified,
  truncations,
} from '../../helpers/gadgets.ts';

const allBytes = Array.from({ length: 256 }, (_, r) => BigInt(r));

describe('8-bit ring, every x and every mask', () => {
  test('truncation by every shift, sign, ReLU, both fused, two parties', async () => {
    const { xs, mask } = allPairs(6, allBytes);
    const outputs = [...truncations([1, 2, 3, 4, 5, 6]), ...comparisons([0n]), ...rectified([2])];
    await checkOutputs({ wordBits: 8, parties: 2 }, 6, xs, outputs, mask);
  });

  test.each([3, 4, 5])('truncation, sign, both fused, %i parties', async (parties) => {
    const { xs, mask } = allPairs(6, allBytes);
    await checkOutputs({ wordBits: 8, parties }, 6, xs, [...truncations([3]), ...rectified([2])], mask);
  });

  test('thresholds up to the bound', async () => {
    const { xs, mask } = allPairs(5, allBytes);
    await checkOutputs({ wordBits: 8, parties: 2 }, 5, xs, comparisons([-32n, -7n, 1n, 31n, 32n]), mask);
  });

  test('equality with values up to the bound', async () => {
    const { xs, mask } = allPairs(5, allBytes);
    await checkOutputs({ wordBits: 8, parties: 3 }, 5, xs, equalities([-32n, 0n, 31n]), mask);
  });

  test.each([6, 3])('every bit of numbers up to 2^%i, signs above', async (bound) => {
    const { xs, mask } = allPairs(bound, bound === 6 ? allBytes.slice(0, 128).map((r) => 2n * r + (r & 1n)) : allBytes);
    await checkOutputs({ wordBits: 8, parties: 2 }, bound, xs, bitsOf([0, 3, 6, 7]), mask);
  });

  test.each([0, 1, 2, 3, 4])('openings of fewer bits: bound 2^%i', async (bound) => {
    const { xs, mask } = allPairs(bound, allBytes);
    const shifts = Array.from({ length: bound }, (_, i) => i + 1);
    await checkOutputs(
      { wordBits: 8, parties: 2 },
      bound,
      xs,
      [...truncations(shifts), ...rectified([0, ...shifts])],
      mask,
    );
  });
});

describe('16 bits, every x', () => {
  // All 80 masks and 2 to 5 parties: test/bench/gadgets.test.ts.
  test.each([2, 5])('four masks, 16 opened bits of 64-bit words, %i parties', async (parties) => {
    const { xs, mask } = allPairs(14, [0n, 0x8000n, 0x7fffn, 0xb_1234_5678n]);
    await checkOutputs(
      { wordBits: 64, parties, kernels: () => wasmKernels({ threads: 1 }) },
      14,
      xs,
      [...truncations([1, 14]), ...rectified([0, 13])],
      mask,
    );
  });

  test('in the 16-bit ring itself', async () => {
    const { xs, mask } = allPairs(14, [0x8001n]);
    await checkOutputs({ wordBits: 16, parties: 2 }, 14, xs, [...truncations([1, 14]), ...rectified([13])], mask);
  });
});

describe('random numbers up to the bound, on the fast kernels', () => {
  test.each([
    [46, 16],
    [54, 16],
    [62, 30],
  ])('bound 2^%i, truncation by %i', async (bound, shift) => {
    const xs = randomNumbers(40_000, bound);
    const outputs = [...truncations([shift]), ...rectified([shift]), ...comparisons([0n])];
    await checkOutputs({ wordBits: 64, parties: 2, kernels: () => wasmKernels({ threads: 1 }) }, bound, xs, outputs);
  });

  test.each([46, 62])('bound 2^%i, the reference', async (bound) => {
    const outputs = [...truncations([16]), ...rectified([16])];
    await checkOutputs({ wordBits: 64, parties: 3 }, bound, randomNumbers(5_000, bound), outputs);
  });
});
