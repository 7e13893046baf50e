/** The port to the list of pinned peers. Knows nothing of how it is kept; the store implements it. */

export interface PinnedPeer {
  /** Fingerprint of the peer's key: its identity. */
  readonly fingerprint: string;
  /** What this organisation calls it. */
  readonly name: string;
  /** `host:port` under which it can be dialled; empty for a peer that only dials. */
  readonly addresses: readonly string[];
  /** Set for a peer that was pinned once and is refused now. */
  readonly revokedAtMs: number | undefined;
}

export interface PeerBook {
  list(): readonly PinnedPeer[];
  get(fingerprint: string): PinnedPeer | undefined;
  /** Durable when it returns. Pinning a revoked peer lifts the revocation. */
  pin(peer: Pick<PinnedPeer, 'fingerprint' | 'name' | 'addresses'>): void;
  /** Durable when it returns. */
  revoke(fingerprint: string): void;
  /** Notes that the peer was connected just now. */
  seen(fingerprint: string): void;
}
