/** Both of two secret bits, for every value of a small ring under every mask; with equality and single bits at random in 64 bits. */
import { describe, test } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { allPairs, checkOutputs, randomNumbers } from '../../helpers/gadgets.ts';
import type { Output } from '../../helpers/gadgets.ts';

function equalities(values: readonly bigint[]): Output[] {
  return values.map((value) => ({
    name: `equals ${value}`,
    trace: (x) => x.equalsNumber(Number(value) / 2 ** x.scale).toNumber(),
    ideal: (x) => (x === value ? 1n : 0n),
  }));
}

function bits(positions: readonly number[]): Output[] {
  return positions.map((position) => ({
    name: `bit ${position}`,
    trace: (x) => x.bitOf(position).toNumber(),
    ideal: (x) => (x >> BigInt(position)) & 1n,
  }));
}

const both: Output = {
  name: 'at least -5 and at least 3',
  trace: (x) =>
    x
      .atLeast(-5 / 2 ** x.scale)
      .and(x.atLeast(3 / 2 ** x.scale).not())
      .toNumber(),
  ideal: (x) => (x >= -5n && x < 3n ? 1n : 0n),
};

describe('8-bit ring, every x and every mask', () => {
  const masks = Array.from({ length: 256 }, (_, r) => BigInt(r));
  const { xs, mask } = allPairs(5, masks);
  test.each([2, 3])('%i parties', async (parties) => {
    await checkOutputs({ wordBits: 8, parties }, 5, xs, [both], mask);
  });
});

test('numbers up to 2^46', async () => {
  const xs = randomNumbers(2000, 46);
  const outputs = [...equalities([0n, -1n, xs[10] ?? 0n]), ...bits([0, 5, 16, 31, 45, 46, 47, 60]), both];
  await checkOutputs({ wordBits: 64, parties: 2, kernels: () => wasmKernels({ threads: 1 }) }, 46, xs, outputs);
});
