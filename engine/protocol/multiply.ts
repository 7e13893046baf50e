/**
 * Product of two masked tensors by any bilinear operation (matrix product, elementwise product, outer product, convolution
 * as a matrix product of windows): T∘U = E_T∘[U] + [A_T]∘E_U + A_T∘A_U.
 * Ideal functionality: shares of T∘U in the ring. Cost: 0 rounds, 0 bytes opened beyond the masked operands; the last term
 * stays with the dealer as an offset, folded into the next mask or dealt at one word an output element.
 * Source: Beaver (CRYPTO 1991); two local products instead of three by using [U] = [A_U] + E_U.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Words } from '../plan/program.ts';
import type { Masked } from './mask.ts';
import type { SharedWords } from './shared-value.ts';

/** A bilinear map applied to pairs and added up. */
export type Bilinear = (pairs: readonly { a: Words; b: Words }[]) => Words;

export function multiplyMasked(t: Masked, u: Masked, bilinear: Bilinear): SharedWords {
  return {
    share: bilinear([
      { a: t.opened, b: u.share },
      { a: t.mask, b: u.opened },
    ]),
    offset: bilinear([{ a: t.dealerMask, b: u.dealerMask }]),
  };
}

/** Product with a public tensor on either side: local, nothing opened or dealt. */
export function multiplyPublic(x: SharedWords, apply: (words: Words) => Words): SharedWords {
  return { share: apply(x.share), offset: x.offset === undefined ? undefined : apply(x.offset) };
}

/** Elementwise products of equal length. */
export function elementwise(b: ProgramBuilder, length: number): Bilinear {
  return (pairs) =>
    b.combine(
      length,
      pairs.map((pair) => ({ factors: [pair.a, pair.b] })),
    );
}
