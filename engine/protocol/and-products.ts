/**
 * Products (ANDs) of XOR-shared bits, any number of factors, in one round: every bit is opened once under a mask, and each
 * product is expanded over the subsets of its factors with the dealer's shared monomials of the masks.
 * Ideal functionality: XOR shares of the products. Cost: 1 round, 1 bit opened for each factor; dealer: one bit for each
 * distinct monomial of two factors or more (2^d - d - 1 for d factors), plus one for a factor that has an offset.
 * Source: Ohata, Nuida (FC 2020) multi-fan-in AND, in the dealer's form.
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Bits } from '../plan/program.ts';
import type { SharedBits } from './shared-value.ts';

/** Several bits opened under masks: opened = b XOR m, one plane a bit. */
export interface MaskedBits {
  readonly opened: Bits;
  /** m, at the dealer. */
  readonly mask: Bits;
  /** The random part of the shares of m: m itself where the bits have no offset. */
  readonly random: Bits;
}

/** Opens a plane of bits for each of `planes` factors. 1 round. */
export function openUnderMasks(b: ProgramBuilder, bits: SharedBits): MaskedBits {
  const { length, planes } = bits.share;
  const random = b.randomBits(length, planes);
  const opened = b.openBits(b.combineBits(length, planes, [[bits.share], [random.share]]));
  const mask =
    bits.offset === undefined ? random.dealer : b.combineBits(length, planes, [[random.dealer], [bits.offset]]);
  return { opened, mask, random: random.share };
}

/** One result: XOR of shared bits and of products, each a list of indices into the factors. */
export interface BitSum {
  readonly plus: readonly Bits[];
  readonly products: readonly (readonly number[])[];
}

/** `factors` are single planes of XOR shares without offsets, all of one length. */
export function andProducts(b: ProgramBuilder, factors: readonly Bits[], sums: readonly BitSum[]): Bits[] {
  const stacked = b.stackBits(factors);
  const masked = openUnderMasks(b, { share: stacked, offset: undefined });
  const expanded = sums.map(({ products }) =>
    products.flatMap((product) => subsets(product).map((subset) => ({ product, subset }))),
  );
  const keys = [...new Set(expanded.flat().flatMap(({ subset }) => (subset.length > 1 ? [subset.join(',')] : [])))];
  const dealt =
    keys.length === 0
      ? undefined
      : b.dealBits(
          b.stackBits(
            keys.map((key) =>
              b.combineBits(stacked.length, 1, [key.split(',').map((index) => masked.mask.part(Number(index), 1))]),
            ),
          ),
        );
  const monomial = (subset: readonly number[]): Bits => {
    const [first] = subset;
    if (subset.length === 1 && first !== undefined) return masked.random.part(first, 1);
    if (dealt === undefined) throw new RangeError('no such monomial');
    return dealt.part(keys.indexOf(subset.join(',')), 1);
  };
  return sums.map(({ plus }, i) => {
    const terms: Bits[][] = plus.map((bit) => [bit]);
    for (const { product, subset } of expanded[i] ?? []) {
      const open = product.filter((index) => !subset.includes(index)).map((index) => masked.opened.part(index, 1));
      terms.push(subset.length === 0 ? open : [...open, monomial(subset)]);
    }
    return b.combineBits(stacked.length, 1, terms);
  });
}

function subsets(items: readonly number[]): number[][] {
  return items.reduce<number[][]>((all, item) => [...all, ...all.map((subset) => [...subset, item])], [[]]);
}
