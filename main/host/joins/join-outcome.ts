/**
 * What a party has of a join that has ended, and its form on disk. The order of the own rows is for this party alone.
 * Knows nothing of how it came about.
 */
import { z } from 'zod';
import { MachineError } from '../../../shared/errors.ts';
import { publicJoinSchema } from '../../../shared/progress.ts';
import type { PublicJoin } from '../../../shared/progress.ts';
import type { RowOrder } from './joined-dataset.ts';

/** This party's part of the joined table. */
export interface OwnRows {
  /** The own rows, one group an identifier. */
  readonly order: RowOrder;
  /** Where each group stands in the joined table; undefined: group i is row i. */
  readonly slots?: Uint32Array;
  /** Of the files that the rows are numbered in. */
  readonly contentDigest: string;
}

export interface JoinOutcome extends PublicJoin {
  readonly own?: OwnRows | undefined;
}

const headerSchema = publicJoinSchema.extend({
  own: z
    .strictObject({ contentDigest: z.string(), rows: z.int(), starts: z.int(), slots: z.int().optional() })
    .optional(),
});

export function publicPart({ rows, matches, repeats }: JoinOutcome): PublicJoin {
  return publicJoinSchema.parse({ rows, matches, repeats });
}

export function packOutcome(outcome: JoinOutcome): Uint8Array {
  const { own } = outcome;
  const lists =
    own === undefined ? [] : [own.order.rows, own.order.starts, ...(own.slots === undefined ? [] : [own.slots])];
  const header = Buffer.from(
    JSON.stringify({
      ...publicPart(outcome),
      ...(own === undefined
        ? {}
        : {
            own: {
              contentDigest: own.contentDigest,
              rows: own.order.rows.length,
              starts: own.order.starts.length,
              slots: own.slots?.length,
            },
          }),
    }),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const bytes = lists.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength));
  return Buffer.concat([length, header, ...bytes]);
}

export function unpackOutcome(blob: Uint8Array): JoinOutcome {
  const buffer = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
  const headerBytes = buffer.readUInt32LE(0);
  const parsed = headerSchema.safeParse(JSON.parse(buffer.subarray(4, 4 + headerBytes).toString()));
  if (!parsed.success) {
    throw new MachineError('join-foreign', 'The joined order was stored by another version.', {
      hint: 'Start the job anew.',
    });
  }
  const { own, ...known } = parsed.data;
  if (own === undefined) return known;
  let at = 4 + headerBytes;
  const take = (count: number): Uint32Array => {
    const words = new Uint32Array(count);
    Buffer.from(words.buffer).set(buffer.subarray(at, (at += 4 * count)));
    return words;
  };
  const order = { rows: take(own.rows), starts: take(own.starts) };
  const slots = own.slots === undefined ? {} : { slots: take(own.slots) };
  return { ...known, own: { order, ...slots, contentDigest: own.contentDigest } };
}
