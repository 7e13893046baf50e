/**
 * What may serve as the key of a message, its textual identity and its order. Knows nothing of payloads or links.
 * Keys are written on the wire as two unsigned and one signed 32-bit word, so nothing else is accepted.
 */
import { InternalError, PeerError } from '../../shared/errors.ts';
import type { MessageKey } from './transport.ts';

/**
 * Rounds of one execution are exchanged in lock-step; material from the dealer runs ahead of them. The two never wait for
 * each other, so each has its own queue.
 */
export type Lane = 'material' | 'rounds';

export const LANES: readonly Lane[] = ['rounds', 'material'];

export function laneOf(key: MessageKey): Lane {
  return key.round < 0 ? 'material' : 'rounds';
}

/** Refuses a key that the wire cannot carry. */
export function checkMessageKey(key: MessageKey): void {
  const { attempt, execution, round } = key;
  if (attempt >>> 0 !== attempt || execution >>> 0 !== execution || (round | 0) !== round) {
    throw new InternalError(
      'message-key-invalid',
      `A message key needs 32-bit integers, not attempt ${attempt}, execution ${execution}, round ${round}.`,
    );
  }
}

/** Equal exactly for equal keys. */
export function messageKeyId(key: MessageKey): string {
  return `${key.attempt}/${key.execution}/${key.round}`;
}

/** For people. */
export function describeMessageKey(key: MessageKey): string {
  const where = key.round < 0 ? 'material' : `round ${key.round}`;
  return `${where} of execution ${key.execution}, attempt ${key.attempt}`;
}

/** Negative, zero or positive as `left` comes before, is, or comes after `right`. */
export function compareMessageKeys(left: MessageKey, right: MessageKey): number {
  return left.attempt - right.attempt || left.execution - right.execution || left.round - right.round;
}

/** The refusal of a key that already hides another message for `peer`. */
export function messageKeyReused(peer: string, key: MessageKey): PeerError {
  return new PeerError(
    'message-key-reused',
    peer,
    `Another message for ${peer} was already sent under ${describeMessageKey(key)}.`,
    { hint: 'A key belongs to one message only; continue as a new attempt.' },
  );
}

/** The refusal of a message whose length is not the plan's. */
export function messageLengthError(peer: string, key: MessageKey, expected: number, got: number): PeerError {
  return new PeerError(
    'message-length',
    peer,
    `${peer} sent ${got} bytes for ${describeMessageKey(key)} where the plan has ${expected}.`,
    { hint: 'Compare the versions and the plan digests of both parties.' },
  );
}
