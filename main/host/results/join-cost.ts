/**
 * What the join of a job costs and how many rows it can leave, before anybody joins: bytes are exact for each number of common
 * records, times are measured on this machine. Knows no data.
 */
import { measureJoinRates, predictTagSeconds } from '../../../engine/join/bench.ts';
import { predictJoinBytes, slotCount } from '../../../engine/join/terms.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { Job } from '../../../shared/job.ts';
import { joinedRowRange } from '../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import { joinTermsOf } from '../joins/join-terms.ts';

export interface JoinCostPreview {
  /** Of the joined table; the plan is for the most. None where rows are only compared. */
  readonly rows?: { readonly least: number; readonly most: number };
  /** Whoever sends something, the matcher among them: with the fewest and with the most records in common. */
  readonly participants: readonly { readonly id: string; readonly leastBytes: number; readonly mostBytes: number }[];
  /** Own work of the party that has most of it, on a machine like this one. */
  readonly seconds: number;
}

/** Undefined where the job compares no identifiers. Takes about half a second. */
export async function previewJoin(
  job: Job,
  schemas: SchemasByParty,
  threads: number,
): Promise<JoinCostPreview | undefined> {
  const terms = joinTermsOf(job, schemas, 'preview');
  if (terms === undefined) return undefined;
  const range = joinedRowRange(job, schemas);
  const [least, most] = terms.purpose === 'ids' ? [range?.least ?? 0, range?.most ?? 0] : [0, 0];
  const fewest = predictJoinBytes(terms, least);
  const curve = await wasmCurve({ threads: 1 });
  try {
    const rates = await measureJoinRates(curve, nodeCrypto);
    const tags = Math.max(...terms.parties.map((party) => predictTagSeconds(terms, party, rates)));
    return {
      ...(range === undefined ? {} : { rows: range }),
      participants: [...predictJoinBytes(terms, most)].map(([id, bytes]) => ({
        id,
        leastBytes: fewest.get(id) ?? 0,
        mostBytes: bytes,
      })),
      seconds: tags / threads + (slotCount(terms) * rates.compareMs) / 1000,
    };
  } finally {
    await curve.dispose();
  }
}
