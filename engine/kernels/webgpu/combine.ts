/**
 * Sums of products, fused: one kernel for each shape of terms (how many factors, how each is repeated, whether a coefficient
 * is 1, -1 or another), with addresses and coefficients as arguments, so that plans share a few dozen kernels.
 */
import type { Factor, Instruction, Term, WordSlot } from '../kernels.ts';
import type { Kernel } from './kernel.ts';
import { elementKernel } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep, high32, low32, wordIndex } from './step.ts';

/** More terms become several steps that add to the output: a kernel stays small enough to be compiled quickly. */
const TERMS_OF_STEP = 12;

type Repeat = 'f' | 's' | 'c' | 't';
type Sign = '+' | '-' | '*';

/** f: as long as the output; s: a single word; c: cycle; t: stretch. */
function repeatOf(factor: Factor, length: number): Repeat {
  if (factor.slot.length === length) return 'f';
  if (factor.slot.length === 1) return 's';
  return factor.repeat === 'cycle' ? 'c' : 't';
}

function signOf(coefficient: bigint): Sign {
  if (BigInt.asUintN(64, coefficient) === 1n) return '+';
  return BigInt.asIntN(64, coefficient) === -1n ? '-' : '*';
}

/** `adds`: the output keeps what it holds. */
function combineKernel(terms: readonly { sign: Sign; repeats: readonly Repeat[] }[], adds: boolean): Kernel {
  const key = `combine ${adds ? 'adds' : ''} ${terms.map(({ sign, repeats }) => sign + repeats.join('')).join(' ')}`;
  const lines = [`var sum = ${adds ? 'ld(q[1] + i)' : 'vec2u(0u)'};`];
  let next = 2;
  const argument = (): string => `q[${next++}]`;
  const load = (repeat: Repeat): string => {
    if (repeat === 'f') return `ld(${argument()} + i)`;
    if (repeat === 's') return `ld(${argument()})`;
    return `ld(${argument()} + i ${repeat === 'c' ? '%' : '/'} ${argument()})`;
  };
  for (const { sign, repeats } of terms) {
    const factors = repeats.map(load);
    if (sign === '*') factors.push(`vec2u(${argument()}, ${argument()})`);
    const product = factors.length === 0 ? 'vec2u(1u, 0u)' : factors.reduce((a, b) => `mul(${a}, ${b})`);
    lines.push(`sum = ${sign === '-' ? 'sub' : 'add'}(sum, ${product});`);
  }
  lines.push('st(q[1] + i, sum);');
  return elementKernel(key, 'words', lines.join('\n  '));
}

function combineStep(out: WordSlot, terms: readonly Term[], adds: boolean): Step {
  const shape = terms.map(({ coefficient, factors }) => ({
    sign: signOf(coefficient),
    repeats: factors.map((factor) => repeatOf(factor, out.length)),
  }));
  const args = [wordIndex(out)];
  terms.forEach(({ coefficient, factors }, t) => {
    factors.forEach((factor, f) => {
      args.push(wordIndex(factor.slot));
      const repeat = shape[t]?.repeats[f];
      if (repeat === 'c') args.push(factor.slot.length);
      if (repeat === 't') args.push(out.length / factor.slot.length);
    });
    if (shape[t]?.sign === '*') args.push(low32(coefficient), high32(coefficient));
  });
  return elementStep(combineKernel(shape, adds), out.length, ...args);
}

export function combineSteps({ out, terms }: Instruction & { op: 'combine' }): Step[] {
  const steps = [combineStep(out, terms.slice(0, TERMS_OF_STEP), false)];
  for (let from = TERMS_OF_STEP; from < terms.length; from += TERMS_OF_STEP) {
    steps.push(combineStep(out, terms.slice(from, from + TERMS_OF_STEP), true));
  }
  return steps;
}
