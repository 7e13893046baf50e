/** What a host and the worker in which a join runs say to each other, by structured clone. Not a trust boundary: one process. */
import type { JoinTerms } from '../../../engine/join/terms.ts';
import type { JoinKey } from '../../../shared/identifiers.ts';
import type { JoinOutcome } from '../joins/join-outcome.ts';
import type { PlainError } from '../plain-error.ts';
import type { ServedTransport } from './engine-messages.ts';

/** With which the worker is started. */
export interface JoinSetup {
  readonly terms: JoinTerms;
  readonly self: string;
  /** Of a party with rows; a matcher without rows has none. */
  readonly rows: { readonly key: JoinKey; readonly files: readonly string[] } | undefined;
  readonly threads: number;
}

export interface JoinStart extends ServedTransport {
  readonly type: 'start';
}

/** What a join took, at one participant. */
export interface JoinCost {
  readonly bytesSent: number;
  readonly seconds: number;
}

export type JoinEvent =
  | { readonly type: 'ready' }
  | { readonly type: 'progress'; readonly phase: string; readonly done?: number; readonly total?: number }
  /** No outcome at a matcher without rows. */
  | { readonly type: 'done'; readonly outcome: JoinOutcome | undefined; readonly cost: JoinCost }
  | { readonly type: 'failed'; readonly error: PlainError };
