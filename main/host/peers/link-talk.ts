/**
 * Questions and answers between the services of two hosts, over the link that they have: small JSON, in parts, beside the
 * frames of sessions. Knows nothing of what is asked. A question is asked once and not resent: who asks does so again when
 * the link is back, so every question has to be harmless the second time.
 */
import type { z } from 'zod';
import { PeerError, TacitError } from '../../../shared/errors.ts';
import { MAX_TALK_PARTS, TALK_PART_CHARACTERS, talkAnswerSchema } from '../../../shared/wire.ts';
import type { TalkPart } from '../../../shared/wire.ts';
import type { Connection } from './connection.ts';
import type { Link, LinkUser } from './link.ts';
import { RateLimit } from './rate-limit.ts';

/** Answers a peer's question, as JSON. An error's code is what the peer is told, so it must depend on no secret. */
export type Answerer = (fingerprint: string, question: unknown) => unknown;

const ANSWER_WITHIN_MS = 30_000;
/** Parts that a peer may send a minute, questions and answers together. */
const PARTS_PER_MINUTE = 3_000;
/** Messages of one kind that may be arriving in parts at once. */
const MAX_ARRIVING = 8;

interface Asked {
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class LinkTalk implements LinkUser {
  readonly #link: Link;
  readonly #answer: (question: unknown) => unknown;
  readonly #rate = new RateLimit(PARTS_PER_MINUTE, 60_000);
  readonly #asked = new Map<number, Asked>();
  readonly #arriving = new Map<string, string[]>();
  #connection: Connection | undefined;
  #questions = 0;

  constructor(link: Link, answer: (question: unknown) => unknown) {
    this.#link = link;
    this.#answer = answer;
  }

  onUp(connection: Connection): void {
    this.#connection = connection;
  }

  onDown(): void {
    this.#connection = undefined;
    this.#arriving.clear();
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject } of asked) reject(this.#away());
  }

  /** The link ends with it; whoever asked learns that by onDown. */
  onViolation(): void {}

  async ask(question: unknown, signal: AbortSignal): Promise<unknown> {
    signal.throwIfAborted();
    if (this.#connection === undefined) throw this.#away();
    const number = ++this.#questions;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAbort = (): void => reject(signal.reason);
    const late = setTimeout(() => reject(this.#late()), ANSWER_WITHIN_MS);
    signal.addEventListener('abort', onAbort, { once: true });
    this.#asked.set(number, { resolve, reject });
    try {
      this.#send('question', number, question);
      return await promise;
    } finally {
      clearTimeout(late);
      signal.removeEventListener('abort', onAbort);
      this.#asked.delete(number);
    }
  }

  onPart(part: TalkPart): void {
    if (!this.#rate.take('')) return this.#connection?.refuse('talk-too-much');
    const text = this.#assemble(part);
    if (text === undefined) return;
    let content: unknown;
    try {
      content = JSON.parse(text);
    } catch {
      return this.#connection?.refuse('talk-malformed');
    }
    if (part.what === 'question') void this.#onQuestion(part.number, content);
    else this.#onAnswer(part.number, content);
  }

  /** The whole text with its last part. */
  #assemble({ what, number, part, parts, text }: TalkPart): string | undefined {
    const key = `${what} ${number}`;
    const before = this.#arriving.get(key) ?? [];
    if (part !== before.length || (part === 0 && this.#arriving.size >= MAX_ARRIVING)) {
      this.#connection?.refuse('talk-malformed');
      return undefined;
    }
    before.push(text);
    if (before.length < parts) {
      this.#arriving.set(key, before);
      return undefined;
    }
    this.#arriving.delete(key);
    return before.join('');
  }

  async #onQuestion(number: number, question: unknown): Promise<void> {
    const connection = this.#connection;
    let answer: z.input<typeof talkAnswerSchema>;
    try {
      answer = { reply: (await this.#answer(question)) ?? null };
    } catch (error) {
      answer = { refused: error instanceof TacitError ? error.code : 'failed' };
    }
    if (connection === this.#connection) this.#send('answer', number, answer);
  }

  #onAnswer(number: number, content: unknown): void {
    const answer = talkAnswerSchema.safeParse(content);
    const asked = this.#asked.get(number);
    if (!answer.success) return this.#connection?.refuse('talk-malformed');
    // None: it came too late.
    if (asked === undefined) return;
    if ('reply' in answer.data) asked.resolve(answer.data.reply);
    else asked.reject(this.#refused(answer.data.refused));
  }

  #send(what: TalkPart['what'], number: number, content: unknown): void {
    const text = JSON.stringify(content);
    const parts = Math.max(1, Math.ceil(text.length / TALK_PART_CHARACTERS));
    if (parts > MAX_TALK_PARTS) {
      throw new PeerError('talk-too-long', this.#link.name, `A message to ${this.#link.name} is too long to be sent.`, {
        hint: 'Use fewer columns.',
      });
    }
    for (let part = 0; part < parts; part++) {
      const slice = text.slice(part * TALK_PART_CHARACTERS, (part + 1) * TALK_PART_CHARACTERS);
      this.#connection?.control({ name: 'talk', body: { what, number, part, parts, text: slice } });
    }
  }

  #away(): PeerError {
    const { name } = this.#link;
    return new PeerError('peer-away', name, `${name} is not connected.`, { hint: 'It is asked again when it is.' });
  }

  #late(): PeerError {
    const { name } = this.#link;
    return new PeerError('answer-late', name, `${name} has not answered.`, {
      hint: `Ask ${name} whether its host is well.`,
    });
  }

  #refused(code: string): PeerError {
    const { name } = this.#link;
    return new PeerError(code, name, `${name} refused: ${code}.`, { hint: `Ask ${name} to look into its log.` });
  }
}
