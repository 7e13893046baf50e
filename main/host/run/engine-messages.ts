/** What a host and the engine's worker say to each other, both ways, by structured clone. Not a trust boundary: one process. */
import type { MessagePort } from 'node:worker_threads';
import type { Transport, TransportCounters } from '../../../engine/runtime/transport.ts';
import { InputError, InternalError, MachineError, PeerError, TacitError } from '../../../shared/errors.ts';
import type { ErrorKind } from '../../../shared/errors.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import type { PreparedRows } from '../datasets/prepare.ts';
import { portTransport } from '../peers/port-transport.ts';
import type { PartyTraffic, RunMetrics, RunSeconds } from '../results/results.ts';

/** With which a worker is started. */
export interface EngineSetup {
  readonly agreement: Agreement;
  readonly self: string;
  /** Data folder of the party, which this process holds. */
  readonly folder: string;
  readonly threads: number;
}

/** Where a compute party goes on: a checkpoint that all have. */
export interface ResumePoint {
  readonly attempt: number;
  /** Executions of the script that are done. */
  readonly execution: number;
}

/** The session's transport, served to the worker. */
export interface ServedTransport {
  readonly port: MessagePort;
  readonly counters: readonly (readonly [peer: string, now: Readonly<TransportCounters>])[];
}

/** The worker's end of it. */
export function servedTransport(self: string, { port, counters }: ServedTransport): Transport {
  const peers = counters.map(([peer]) => peer);
  return portTransport(port, self, peers, new Map(counters));
}

export interface PartyStart extends ServedTransport {
  readonly type: 'start';
  readonly attempt: number;
  readonly seed: Uint8Array;
  readonly zeroKeys: readonly (readonly [peer: string, key: Uint8Array])[];
  readonly prepared: PreparedRows | undefined;
  readonly resume: ResumePoint | undefined;
}

export interface DealerStart extends ServedTransport {
  readonly type: 'start';
  readonly attempt: number;
  /** One a compute party, in order. */
  readonly seeds: readonly Uint8Array[];
  readonly resumeAt: number;
}

/** What a run comes to, at one party. */
export interface PartySummary {
  readonly traffic: PartyTraffic;
  readonly seconds: RunSeconds & { readonly evaluation: number };
  readonly metrics?: RunMetrics | undefined;
  /** Files that were written. */
  readonly results: readonly string[];
  /** Milliseconds of the training executions by activity. */
  readonly activityMs: Readonly<Record<string, number>>;
}

export type EngineEvent =
  | { readonly type: 'compiled'; readonly planDigest: string; readonly executions: number }
  | { readonly type: 'progress'; readonly phase: string; readonly done: number; readonly total: number }
  | { readonly type: 'done'; readonly summary: PartySummary | undefined }
  | { readonly type: 'failed'; readonly error: PlainError };

/** An error as structured clone and JSON carry it. */
export interface PlainError {
  readonly kind: ErrorKind | 'unexpected';
  readonly code: string;
  readonly party?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}

export function toPlainError(error: unknown): PlainError {
  if (error instanceof TacitError) {
    const { kind, code, message, hint } = error;
    return { kind, code, message, hint, ...(error instanceof PeerError ? { party: error.party } : {}) };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'unexpected', code: 'unexpected', message };
}

export function fromPlainError({ kind, code, party, message, hint }: PlainError): Error {
  const detail = hint === undefined ? {} : { hint };
  switch (kind) {
    case 'input':
      return new InputError(code, message, detail);
    case 'peer':
      return new PeerError(code, party ?? '', message, detail);
    case 'machine':
      return new MachineError(code, message, detail);
    case 'internal':
      return new InternalError(code, message, detail);
    case 'unexpected':
      return new Error(message);
  }
}
