/** Look-ups of word tables by shifted one-hot vectors. One thread a word of the output. */
import type { Instruction } from '../kernels.ts';
import { elementKernel } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep, wordIndex } from './step.ts';

/** q: threads, out, input, shift, entries (a power of two). */
const oneHotWordsKernel = elementKernel(
  'one hot words',
  'words',
  `let value = shiftRight(ld(q[2] + i / q[4]), q[3]).x & (q[4] - 1u);
  st(q[1] + i, vec2u(select(0u, 1u, value == i % q[4]), 0u));`,
);

/** q: threads, out, opened, one-hot, table, shift, entries (a power of two), elements. */
const tableLookupKernel = elementKernel(
  'table lookup',
  'words',
  `let element = i % q[7];
  let row = q[4] + (i / q[7]) * q[6];
  let value = shiftRight(ld(q[2] + element), q[5]).x;
  var sum = vec2u(0u);
  for (var j = 0u; j < q[6]; j++) {
    sum = add(sum, mul(ld(row + ((value - j) & (q[6] - 1u))), ld(q[3] + element * q[6] + j)));
  }
  st(q[1] + i, sum);`,
);

export function oneHotWordsSteps({ out, input, shift, bits }: Instruction & { op: 'oneHotWords' }): Step[] {
  return [elementStep(oneHotWordsKernel, out.length, wordIndex(out), wordIndex(input), shift, 2 ** bits)];
}

export function tableLookupSteps(instruction: Instruction & { op: 'tableLookup' }): Step[] {
  const { out, opened, oneHot, table, shift, bits } = instruction;
  const args = [
    wordIndex(out),
    wordIndex(opened),
    wordIndex(oneHot),
    wordIndex(table),
    shift,
    2 ** bits,
    opened.length,
  ];
  return [elementStep(tableLookupKernel, out.length, ...args)];
}
