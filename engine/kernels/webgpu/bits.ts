/** Planes of bits: one thread a half word, 32 elements of one plane. Pad bits are whatever falls out. */
import type { BitSlot, BitTerm, Instruction } from '../kernels.ts';
import type { Kernel } from './kernel.ts';
import { elementKernel } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep, halfIndex, planeHalves, usedHalves, wordIndex } from './step.ts';

/** More terms become several steps that add to the output. */
const TERMS_OF_STEP = 16;

/** b: one plane for all planes of the output; f: a plane each. */
type Breadth = 'b' | 'f';

/**
 * q: threads, out, halves of a plane, then the factors. Without a factor of one plane, planes that follow each other are one
 * long plane.
 */
function combineBitsKernel(terms: readonly (readonly Breadth[])[], start: 'zeros' | 'ones' | 'adds'): Kernel {
  const first = { zeros: '0u', ones: '0xffffffffu', adds: 'ld32(q[1] + i)' }[start];
  const lines = [`var bits = ${first};`];
  if (terms.some((breadths) => breadths.includes('b'))) lines.push('let column = i % q[2];');
  let next = 3;
  for (const breadths of terms) {
    const factors = breadths.map((breadth) => `ld32(q[${next++}] + ${breadth === 'b' ? 'column' : 'i'})`);
    lines.push(`bits ^= ${factors.join(' & ')};`);
  }
  lines.push('st32(q[1] + i, bits);');
  const key = `combine bits ${start} ${terms.map((breadths) => breadths.join('')).join(' ')}`;
  return elementKernel(key, 'halves', lines.join('\n  '));
}

export function combineBitsSteps({ out, terms, constant }: Instruction & { op: 'combineBits' }): Step[] {
  const halves = planeHalves(out.length);
  const step = (some: readonly BitTerm[], start: 'zeros' | 'ones' | 'adds'): Step => {
    const shape = some.map(({ factors }) => factors.map(({ planes }) => (planes === out.planes ? 'f' : 'b')));
    const factors = some.flatMap((term) => term.factors.map(halfIndex));
    return elementStep(combineBitsKernel(shape, start), halves * out.planes, halfIndex(out), halves, ...factors);
  };
  const steps = [step(terms.slice(0, TERMS_OF_STEP), constant === 0 ? 'zeros' : 'ones')];
  for (let from = TERMS_OF_STEP; from < terms.length; from += TERMS_OF_STEP) {
    steps.push(step(terms.slice(from, from + TERMS_OF_STEP), 'adds'));
  }
  return steps;
}

/** Neighbouring threads have neighbouring planes of the same elements. q: threads, out, halves of a plane, planes, input, from, length. */
const bitPlanesKernel = elementKernel(
  'bit planes',
  'halves',
  `let plane = i % q[3];
  let column = i / q[3];
  let place = q[5] + plane;
  let first = 2u * (q[4] + 32u * column) + place / 32u;
  let count = min(32u, q[6] - 32u * column);
  var bits = 0u;
  for (var e = 0u; e < count; e++) { bits |= ((ld32(first + 2u * e) >> (place % 32u)) & 1u) << e; }
  st32(q[1] + plane * q[2] + column, bits);`,
);

export function bitPlanesSteps({ out, input, from }: Instruction & { op: 'bitPlanes' }): Step[] {
  const threads = usedHalves(out.length) * out.planes;
  const args = [halfIndex(out), planeHalves(out.length), out.planes, wordIndex(input), from, out.length];
  return [elementStep(bitPlanesKernel, threads, ...args)];
}

/** 32 bits from bit `at` of the plane of `halves` halves that begins at `plane`. */
const unalignedFunction = `fn unaligned(plane: u32, at: u32, halves: u32) -> u32 {
  let index = at / 32u;
  let low = ld32(plane + index);
  if (at % 32u == 0u || index + 1u >= halves) { return low >> (at % 32u); }
  return (low >> (at % 32u)) | (ld32(plane + index + 1u) << (32u - at % 32u));
}`;

