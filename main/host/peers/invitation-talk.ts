/**
 * The last part of pairing, the same on both sides: ask the person here, wait for the person there, and succeed when both
 * have confirmed. Also how messages of an invitation are sent and awaited. Knows nothing of proofs.
 */
import { PeerError } from '../../../shared/errors.ts';
import type { EventSocket } from './connection.ts';
import { invitationMessageSchema } from './invitation-messages.ts';
import type { ConfirmPairing, InvitationMessage, PairingQuestion } from './invitation-messages.ts';
import { CONTROL_EVENT } from './packets.ts';

type Waiter = { resolve: (message: InvitationMessage) => void; reject: (error: PeerError) => void };

/** Messages of one invitation over one socket. */
export class InvitationTalk {
  /** For messages to people. */
  #name: string;
  readonly #socket: EventSocket;
  #arrived: InvitationMessage[] = [];
  #waiter: Waiter | undefined;
  #ended: PeerError | undefined;

  constructor(name: string, socket: EventSocket) {
    this.#name = name;
    this.#socket = socket;
    socket.on(CONTROL_EVENT, (message) => this.#take(message));
    socket.on('disconnect', () => this.#end('invitation-broken-off', `${this.#name} broke the pairing off.`));
  }

  set name(name: string) {
    this.#name = name;
  }

  say(message: InvitationMessage): void {
    this.#socket.emit(CONTROL_EVENT, message);
  }

  /** The next message, which must be of this step; anything else ends the talk with a PeerError. */
  async expect<Step extends InvitationMessage['step']>(
    step: Step,
  ): Promise<Extract<InvitationMessage, { step: Step }>> {
    const message = await this.#next();
    if (message.step === step) return message as Extract<InvitationMessage, { step: Step }>;
    if (message.step === 'refused') throw refusal(this.#name, message.code);
    throw this.#end('invitation-out-of-order', `${this.#name} does not follow the steps of an invitation.`);
  }

  /** Ends the talk; `code` is told to the other side. */
  refuse(code: string): void {
    this.say({ step: 'refused', code });
    this.#end(code, `The pairing with ${this.#name} was ended here: ${code}.`);
  }

  /** Resolves when people on both sides have confirmed; else throws a PeerError and has told the other side. */
  async confirmBoth(question: PairingQuestion, confirm: ConfirmPairing, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const here = (async () => {
      if (!(await confirm(question, both))) {
        this.refuse('invitation-declined');
        throw new PeerError(
          'invitation-declined',
          question.name,
          `The pairing with ${question.name} was declined here.`,
        );
      }
      both.throwIfAborted();
      this.say({ step: 'confirmed' });
    })();
    const there = this.expect('confirmed');
    try {
      await Promise.all([here, there]);
    } catch (error) {
      stop.abort(error);
      // The other half ends on its own; whatever it says no longer counts.
      here.catch(() => {});
      there.catch(() => {});
      throw error;
    }
  }

  close(): void {
    this.#end('invitation-ended', `The pairing with ${this.#name} was ended.`);
    this.#socket.disconnect(true);
  }

  #next(): Promise<InvitationMessage> {
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return Promise.resolve(arrived);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  #take(message: unknown): void {
    const parsed = invitationMessageSchema.safeParse(message);
    if (!parsed.success) {
      this.#end('invitation-malformed', `${this.#name} sent something that is no part of an invitation.`);
      this.#socket.disconnect(true);
      return;
    }
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter !== undefined) waiter.resolve(parsed.data);
    // Nobody says more than four things.
    else if (this.#arrived.length < 4) this.#arrived.push(parsed.data);
  }

  #end(code: string, message: string): PeerError {
    this.#ended ??= new PeerError(code, this.#name, message, {
      hint: 'Make a new invitation; each is good for one try.',
    });
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.reject(this.#ended);
    return this.#ended;
  }
}

function refusal(name: string, code: string): PeerError {
  const said: Record<string, string> = {
    'invitation-unknown': `${name} does not know this invitation, or it was tried before.`,
    'invitation-expired': `The invitation of ${name} has expired.`,
    'invitation-proof-wrong': `${name} says that the secret of the invitation is wrong.`,
    'invitation-declined': `${name} declined the pairing.`,
    'version-mismatch': `${name} runs another version of Tacit.`,
  };
  return new PeerError(code, name, said[code] ?? `${name} refused the invitation: ${code}.`, {
    hint:
      code === 'version-mismatch' ? 'Use the same version at both organisations.' : `Ask ${name} for a new invitation.`,
  });
}
