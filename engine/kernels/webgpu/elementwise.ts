/** Words from words (and bits) of the same position, and sums along one dimension. */
import type { Instruction } from '../kernels.ts';
import type { Kernel } from './kernel.ts';
import { elementKernel, entryArguments, groupNumber, spread } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep, high32, low32, wordIndex } from './step.ts';

const fieldKernel = elementKernel(
  'field',
  'words',
  'st(q[1] + i, shiftRight(ld(q[2] + i), q[3]) & vec2u(q[4], q[5]));',
);

/** q: threads, out, opened, zero, wrap, half of the top bit, its place there, lift. */
const wrapKernel = elementKernel(
  'wrap',
  'words',
  `let top = (ld(q[2] + i)[q[5]] >> q[6]) & 1u;
  let lifted = shiftLeft(ld(q[4] + i), q[7]);
  st(q[1] + i, add(ld(q[3] + i), select(vec2u(0u), lifted, top == 1u)));`,
);

/** Bit `at` of the plane that begins at word `plane`. */
const bitFunction = `fn bit(plane: u32, at: u32) -> u32 { return (ld(plane + at / 64u)[(at / 32u) % 2u] >> (at % 32u)) & 1u; }`;

const bitsToWordsKernel = elementKernel(
  'bits to words',
  'words',
  'st(q[1] + i, vec2u(bit(q[2], i), 0u));',
  bitFunction,
);

const selectKernel = elementKernel(
  'select masked',
  'words',
  `let masked = ld(q[4] + i);
  var word = masked;
  if (bit(q[2], i) == 1u) { word = sub(ld(q[3] + i), masked); }
  st(q[1] + i, word);`,
  bitFunction,
);

/** q: threads, out, input, count, inner. */
const sumKernel = elementKernel(
  'sum',
  'words',
  `var at = q[2] + (i / q[4]) * q[3] * q[4] + i % q[4];
  var sum = vec2u(0u);
  for (var j = 0u; j < q[3]; j++) {
    sum = add(sum, ld(at));
    at += q[4];
  }
  st(q[1] + i, sum);`,
);

const SUM_THREADS = 256;
/** Few long sums: a workgroup each. q as above. */
const longSumKernel: Kernel = {
  key: 'long sum',
  view: 'words',
  use: 'program',
  code: `var<workgroup> parts: array<vec2u, ${SUM_THREADS}>;
@compute @workgroup_size(${SUM_THREADS}) fn main(${entryArguments}) {
  let i = ${groupNumber};
  var sum = vec2u(0u);
  if (i < q[0]) {
    let start = q[2] + (i / q[4]) * q[3] * q[4] + i % q[4];
    for (var j = lid; j < q[3]; j += ${SUM_THREADS}u) { sum = add(sum, ld(start + j * q[4])); }
  }
  parts[lid] = sum;
  for (var half = ${SUM_THREADS / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lid < half) { parts[lid] = add(parts[lid], parts[lid + half]); }
  }
  if (lid == 0u && i < q[0]) { st(q[1] + i, parts[0]); }
}`,
};

export function fieldSteps({ out, input, shift, width }: Instruction & { op: 'field' }): Step[] {
  const mask = (1n << BigInt(width)) - 1n;
  const args = [wordIndex(out), wordIndex(input), shift, low32(mask), high32(mask)];
  return [elementStep(fieldKernel, out.length, ...args)];
}

export function wrapSteps({ out, opened, zero, wrap, top, lift }: Instruction & { op: 'wrap' }): Step[] {
  const args = [wordIndex(out), wordIndex(opened), wordIndex(zero), wordIndex(wrap), top >> 5, top & 31, lift];
  return [elementStep(wrapKernel, out.length, ...args)];
}

export function bitsToWordsSteps({ out, input }: Instruction & { op: 'bitsToWords' }): Step[] {
  return [elementStep(bitsToWordsKernel, out.length, wordIndex(out), wordIndex(input))];
}

export function selectMaskedSteps({ out, v, value, masked }: Instruction & { op: 'selectMasked' }): Step[] {
  const args = [wordIndex(out), wordIndex(v), wordIndex(value), wordIndex(masked)];
  return [elementStep(selectKernel, out.length, ...args)];
}

export function sumSteps({ out, input, outer, count, inner }: Instruction & { op: 'sum' }): Step[] {
  const args = [wordIndex(out), wordIndex(input), count, inner];
  if (count >= 2 * SUM_THREADS && outer * inner < 4096) {
    return [{ kernel: longSumKernel, args: [out.length, ...args], groups: spread(out.length) }];
  }
  return [elementStep(sumKernel, out.length, ...args)];
}
