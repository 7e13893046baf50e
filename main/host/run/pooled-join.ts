/**
 * The join of a local run in the clear, by the launcher who holds all files: the rows that the parties were to find, in the
 * order that they drew. Proves the private join of every local run. No host of a session ever calls this.
 */
import { InternalError } from '../../../shared/errors.ts';
import { joinKeyOf } from '../../../shared/job-join.ts';
import type { IdentifierJoin } from '../../../shared/job-join.ts';
import type { Identifiers } from '../../../shared/identifiers.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { readIdentifiers } from '../joins/key-columns.ts';
import { orderOf } from '../joins/joined-dataset.ts';
import type { RowOrder } from '../joins/joined-dataset.ts';
import type { OwnRows } from '../joins/join-outcome.ts';

/** Text of identifier `which`: the same for the same bytes. */
function textOf({ packed }: Identifiers, which: number): string {
  const { bytes, offsets } = packed;
  return Buffer.from(bytes.buffer, bytes.byteOffset + offsets[which]!, offsets[which + 1]! - offsets[which]!).toString(
    'latin1',
  );
}

/** A party's rows that count, and which rows of the joined table they are. */
export interface PooledRows {
  readonly order: RowOrder;
  readonly rows: Uint32Array;
}

/**
 * Each party's rows of the records that count: those that all have, or with `keep` those of one party.
 * @param drawn what the private join gave one party, the one whose rows are kept if there is one.
 * @throws InternalError `join-wrong` where the parties found other rows than the join in the clear.
 */
export async function pooledJoin(
  join: IdentifierJoin,
  datasets: ReadonlyMap<string, Dataset>,
  drawn: { readonly party: string; readonly own: OwnRows },
  signal: AbortSignal,
): Promise<Map<string, PooledRows>> {
  const known = new Map<string, Identifiers>();
  const numbers = new Map<string, Map<string, number>>();
  for (const [party, dataset] of datasets) {
    const identifiers = await readIdentifiers(dataset, joinKeyOf(join, party), signal);
    known.set(party, identifiers);
    const count = identifiers.starts.length - 1;
    numbers.set(party, new Map(Array.from({ length: count }, (_, which) => [textOf(identifiers, which), which])));
  }
  const placed = placedTexts(known.get(drawn.party)!, drawn.own);
  const counts = (text: string): boolean =>
    join.how === 'left' || [...numbers.values()].every((list) => list.has(text));
  const table = [...placed].filter(([text]) => counts(text));
  const expected = [...numbers.get(drawn.party)!.keys()].filter(counts);
  if (expected.length !== table.length || (join.how === 'ids' && placed.size !== table.length)) {
    throw new InternalError('join-wrong', 'The private join found other rows than the join in the clear.');
  }
  return new Map(
    [...known].map(([party, identifiers]) => {
      const own = numbers.get(party)!;
      const held = table.filter(([text]) => own.has(text));
      const wanted = Uint32Array.from(held, ([text]) => own.get(text)!);
      return [party, { order: orderOf(identifiers, wanted), rows: Uint32Array.from(held, ([, row]) => row) }];
    }),
  );
}

/** Text of each identifier that the private join placed, and its row of the joined table. */
function placedTexts(identifiers: Identifiers, { order, slots }: OwnRows): Map<string, number> {
  const identifierOf = new Map<number, number>();
  identifiers.starts.slice(0, -1).forEach((start, which) => identifierOf.set(identifiers.rows[start]!, which));
  const placed = new Map<string, number>();
  order.starts.slice(0, -1).forEach((start, i) => {
    const which = identifierOf.get(order.rows[start]!);
    if (which !== undefined) placed.set(textOf(identifiers, which), slots?.[i] ?? i);
  });
  return placed;
}
