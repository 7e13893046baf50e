/**
 * Named errors: every failure that a person can meet has a code, says what and where, and what to do next.
 * Knows nothing of who catches it. Codes are stable (scripts and the interface match on them); texts are not.
 */

/** What went wrong, by area; the CLI's exit code and the interface's wording hang on it. */
export type ErrorKind =
  /** Bad input: a file, a job, a setting, a model. Exit code 2. */
  | 'input'
  /** A peer, a link or the dealer. Exit code 1. */
  | 'peer'
  /** This machine: disk, memory, store. Exit code 1. */
  | 'machine'
  /** The program contradicts itself: a defect. Exit code 1. */
  | 'internal';

export interface ErrorDetail {
  /** What to do next, one sentence. */
  readonly hint?: string;
  /** The underlying failure, kept for the log. */
  readonly cause?: unknown;
}

/**
 * Base of all errors raised on purpose. `code` is a constant in kebab case, unique to its cause.
 * Never put a secret (share, mask, key, plaintext cell of another party) into the message.
 */
export class TacitError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, code: string, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = new.target.name;
    this.kind = kind;
    this.code = code;
    this.hint = detail.hint;
  }

  /** One line for a terminal or a log: what and where, then what to do. */
  get line(): string {
    return this.hint === undefined ? this.message : `${this.message} ${this.hint}`;
  }
}

/** Bad input from outside: names what, where and what to do next. */
export class InputError extends TacitError {
  constructor(code: string, message: string, detail?: ErrorDetail) {
    super('input', code, message, detail);
  }
}

/** A peer, the dealer, or the link to one of them; `party` is the name the job gives it. */
export class PeerError extends TacitError {
  readonly party: string;
  constructor(code: string, party: string, message: string, detail?: ErrorDetail) {
    super('peer', code, message, detail);
    this.party = party;
  }
}

/** This machine cannot go on: disk full, store damaged, memory exhausted. */
export class MachineError extends TacitError {
  constructor(code: string, message: string, detail?: ErrorDetail) {
    super('machine', code, message, detail);
  }
}

/** A broken invariant of our own. */
export class InternalError extends TacitError {
  constructor(code: string, message: string, detail?: ErrorDetail) {
    super('internal', code, message, detail);
  }
}
