/**
 * What the members of a run say to each other besides the engine's messages: keys, checkpoints, standardisations, the end.
 * Small JSON messages of a session under keys that no execution uses. Knows nothing of what they mean.
 *
 * Invariant: keys rise in the order of sending, as the session remembers only so many: preparations belong to execution 0
 * and come before its material (round -1); what follows the script has execution numbers beyond it.
 */
import type { z } from 'zod';
import type { MessageKey, Transport } from '../../../engine/runtime/transport.ts';
import { PeerError } from '../../../shared/errors.ts';

/** In the order of a run; `stocked` precedes its executions, `standardisation` and `finished` follow them. */
const ROUNDS = {
  'join-known': -12,
  'join-ended': -11,
  plan: -10,
  'zero-key': -9,
  nonce: -8,
  checkpoints: -7,
  resume: -6,
  standardisation: -5,
  finished: -4,
  stocked: -3,
} as const;
export type ControlKind = keyof typeof ROUNDS;

/** Longest control message; standardisations have 40 characters a column. */
const MAX_BYTES = 4 << 20;

export class ControlChannel {
  readonly #transport: Transport;
  readonly #attempt: number;
  /** Payload bytes of control messages sent and received: no part of the protocol's cost. */
  bytes = 0;

  constructor(transport: Transport, attempt: number) {
    this.#transport = transport;
    this.#attempt = attempt;
  }

  /** `after`: number of executions in the script for what follows it, 0 for what precedes it. */
  async send(peer: string, kind: ControlKind, after: number, body: unknown, signal?: AbortSignal): Promise<void> {
    const payload = new TextEncoder().encode(JSON.stringify(body));
    this.bytes += payload.length;
    await this.#transport.send(peer, this.#key(kind, after), payload, signal);
  }

  /** Waits for the message; one that does not fit the schema is a PeerError (`control-malformed`) that names the peer. */
  async receive<Schema extends z.ZodType>(
    peer: string,
    kind: ControlKind,
    after: number,
    schema: Schema,
    signal?: AbortSignal,
  ): Promise<z.output<Schema>> {
    const payload = await this.#transport.receive(peer, this.#key(kind, after), undefined, signal);
    this.bytes += payload.length;
    const parsed = schema.safeParse(payload.length <= MAX_BYTES ? parseJson(payload) : undefined);
    if (parsed.success) return parsed.data;
    throw new PeerError('control-malformed', peer, `${peer} sent a message (${kind}) that does not make sense.`, {
      hint: 'Use the same version of Tacit at all parties.',
    });
  }

  #key(kind: ControlKind, after: number): MessageKey {
    return { attempt: this.#attempt, execution: after, round: ROUNDS[kind] };
  }
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return undefined;
  }
}
