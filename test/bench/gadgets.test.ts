/** The gadgets of test/engine/protocol on many more elements. */
import { describe, test } from 'vitest';
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { allPairs, checkOutputs, randomNumbers, rectified, truncations } from '../helpers/gadgets.ts';

const edges = [
  0, 1, 2, 3, 0x3fff, 0x4000, 0x4001, 0x7ffe, 0x7fff, 0x8000, 0x8001, 0xbfff, 0xc000, 0xfffd, 0xfffe, 0xffff,
];
/** 64 masks without structure, the same in every run. */
const scattered = Array.from({ length: 64 }, (_, i) => (i * 40_503 + 12_345) % 65_536);
const masks = [...edges, ...scattered].map(BigInt);
const fast = () => wasmKernels({ threads: 2 });

describe('every x of 16 bits under 80 masks', () => {
  test.each([2, 3, 4, 5])('16 opened bits of 64-bit words, %i parties', async (parties) => {
    const { xs, mask } = allPairs(14, masks);
    // Masks above bit 16 vary too: an opening of 16 bits does not depend on them.
    const high = (e: number): bigint => BigInt(e % 65_521) << 48n;
    await checkOutputs({ wordBits: 64, parties, kernels: fast }, 14, xs, rectified([13]), (e) => mask(e) | high(e));
  });

  test.each([
    [2, 80],
    [3, 16],
    [4, 8],
    [5, 8],
  ])('in the 16-bit ring, %i parties, %i of the masks', async (parties, count) => {
    const step = 8;
    for (let i = 0; i < count; i += step) {
      const { xs, mask } = allPairs(14, masks.slice(i, i + step));
      await checkOutputs({ wordBits: 16, parties }, 14, xs, rectified([13]), mask);
    }
  });
});

describe('10^7 random numbers: no wrong sign, no wrap, every last bit', () => {
  test.each([
    [46, 4],
    [54, 3],
    [62, 3],
  ])('bound 2^%i, %i million', async (bound, millions) => {
    for (let i = 0; i < millions; i++) {
      const outputs = [...truncations([16]), ...rectified([16])];
      await checkOutputs({ wordBits: 64, parties: 2, kernels: fast }, bound, randomNumbers(1_000_000, bound), outputs);
    }
  });

  test('10^5 against the reference', async () => {
    const outputs = [...truncations([16]), ...rectified([16])];
    await checkOutputs({ wordBits: 64, parties: 2 }, 54, randomNumbers(100_000, 54), outputs);
  });
});
