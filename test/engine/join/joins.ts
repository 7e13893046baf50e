/** What the tests of joins share: lists of identifiers as text, terms, and the plaintext join that everything is held against. */
import type { JoinTerms } from '../../../engine/join/terms.ts';
import type { PackedIdentifiers } from '../../../shared/identifiers.ts';

export const NAMES = ['anna', 'bela', 'cleo', 'dora', 'emil'];

export function pack(texts: readonly string[]): PackedIdentifiers {
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  const offsets = new Uint32Array(texts.length + 1);
  encoded.forEach((bytes, i) => (offsets[i + 1] = offsets[i]! + bytes.length));
  return { bytes: new Uint8Array(Buffer.concat(encoded)), offsets };
}

/** Terms of a join of these lists; sizes are their lengths, the floor is 1. */
export function termsOf(lists: readonly (readonly string[])[], changes: Partial<JoinTerms> = {}): JoinTerms {
  const parties = NAMES.slice(0, lists.length);
  return {
    session: 'test',
    attempt: 0,
    execution: 0,
    purpose: 'ids',
    form: 'curve',
    parties,
    sizes: Object.fromEntries(parties.map((party, who) => [party, lists[who]!.length])),
    floor: 1,
    ...(lists.length > 2 ? { matcher: 'dealer' } : {}),
    ...changes,
  };
}

export function listsByParty(lists: readonly (readonly string[])[]): Map<string, PackedIdentifiers> {
  return new Map(lists.map((list, who) => [NAMES[who]!, pack(list)]));
}

/** Identifiers that all lists have, sorted. */
export function plainIntersection(lists: readonly (readonly string[])[]): string[] {
  return (lists[0] ?? []).filter((text) => lists.every((list) => list.includes(text))).sort();
}