/** q: threads, out, halves of its planes, halves with bits, length, input, halves of the input. */
const splitKernel = elementKernel(
  'split bits',
  'halves',
  `let plane = i / q[3];
  let column = i % q[3];
  st32(q[1] + plane * q[2] + column, unaligned(q[5], plane * q[4] + 32u * column, q[6]));`,
  unalignedFunction,
);

/** q: threads, out, total bits, length of a plane, input, halves of its planes. */
const joinKernel = elementKernel(
  'join bits',
  'halves',
  `let first = 32u * i;
  let end = min(first + 32u, q[2]);
  var bits = 0u;
  var at = first;
  while (at < end) {
    let plane = at / q[3];
    let inside = at % q[3];
    let taken = min(end - at, q[3] - inside);
    var part = unaligned(q[4] + plane * q[5], inside, q[5]);
    if (taken < 32u) { part &= (1u << taken) - 1u; }
    bits |= part << (at - first);
    at += taken;
  }
  st32(q[1] + i, bits);`,
  unalignedFunction,
);

export function splitBitsSteps({ out, input }: Instruction & { op: 'splitBits' }): Step[] {
  const used = usedHalves(out.length);
  const args = [halfIndex(out), planeHalves(out.length), used, out.length, halfIndex(input), planeHalves(input.length)];
  return [elementStep(splitKernel, used * out.planes, ...args)];
}

export function joinBitsSteps({ out, input }: Instruction & { op: 'joinBits' }): Step[] {
  const args = [halfIndex(out), out.length, input.length, halfIndex(input), planeHalves(input.length)];
  return [elementStep(joinKernel, usedHalves(out.length), ...args)];
}

/** Lanes whose digit is v; the arguments name where halves of a plane, planes and the digit stand. */
const digitFunctions = (halves: string, planes: string, digit: string): string => `
fn lanesWith(v: u32, column: u32) -> u32 {
  var lanes = 0xffffffffu;
  for (var p = 0u; p < ${planes}; p++) {
    let bits = ld32(${digit} + p * ${halves} + column);
    lanes &= select(~bits, bits, ((v >> p) & 1u) == 1u);
  }
  return lanes;
}`;

/** q: threads, less, equal, digit, table, halves of a plane, planes of the digit, first. */
const digitLookupKernel = elementKernel(
  'digit lookup',
  'halves',
  `let last = (1u << q[6]) - 1u;
  var digit: array<u32, 12>;
  for (var p = 0u; p < q[6]; p++) { digit[p] = ld32(q[3] + p * q[5] + i); }
  var less = 0u;
  var equal = 0u;
  var implied = select(0u, 0xffffffffu, q[7] == 1u);
  // Lanes whose digit is below v.
  var below = 0u;
  for (var v = 0u; v <= last; v++) {
    var lanes = 0xffffffffu;
    for (var p = 0u; p < q[6]; p++) { lanes &= select(~digit[p], digit[p], ((v >> p) & 1u) == 1u); }
    var entry = implied;
    if (v < last) {
      entry = ld32(q[4] + v * q[5] + i);
      implied ^= entry;
    }
    less ^= entry & below;
    equal ^= entry & lanes;
    below |= lanes;
  }
  st32(q[1] + i, less);
  st32(q[2] + i, equal);`,
);

/** q: threads, out, input, halves of a plane, planes of the input. */
const oneHotBitsKernel = elementKernel(
  'one hot bits',
  'halves',
  'st32(q[1] + i, lanesWith(i / q[3], i % q[3]));',
  digitFunctions('q[3]', 'q[4]', 'q[2]'),
);

export function digitLookupSteps(instruction: Instruction & { op: 'digitLookup' }): Step[] {
  const { less, equal, digit, table, first } = instruction;
  const slots: readonly BitSlot[] = [less, equal, digit, table];
  const args = [...slots.map(halfIndex), planeHalves(digit.length), digit.planes, first ? 1 : 0];
  return [elementStep(digitLookupKernel, usedHalves(digit.length), ...args)];
}

export function oneHotBitsSteps({ out, input }: Instruction & { op: 'oneHotBits' }): Step[] {
  const halves = planeHalves(input.length);
  const args = [halfIndex(out), halfIndex(input), halves, input.planes];
  return [elementStep(oneHotBitsKernel, halves * out.planes, ...args)];
}
