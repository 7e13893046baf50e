/**
 * The invited side of pairing: goes to the inviting host, proves the secret, asks the person here, pins. Knows nothing of
 * links. The inviting host's key comes with the invitation, so it is pinned before a byte is written.
 */
import { parseAddress } from '../../../shared/address.ts';
import { InputError, PeerError } from '../../../shared/errors.ts';
import { inviteHasExpired } from '../../../shared/invite.ts';
import type { Invite } from '../../../shared/invite.ts';
import { PROTOCOL_VERSION } from '../../../shared/wire.ts';
import { SecretText } from '../store/secret-text.ts';
import { openSocket } from './dial-link.ts';
import { LinkError, failureToError } from './failure.ts';
import type { Identity } from './identity.ts';
import type { ConfirmPairing } from './invitation-messages.ts';
import { exporterOf, pairingWords, proofHolds, proofOf } from './invitation-proof.ts';
import { InvitationTalk } from './invitation-talk.ts';
import type { PairedPeer } from './inviter.ts';
import { packetParser } from './packets.ts';
import { INVITATION_PATH } from './paths.ts';
import { dialTls } from './tls-dial.ts';

export interface JoinOptions {
  readonly identity: Identity;
  /** `host:port` under which the inviting party can reach this host; empty when it cannot. */
  readonly addresses: readonly string[];
  readonly confirm: ConfirmPairing;
  /** Pins the inviting party once both have confirmed: Links.pin. */
  readonly pin: (peer: PairedPeer) => void;
  readonly signal: AbortSignal;
}

/**
 * Resolves with the peer that was pinned. InputErrors: `invite-expired`, `invite-own`. PeerErrors name the inviting
 * organisation: the steps of dialling, `invitation-unknown`, `invitation-proof-wrong`, `invitation-declined` and the like.
 */
export async function joinByInvite(invite: Invite, options: JoinOptions): Promise<PairedPeer> {
  const { identity, confirm, pin, signal } = options;
  const { organisation, fingerprint, addresses } = invite;
  if (fingerprint === identity.fingerprint) {
    throw new InputError('invite-own', 'This invitation was made here.', {
      hint: 'Send it to the other organisation.',
    });
  }
  if (inviteHasExpired(invite, Date.now())) {
    throw new InputError('invite-expired', `The invitation of ${organisation} expired at ${invite.expiresAt}.`, {
      hint: `Ask ${organisation} for a new one.`,
    });
  }
  const tls = await dialAny(invite, identity, signal);
  const socket = openSocket(tls, INVITATION_PATH, { auth: {}, parser: packetParser });
  const talk = new InvitationTalk(organisation, socket);
  const onAbort = () => talk.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('connect_error', (cause) => {
        reject(
          new PeerError('invitation-not-admitted', organisation, `${organisation} does not take the invitation now.`, {
            hint: 'There may have been too many tries: wait a minute and try again.',
            cause,
          }),
        );
      });
    });
    const secret = new SecretText(invite.secret);
    const binding = { secret, inviter: fingerprint, invited: identity.fingerprint, exporter: exporterOf(tls) };
    talk.say({
      step: 'ask',
      protocol: PROTOCOL_VERSION,
      id: invite.id,
      proof: proofOf(binding, 'invited'),
      name: identity.name,
      addresses: [...options.addresses],
    });
    const answer = await talk.expect('answer');
    if (!proofHolds(binding, 'inviter', answer.proof)) {
      throw new PeerError(
        'invitation-proof-wrong',
        organisation,
        `${organisation} does not know the invitation’s secret.`,
        {
          hint: `Ask ${organisation} for a new invitation over a channel that both trust.`,
        },
      );
    }
    const question = { name: answer.name, fingerprint, addresses, words: pairingWords(binding) };
    await talk.confirmBoth(question, confirm, signal);
    const peer = { fingerprint, name: answer.name, addresses };
    pin(peer);
    return peer;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Lets the last word leave first.
    setTimeout(() => talk.close(), 1_000).unref();
  }
}

async function dialAny(invite: Invite, identity: Identity, signal: AbortSignal) {
  const { organisation, fingerprint } = invite;
  let failed: LinkError | undefined;
  for (const text of invite.addresses) {
    try {
      return await dialTls({ name: organisation, address: parseAddress(text), fingerprint }, identity, signal);
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      failed = error;
    }
  }
  throw failureToError(organisation, failed!.failure);
}
