/**
 * Invitations in both directions, from the link that is passed on to the question that people on both sides answer. Lives as
 * long as the host: secrets of open invitations are never stored.
 */
import { randomUUID } from 'node:crypto';
import type { InvitationView } from '../../../shared/api/peer-calls.ts';
import { InputError } from '../../../shared/errors.ts';
import { inviteFile, inviteHasExpired, inviteLink, inviteText, parseInvite } from '../../../shared/invite.ts';
import { fingerprintWords } from '../../../shared/words.ts';
import type { PairingQuestion } from '../peers/invitation-messages.ts';
import { joinByInvite } from '../peers/join.ts';
import type { PairedPeer } from '../peers/inviter.ts';
import type { ApiContext, Service } from './context.ts';
import { currentSettings } from './host-service.ts';
import { toApiError } from './errors.ts';
import { peerViews } from './peer-service.ts';

const WORDS = 8;
/** Ended ones that stay listed. */
const KEEP_ENDED = 20;

interface Entry {
  view: InvitationView;
  /** While a person here is asked. */
  answer: ((accept: boolean) => void) | undefined;
  readonly stop: () => void;
}

type Names = `invitations.${'list' | 'create' | 'read' | 'open' | 'answer' | 'cancel'}`;

export function invitationService(context: ApiContext): Service<Names> {
  const entries = new Map<string, Entry>();

  const list = (): InvitationView[] =>
    [...entries.values()].map(({ view }) => view).sort((a, b) => b.sinceMs - a.sinceMs);

  const get = (id: string): Entry => {
    const entry = entries.get(id);
    if (entry !== undefined) return entry;
    throw new InputError('invitation-gone', 'This invitation is not there any more.', {
      hint: 'Open invitations end with the program: make a new one.',
    });
  };

  const update = (id: string, change: Partial<InvitationView>): void => {
    const entry = entries.get(id);
    if (entry === undefined) return;
    entry.view = { ...entry.view, ...change, sinceMs: Date.now() };
    const ended = list().filter(({ state }) => state === 'paired' || state === 'failed' || state === 'cancelled');
    for (const old of ended.slice(KEEP_ENDED)) entries.delete(old.id);
    context.publish('invitations.changed', list());
  };

  /** Asks the person here; whoever answers first, at any window, decides. */
  const confirm =
    (id: string) =>
    (question: PairingQuestion, signal: AbortSignal): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const entry = entries.get(id);
        if (entry === undefined) return resolve(false);
        const settle = (accept: boolean): void => {
          entry.answer = undefined;
          update(id, { state: accept ? 'waiting' : 'cancelled' });
          resolve(accept);
        };
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        entry.answer = settle;
        update(id, {
          state: 'asking',
          organisation: question.name,
          fingerprint: question.fingerprint,
          fingerprintWords: fingerprintWords(question.fingerprint, WORDS),
          pairingWords: [...question.words],
        });
      });

  const follow = (id: string, paired: Promise<PairedPeer>): void => {
    paired.then(
      ({ name, fingerprint }) => {
        update(id, { state: 'paired', organisation: name, link: undefined, text: undefined, file: undefined });
        context.record('peer-paired', { peer: name, fingerprint });
        context.publish('peers.changed', peerViews(context.host()));
      },
      (error: unknown) => {
        const { view } = entries.get(id) ?? {};
        if (view === undefined || view.state === 'cancelled' || context.signal.aborted) return;
        update(id, { state: 'failed', error: toApiError(error), link: undefined, text: undefined, file: undefined });
      },
    );
  };

  /** Those that are set, or where the host listens. */
  const ownAddresses = (): string[] => {
    const { addresses } = currentSettings(context);
    return addresses.length === 0 ? [context.host().address] : addresses;
  };

  return {
    handlers: {
      'invitations.list': list,
      'invitations.create': ({ addresses, validForMinutes }) => {
        const { links } = context.host();
        const reach = addresses.length === 0 ? ownAddresses() : addresses;
        const id = randomUUID();
        const validForMs = validForMinutes * 60_000;
        const open = links.inviter.invite({ addresses: reach, validForMs, confirm: confirm(id) });
        const { invite } = open;
        const view: InvitationView = {
          id,
          direction: 'made',
          state: 'open',
          sinceMs: Date.now(),
          expiresAtMs: Date.parse(invite.expiresAt),
          link: inviteLink(invite),
          text: inviteText(invite),
          file: inviteFile(invite),
        };
        entries.set(id, { view, answer: undefined, stop: () => open.cancel() });
        follow(id, open.paired);
        context.record('invitation-made', { expires: invite.expiresAt, addresses: reach.join(', ') });
        context.publish('invitations.changed', list());
        return view;
      },
      'invitations.read': ({ text }) => {
        const invite = parseInvite(text);
        const { store, identity } = context.host();
        const known = store.peers.get(invite.fingerprint);
        return {
          organisation: invite.organisation,
          fingerprint: invite.fingerprint,
          fingerprintWords: fingerprintWords(invite.fingerprint, WORDS),
          addresses: invite.addresses,
          expiresAtMs: Date.parse(invite.expiresAt),
          isExpired: inviteHasExpired(invite, Date.now()),
          isOwn: invite.fingerprint === identity.fingerprint,
          knownAs: known === undefined || known.revokedAtMs !== undefined ? undefined : known.name,
        };
      },
      'invitations.open': ({ text, addresses = ownAddresses() }) => {
        const invite = parseInvite(text);
        const { links, identity } = context.host();
        const id = randomUUID();
        const stop = new AbortController();
        const view: InvitationView = {
          id,
          direction: 'opened',
          state: 'dialling',
          sinceMs: Date.now(),
          expiresAtMs: Date.parse(invite.expiresAt),
          organisation: invite.organisation,
          fingerprint: invite.fingerprint,
          fingerprintWords: fingerprintWords(invite.fingerprint, WORDS),
        };
        entries.set(id, { view, answer: undefined, stop: () => stop.abort(new Error('The invitation was put away.')) });
        const signal = AbortSignal.any([stop.signal, context.signal]);
        const pin = (peer: PairedPeer): void => links.pin(peer);
        follow(id, joinByInvite(invite, { identity, addresses, confirm: confirm(id), pin, signal }));
        context.publish('invitations.changed', list());
        return view;
      },
      'invitations.answer': ({ id, accept }) => {
        const entry = get(id);
        if (entry.answer === undefined) {
          throw new InputError('invitation-not-asking', 'This invitation asks nothing now.', {
            hint: 'It may have been answered in another window.',
          });
        }
        entry.answer(accept);
        return entry.view;
      },
      'invitations.cancel': ({ id }) => {
        const entry = get(id);
        entry.answer?.(false);
        update(id, { state: 'cancelled', link: undefined, text: undefined, file: undefined });
        entry.stop();
        return {};
      },
    },
    close: () => {
      for (const entry of entries.values()) entry.stop();
    },
  };
}
