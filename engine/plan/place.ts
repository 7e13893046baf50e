/**
 * Turns operations on values into instructions on memory slots for one holder: a compute party (which adds public
 * contributions to shares only if it is the first, and skips what it knows to be zero) or the dealer.
 * Knows nothing of rounds or liveness.
 */
import type { Instruction, Slot, WordSlot } from '../kernels/kernels.ts';
import { planeBytes } from '../kernels/kernels.ts';
import { Bits, Words } from './program.ts';
import type { LocalOperation } from './program.ts';

export interface Holder {
  /** Adds public contributions to shares. */
  readonly isFirst: boolean;
  /** The value's share is zero here, and has no bytes. */
  isZero(value: number): boolean;
}

/**
 * The operation as this holder carries it out, without contributions that are zero or not its own; undefined if nothing is
 * left, that is, if the result is zero.
 */
export function localise(operation: LocalOperation, holder: Holder): LocalOperation | undefined {
  const isZero = (ref: Words | Bits): boolean => ref.place === 'share' && holder.isZero(ref.value);
  const contributes = (out: Words | Bits, factors: readonly (Words | Bits)[]): boolean => {
    if (factors.some(isZero)) return false;
    return out.place !== 'share' || holder.isFirst || factors.some((factor) => factor.place === 'share');
  };
  switch (operation.op) {
    case 'combine': {
      const terms = operation.terms.filter((term) =>
        contributes(
          operation.out,
          term.factors.map((f) => f.slot),
        ),
      );
      return terms.length === 0 && operation.out.place === 'share' ? undefined : { ...operation, terms };
    }
    case 'combineBits': {
      const terms = operation.terms.filter((term) => contributes(operation.out, term.factors));
      const constant = operation.out.place === 'share' && !holder.isFirst ? 0 : operation.constant;
      return terms.length === 0 && constant === 0 && operation.out.place === 'share'
        ? undefined
        : { ...operation, terms, constant };
    }
    case 'matmul': {
      const pairs = operation.pairs.filter((pair) => contributes(operation.out, [pair.a, pair.b]));
      return pairs.length === 0 ? undefined : { ...operation, pairs };
    }
    case 'assemble': {
      const parts = operation.parts.filter((part) => contributes(operation.out, [part.input]));
      return parts.length === 0 ? undefined : { ...operation, parts };
    }
    case 'digitLookup':
      return { ...operation, first: holder.isFirst };
    case 'strided':
    case 'gatherRows':
    case 'sum':
    case 'unfold':
    case 'fold':
      return isZero(operation.input) ? undefined : operation;
    default:
      return operation;
  }
}

/** Slot of a value or a part of one. `offsetOf` gives the first byte of a whole value. */
export function toSlot(ref: Words, offsetOf: (value: number) => number): WordSlot;
export function toSlot(ref: Words | Bits, offsetOf: (value: number) => number): Slot;
export function toSlot(ref: Words | Bits, offsetOf: (value: number) => number): Slot {
  if (ref instanceof Words) return { kind: 'words', offset: offsetOf(ref.value) + ref.start * 8, length: ref.length };
  const offset = offsetOf(ref.value) + ref.start * planeBytes(ref.length);
  return { kind: 'bits', offset, length: ref.length, planes: ref.planes };
}

/** Replaces the values of an operation by slots. */
export function toInstruction(operation: LocalOperation, offsetOf: (value: number) => number): Instruction {
  const resolve = (node: unknown): unknown => {
    if (node instanceof Words || node instanceof Bits) return toSlot(node, offsetOf);
    if (Array.isArray(node)) return node.map(resolve);
    if (typeof node === 'object' && node !== null) {
      return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolve(value)]));
    }
    return node;
  };
  return resolve(operation) as Instruction;
}
