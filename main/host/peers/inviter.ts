/**
 * The inviting side of pairing: makes invitations and serves strangers who come with one. Knows nothing of links.
 *
 * Invariants: a secret is tried once, right or wrong, and then forgotten; a key is pinned only after the secret was proved
 * on both sides and people on both sides confirmed.
 */
import { randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { PeerError, TacitError } from '../../../shared/errors.ts';
import type { Invite } from '../../../shared/invite.ts';
import { PROTOCOL_VERSION } from '../../../shared/wire.ts';
import { SecretText } from '../store/secret-text.ts';
import type { EventSocket } from './connection.ts';
import type { Identity } from './identity.ts';
import type { ConfirmPairing } from './invitation-messages.ts';
import { exporterOf, pairingWords, proofHolds, proofOf } from './invitation-proof.ts';
import { InvitationTalk } from './invitation-talk.ts';
import type { PinnedPeer } from './peer-book.ts';
import { RateLimit } from './rate-limit.ts';

export interface InvitationRequest {
  /** `host:port` under which the invited party can reach this host. */
  readonly addresses: readonly string[];
  readonly validForMs: number;
  /** Asked when somebody has proved the secret. */
  readonly confirm: ConfirmPairing;
}

export interface OpenInvitation {
  readonly invite: Invite;
  /** The pinned peer, once people on both sides confirmed; a PeerError when the one try failed or the time is over. */
  readonly paired: Promise<PairedPeer>;
  /** Makes the invitation worthless. */
  cancel(): void;
}

export type PairedPeer = Pick<PinnedPeer, 'fingerprint' | 'name' | 'addresses'>;

interface Pending {
  readonly secret: SecretText;
  readonly confirm: ConfirmPairing;
  readonly resolve: (peer: PairedPeer) => void;
  readonly reject: (error: unknown) => void;
  readonly expiry: NodeJS.Timeout;
  readonly stop: AbortController;
}

const TRIES_PER_MINUTE = 10;
const TRIES_PER_MINUTE_IN_ALL = 60;
const ASK_TIMEOUT_MS = 10_000;
const CONFIRM_TIMEOUT_MS = 15 * 60_000;
/** What setTimeout can hold. */
const LONGEST_VALIDITY_MS = 2 ** 31 - 1;

export class Inviter {
  readonly #identity: Identity;
  readonly #pin: (peer: PairedPeer) => void;
  readonly #pending = new Map<string, Pending>();
  readonly #perAddress = new RateLimit(TRIES_PER_MINUTE, 60_000);
  readonly #inAll = new RateLimit(TRIES_PER_MINUTE_IN_ALL, 60_000);
  readonly #talks = new Set<InvitationTalk>();

  constructor(identity: Identity, pin: (peer: PairedPeer) => void) {
    this.#identity = identity;
    this.#pin = pin;
  }

  invite(request: InvitationRequest): OpenInvitation {
    const { addresses, confirm } = request;
    const validForMs = Math.min(request.validForMs, LONGEST_VALIDITY_MS);
    const id = randomBytes(12).toString('base64url');
    const secret = new SecretText(randomBytes(32).toString('base64url'));
    const { promise, resolve, reject } = Promise.withResolvers<PairedPeer>();
    // Whoever invites may not be waiting when it fails.
    promise.catch(() => {});
    const expiry = setTimeout(() => {
      this.#pending.delete(id);
      reject(
        new PeerError('invitation-expired', 'invited party', 'Nobody used the invitation in time.', {
          hint: 'Make a new one.',
        }),
      );
    }, validForMs);
    expiry.unref();
    this.#pending.set(id, { secret, confirm, resolve, reject, expiry, stop: new AbortController() });
    return {
      invite: {
        tacitInvite: 1,
        id,
        secret: secret.expose(),
        organisation: this.#identity.name,
        fingerprint: this.#identity.fingerprint,
        addresses: [...addresses],
        expiresAt: new Date(Date.now() + validForMs).toISOString(),
      },
      paired: promise,
      cancel: () => {
        const pending = this.#take(id);
        pending?.reject(new PeerError('invitation-cancelled', 'invited party', 'The invitation was cancelled.'));
      },
    };
  }

  /** Whether one more stranger from this address is let in now. */
  admits(remoteAddress: string): boolean {
    return this.#perAddress.take(remoteAddress) && this.#inAll.take('');
  }

  /** Serves one stranger, whose key TLS has proved; never throws. */
  serve(fingerprint: string, socket: EventSocket, tls: TLSSocket): void {
    const talk = new InvitationTalk('invited party', socket);
    this.#talks.add(talk);
    void this.#serve(fingerprint, talk, tls).finally(() => {
      this.#talks.delete(talk);
      // Lets the last word leave first.
      setTimeout(() => talk.close(), 1_000).unref();
    });
  }

  close(): void {
    for (const id of [...this.#pending.keys()]) {
      this.#take(id)?.reject(new PeerError('invitation-cancelled', 'invited party', 'This host was closed.'));
    }
    for (const talk of this.#talks) talk.close();
    this.#talks.clear();
  }

  async #serve(fingerprint: string, talk: InvitationTalk, tls: TLSSocket): Promise<void> {
    let pending: Pending | undefined;
    const patience = setTimeout(() => talk.close(), ASK_TIMEOUT_MS);
    try {
      const ask = await talk.expect('ask');
      clearTimeout(patience);
      if (ask.protocol !== PROTOCOL_VERSION) return talk.refuse('version-mismatch');
      pending = this.#take(ask.id);
      if (pending === undefined) return talk.refuse('invitation-unknown');
      const binding = {
        secret: pending.secret,
        inviter: this.#identity.fingerprint,
        invited: fingerprint,
        exporter: exporterOf(tls),
      };
      if (!proofHolds(binding, 'invited', ask.proof)) {
        talk.refuse('invitation-proof-wrong');
        throw new PeerError('invitation-proof-wrong', ask.name, `${ask.name} came with a wrong secret.`, {
          hint: 'Somebody may be guessing or standing between: make a new invitation and send it another way.',
        });
      }
      talk.name = ask.name;
      talk.say({ step: 'answer', proof: proofOf(binding, 'inviter'), name: this.#identity.name });
      const { name, addresses } = ask;
      const question = { name, fingerprint, addresses, words: pairingWords(binding) };
      const signal = AbortSignal.any([pending.stop.signal, AbortSignal.timeout(CONFIRM_TIMEOUT_MS)]);
      await talk.confirmBoth(question, pending.confirm, signal);
      this.#pin({ fingerprint, name, addresses });
      pending.resolve({ fingerprint, name, addresses });
    } catch (error) {
      pending?.reject(error);
      if (!(error instanceof TacitError) && pending === undefined) throw error;
    } finally {
      clearTimeout(patience);
    }
  }

  /** The one try. */
  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    clearTimeout(pending.expiry);
    return pending;
  }
}
