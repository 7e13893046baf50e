/** What a host and the engine's worker say to each other, both ways, by structured clone. Not a trust boundary: one process. */
import type { MessagePort } from 'node:worker_threads';
import type { Transport, TransportCounters } from '../../../engine/runtime/transport.ts';
import type { PublicJoin, RunProgress } from '../../../shared/progress.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import type { KernelPreference, KernelReport } from '../../../shared/kernel-choice.ts';
import type { PrivacySpent } from '../../../shared/privacy-account.ts';
import type { OwnData } from '../jobs/tasks/task.ts';
import { portTransport } from '../peers/port-transport.ts';
import type { PlainError } from '../plain-error.ts';
import type { PartyTraffic, ResultTable, RunMetrics, RunSeconds } from '../results/results.ts';
import type { JoinCost } from './join-messages.ts';

/** With which a worker is started. */
export interface EngineSetup {
  readonly agreement: Agreement;
  readonly self: string;
  /** Data folder of the party, which this process holds. */
  readonly folder: string;
  /** Folder for what the party may see at the end. */
  readonly results: string;
  /** Under which the folder's private key is sealed. */
  readonly guardKey?: Uint8Array | undefined;
  readonly threads: number;
  readonly kernels: KernelPreference;
  /** To the page that computes on the graphics card, where this process cannot. */
  readonly gpuPort?: MessagePort;
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
  readonly own: OwnData;
  readonly resume: ResumePoint | undefined;
  /** Of the privacy of the own data, by this run and those before it. */
  readonly spent: readonly PrivacySpent[];
}

export interface DealerStart extends ServedTransport {
  readonly type: 'start';
  readonly attempt: number;
  /** One a compute party, in order. */
  readonly seeds: readonly Uint8Array[];
  readonly resumeAt: number;
}

/** What the join before a run came to, and what it took unless an earlier attempt made it. */
export type JoinSummary = PublicJoin & { readonly cost?: JoinCost | undefined };

/** What a run comes to, at one party. */
export interface PartySummary {
  readonly traffic: PartyTraffic;
  readonly seconds: RunSeconds & { readonly evaluation: number };
  readonly metrics?: RunMetrics | undefined;
  /** Short tables among the results. */
  readonly tables: readonly ResultTable[];
  readonly join?: JoinSummary | undefined;
  /** Files that were written. */
  readonly results: readonly string[];
  /** Milliseconds of the training executions by activity. */
  readonly activityMs: Readonly<Record<string, number>>;
  /** What computed, and why. */
  readonly kernels: KernelReport;
}

export type EngineEvent =
  | { readonly type: 'compiled'; readonly planDigest: string; readonly executions: number }
  | ({ readonly type: 'progress' } & RunProgress)
  | { readonly type: 'done'; readonly summary: PartySummary | undefined }
  | { readonly type: 'failed'; readonly error: PlainError };
