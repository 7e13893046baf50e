/**
 * A shared bit opened under a mask bit: v = b XOR rho, v public, rho the dealer's. From it follow, without another opening,
 * the bit as a shared number and its product with any opened value.
 * Ideal functionality: none (v is uniform). Cost: 1 bit opened, 1 round, nothing dealt.
 * Source: conversion by dealt bits as in daBits (Rotaru, Wood, INDOCRYPT 2019).
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Bits, Words } from '../plan/program.ts';
import { truncate, truncateTimesBit } from './truncate.ts';
import type { Truncation } from './truncate.ts';
import type { SharedBits } from './shared-value.ts';

export interface MaskedBit {
  readonly v: Bits;
  /** The mask as words 0 and 1, at the dealer. */
  readonly rho: Words;
}

/** The mask is the random bit XOR the offset that only the dealer knows, so nothing is dealt. */
export function openMaskedBit(b: ProgramBuilder, bit: SharedBits): MaskedBit {
  const random = b.randomBits(bit.share.length, 1);
  const v = b.openBits(b.combineBits(bit.share.length, 1, [[bit.share], [random.share]]));
  const rho =
    bit.offset === undefined ? random.dealer : b.combineBits(bit.share.length, 1, [[random.dealer], [bit.offset]]);
  return { v, rho: b.bitsToWords(rho) };
}

/** Bit to arithmetic: [b] = v + (1 - 2v)[rho], as ring words 0 and 1. Dealer: one word an element. */
export function bitToWords(b: ProgramBuilder, bit: MaskedBit): Words {
  const v = b.bitsToWords(bit.v);
  const rho = b.deal(bit.rho);
  return b.combine(v.length, [{ factors: [v] }, { factors: [rho] }, { coefficient: -2n, factors: [v, rho] }]);
}

/**
 * b * (x / 2^shift) from the masked bit and the opening of x: v [y] + (1 - 2v) [rho y]. 0 rounds. With b the sign of x this
 * is ReLU fused with truncation; with b the sign of the forward value it is ReLU's backward pass. Dealer: 4 words an element
 * at most (y and rho y, each with its wrap part).
 */
export function selectTruncated(b: ProgramBuilder, bit: MaskedBit, x: Truncation): Words {
  return b.selectMasked(bit.v, truncate(b, x), truncateTimesBit(b, x, bit.rho));
}
