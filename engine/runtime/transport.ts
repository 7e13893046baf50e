/**
 * The port through which the executor reaches the other parties of a job. One message is everything that one party sends
 * another in one round (or one chunked blob between rounds). Knows nothing of sockets, identities or plans.
 * Implementations: memory-transport.ts (tests, local simulation) and the host's peer links; one compliance suite for both.
 *
 * Cost: a round is one simultaneous exchange, so it takes one one-way delay plus the transfer of the largest message.
 * Leakage: whoever reads a message sees masked words, except reveals to their named receivers.
 */

/** What a message belongs to; sender and receiver derive the same key from the plan, so no message is ever guessed. */
export interface MessageKey {
  /** Attempt of the job; a rollback starts a new one. */
  readonly attempt: number;
  /** Number of the plan execution within the attempt, counting from 0. */
  readonly execution: number;
  /** Round within the execution; -1 for material that precedes it (correction records from the dealer). */
  readonly round: number;
}

export interface TransportCounters {
  /** Payload bytes of messages, without frame headers, handshakes, acknowledgements and resends. */
  bytesSent: number;
  bytesReceived: number;
  messagesSent: number;
  messagesReceived: number;
}

export interface Transport {
  /** Name of this party in the job. */
  readonly self: string;
  /** Names of the parties reachable here. */
  readonly peers: readonly string[];
  /**
   * Hands a message over for delivery. The bytes must not change afterwards. Delivery is exactly once, in order of keys per
   * peer, across reconnects. The same key again with the same bytes is a resend and is dropped; with other bytes it is
   * refused (`message-key-reused`). Resolves when the message is accepted into the bounded send queue (back-pressure).
   */
  send(peer: string, key: MessageKey, payload: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Waits for the message with this key from this peer. A message of another length is refused (`message-length`), the peer
   * named. Pass undefined as length for messages whose length the plan does not fix. Rejects when the signal aborts.
   */
  receive(peer: string, key: MessageKey, length: number | undefined, signal?: AbortSignal): Promise<Uint8Array>;
  /** Counters per peer. */
  counters(peer: string): Readonly<TransportCounters>;
  close(): Promise<void>;
}
