/**
 * Masked tensors: T opened once under a mask A_T, as E_T = T - A_T, and used in every product that T enters.
 * Ideal functionality: none (E_T is uniform). Cost: one word opened an element, 1 round; nothing dealt.
 * Source: Beaver (CRYPTO 1991) per tensor instead of per product; exact conditions in docs/protocols.md.
 *
 * Safety: a mask belongs to one value; whoever lowers a graph calls this once for each value and keeps the result. Every
 * public linear image l(T) may use l(E_T) with mask l(A_T).
 */
import type { ProgramBuilder } from '../plan/builder.ts';
import type { Words } from '../plan/program.ts';
import { complete } from './shared-value.ts';
import type { SharedWords } from './shared-value.ts';

export interface Masked {
  /** E_T = T - A_T, known to all compute parties. */
  readonly opened: Words;
  /** Shares of A_T. */
  readonly mask: Words;
  /** A_T, at the dealer. */
  readonly dealerMask: Words;
  /** Shares of T itself. */
  readonly share: Words;
}

/** Opens a shared value under a fresh mask. 1 round. */
export function maskShared(b: ProgramBuilder, x: SharedWords): Masked {
  const share = complete(b, x);
  const mask = b.random(share.length);
  const opened = b.open(b.subtract(share, mask.share));
  return { opened, mask: mask.share, dealerMask: mask.dealer, share };
}

/**
 * Opens one party's plaintext under a mask that it knows (corrections H3): only the owner sends. 1 round, no bytes dealt.
 * Secure against any set of parties without the dealer.
 */
export function maskOwned(b: ProgramBuilder, owner: string, plaintext: Words): Masked {
  const mask = b.ownerMask(owner, plaintext.length);
  const opened = b.open(b.subtract(plaintext, mask.share), b.wordBits, owner);
  return { opened, mask: mask.share, dealerMask: mask.dealer, share: plaintext };
}

/** A public linear image of a masked tensor, by the same map on every part. */
export function mapMasked(x: Masked, map: (words: Words) => Words): Masked {
  return { opened: map(x.opened), mask: map(x.mask), dealerMask: map(x.dealerMask), share: map(x.share) };
}
