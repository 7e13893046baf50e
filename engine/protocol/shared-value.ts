/**
 * What gadgets pass to each other: additively shared words and XOR-shared bits, each possibly completed by an offset that
 * only the dealer knows. Knows nothing of tensors, rounds or kernels.
 *
 * The offset is what makes products cheap (corrections L2c): the product of two masked tensors lacks the term A∘B that the
 * dealer knows; if the product is opened next, the dealer folds the missing term into the mask and deals nothing for it.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Bits, Words } from '../plan/program.ts';

/** value = sum of the shares + offset (at the dealer). */
export interface SharedWords {
  readonly share: Words;
  readonly offset: Words | undefined;
}

/** bit = XOR of the shares XOR offset (at the dealer); one plane or more. */
export interface SharedBits {
  readonly share: Bits;
  readonly offset: Bits | undefined;
}

/** Deals the offset, if there is one, so that the shares alone add up to the value. Cost: one word an element from the dealer. */
export function complete(b: ProgramBuilder, x: SharedWords): Words {
  return x.offset === undefined ? x.share : b.add(x.share, b.deal(x.offset));
}

/** The same for bits. Cost: one bit an element from the dealer. */
export function completeBits(b: ProgramBuilder, x: SharedBits): Bits {
  if (x.offset === undefined) return x.share;
  return b.combineBits(x.share.length, x.share.planes, [[x.share], [b.dealBits(x.offset)]]);
}

/** Applies a local linear map to both parts. */
export function mapShared(x: SharedWords, map: (words: Words) => Words): SharedWords {
  return { share: map(x.share), offset: x.offset === undefined ? undefined : map(x.offset) };
}

/** Applies a local linear map of several shared values to both parts; a missing offset counts as zero. */
export function combineShared(
  b: ProgramBuilder,
  length: number,
  terms: readonly { coefficient: bigint; x: SharedWords }[],
): SharedWords {
  const offsets = terms.flatMap(({ coefficient, x }) =>
    x.offset === undefined ? [] : [{ coefficient, factors: [x.offset] }],
  );
  return {
    share: b.combine(
      length,
      terms.map(({ coefficient, x }) => ({ coefficient, factors: [x.share] })),
    ),
    offset: offsets.length === 0 ? undefined : b.combine(length, offsets),
  };
}

export function xorShared(b: ProgramBuilder, x: SharedBits, y: SharedBits): SharedBits {
  const offset =
    x.offset === undefined
      ? y.offset
      : y.offset === undefined
        ? x.offset
        : b.combineBits(x.share.length, x.share.planes, [[x.offset], [y.offset]]);
  return { share: b.combineBits(x.share.length, x.share.planes, [[x.share], [y.share]]), offset };
}

export function notShared(b: ProgramBuilder, x: SharedBits): SharedBits {
  return { share: b.combineBits(x.share.length, x.share.planes, [[x.share]], 1), offset: x.offset };
}
