/**
 * The peer book: whose keys are pinned, where they were met, which were revoked. Knows nothing of links or invitations.
 * A revoked peer stays listed, so that a person sees it; pinning the same key anew is a new decision and lifts it.
 */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import type { PeerBook, PinnedPeer } from '../peers/peer-book.ts';
import type { StoreDatabase } from './database.ts';

/** A peer as the links know it, and what a person wants to see of it. */
export interface Peer extends PinnedPeer {
  readonly pinnedAtMs: number;
  readonly lastSeenMs: number | undefined;
}

interface Row {
  fingerprint: string;
  name: string;
  addresses: string;
  pinnedAtMs: number;
  lastSeenMs: number | null;
  revokedAtMs: number | null;
}

const addressesSchema = z.array(z.string());

const SELECT = `SELECT fingerprint, name, addresses, pinned_at_ms AS pinnedAtMs, last_seen_ms AS lastSeenMs,
  revoked_at_ms AS revokedAtMs FROM peer`;

function fromRow(row: Row): Peer {
  return {
    ...row,
    addresses: addressesSchema.parse(JSON.parse(row.addresses)),
    lastSeenMs: row.lastSeenMs ?? undefined,
    revokedAtMs: row.revokedAtMs ?? undefined,
  };
}

export class PeerStore implements PeerBook {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** All peers, revoked ones included, by name. */
  list(): Peer[] {
    return this.#database
      .read(() => this.#database.prepare<[], Row>(`${SELECT} ORDER BY name, fingerprint`).all())
      .map(fromRow);
  }

  get(fingerprint: string): Peer | undefined {
    const row = this.#database.read(() =>
      this.#database.prepare<[string], Row>(`${SELECT} WHERE fingerprint = ?`).get(fingerprint),
    );
    return row === undefined ? undefined : fromRow(row);
  }

  /** Durable. Pins a key that people confirmed, or renames and re-addresses one that is pinned. */
  pin(peer: Pick<Peer, 'fingerprint' | 'name' | 'addresses'>): void {
    this.#database.durable(() =>
      this.#database
        .prepare<[string, string, string, number]>(
          `INSERT INTO peer (fingerprint, name, addresses, pinned_at_ms) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET name = excluded.name, addresses = excluded.addresses, revoked_at_ms = NULL,
               pinned_at_ms = iif(revoked_at_ms IS NULL, pinned_at_ms, excluded.pinned_at_ms)`,
        )
        .run(peer.fingerprint, peer.name, JSON.stringify(peer.addresses), Date.now()),
    );
  }

  /** Durable. From now on the key is refused. An unknown one is an error (`peer-unknown`). */
  revoke(fingerprint: string): void {
    const { changes } = this.#database.durable(() =>
      this.#database
        .prepare<[number, string]>('UPDATE peer SET revoked_at_ms = coalesce(revoked_at_ms, ?) WHERE fingerprint = ?')
        .run(Date.now(), fingerprint),
    );
    if (changes === 0) {
      throw new InputError('peer-unknown', `No peer with the fingerprint ${fingerprint} is pinned.`, {
        hint: 'List the peers and copy the fingerprint from there.',
      });
    }
  }

  /** Notes that the peer was connected just now. */
  seen(fingerprint: string): void {
    this.#database.quick(() =>
      this.#database
        .prepare<[number, string]>('UPDATE peer SET last_seen_ms = ? WHERE fingerprint = ?')
        .run(Date.now(), fingerprint),
    );
  }
}
