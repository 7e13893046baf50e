/** A set that leaves operations to another one: all of them pass through the compliance suite, and only they leave its memory. */
import { expect, test } from 'vitest';
import type { Instruction, Kernels, Memory, WordSlot } from '../../../engine/kernels/kernels.ts';
import { PartialKernels } from '../../../engine/kernels/partial.ts';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';
import type { Refusals } from '../../../engine/kernels/self-test.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { kernelsCompliance } from './suite.ts';

/** Refuses whatever it is asked for. */
const everything: Pick<Refusals, 'get'> = { get: () => 'nothing is trusted' };

kernelsCompliance('WebAssembly, for a set that carries out nothing', () =>
  Promise.resolve(
    new PartialKernels({
      first: referenceKernels(),
      refusals: Object.assign(new Map(), everything),
      second: () => wasmKernels({ threads: 1 }),
      onRefused: () => undefined,
    }),
  ),
);

/** The reference kernels, counting what is packed, with instructions that they claim not to have. */
function counted(refused: ReadonlyMap<number, string>): { first: Kernels; packedWords: number[] } {
  const reference = referenceKernels();
  const packedWords: number[] = [];
  const first: Kernels = {
    ...reference,
    refused: () => Promise.resolve(refused),
    allocate: async (bytes) => {
      const memory = await reference.allocate(bytes);
      const { pack } = memory;
      const counting: Pick<Memory, 'pack'> = {
        pack: (parts) => {
          packedWords.push(parts.reduce((sum, { slot }) => sum + slot.length, 0));
          return pack.call(memory, parts);
        },
      };
      return Object.assign(memory, counting);
    },
  };
  return { first, packedWords };
}

test('only refused instructions leave the memory, in their place and time, and each operation is told once', async () => {
  const slot = (number: number, length = 4): WordSlot => ({ kind: 'words', offset: 64 * number, length });
  const field = (out: WordSlot, input: WordSlot, shift: number): Instruction => ({
    op: 'field',
    out,
    input,
    shift,
    width: 20,
  });
  // Each reads what the one before it wrote.
  const program: Instruction[] = [
    field(slot(1), slot(0), 8),
    field(slot(2), slot(1), 4),
    { op: 'sum', out: slot(3, 1), input: slot(2), outer: 1, count: 4, inner: 1 },
    field(slot(4, 1), slot(3, 1), 1),
    field(slot(5, 1), slot(4, 1), 0),
  ];
  const refused = new Map([
    [1, 'it is too large'],
    [2, 'it is too wide'],
    [4, 'it is too late'],
  ]);
  const { first, packedWords } = counted(refused);
  const told: [string, string][] = [];
  const kernels = new PartialKernels({
    first,
    refusals: new Map(),
    second: () => wasmKernels({ threads: 1 }),
    onRefused: (operation, reason) => told.push([operation, reason]),
  });
  const memory = await kernels.allocate(1024);
  memory.write(
    slot(0),
    Uint8Array.from({ length: 32 }, (_, i) => 11 * i),
    64,
  );
  const groups: number[] = [];
  await kernels.run(memory, program, { groups: [0, 3], tell: (index) => groups.push(index) });
  expect(packedWords).toEqual([4, 4, 1]);
  // Errands are told by their own number, the rest by where it begins within its group.
  expect(groups).toEqual([0, 1, 2, 3, 4]);
  await kernels.run(memory, program);
  expect(told).toEqual([
    ['field', 'it is too large'],
    ['sum', 'it is too wide'],
  ]);

  const reference = referenceKernels();
  const expected = await reference.allocate(1024);
  expected.write(
    slot(0),
    Uint8Array.from({ length: 32 }, (_, i) => 11 * i),
    64,
  );
  await reference.run(expected, program);
  const all = [{ slot: slot(0, 128), width: 64 }];
  expect(await memory.pack(all)).toEqual(await expected.pack(all));
  await kernels.dispose();
});
