/**
 * A run as one attempt after another until one succeeds: opens the session of each, and starts the next when a peer lost or
 * left the last one. Knows nothing of what an attempt does.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { agreementDigest, memberOf } from '../../../shared/agreement.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import { InputError, MachineError, PeerError, TacitError } from '../../../shared/errors.ts';
import { keepsShares } from '../../../shared/job-roles.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { openSession } from '../peers/session.ts';
import type { Session } from '../peers/session.ts';
import { AttemptOverError } from '../peers/session-terms.ts';
import { REPORT_FILE } from '../results/results.ts';
import type { AttemptContext } from './run-keys.ts';
import type { Host } from './host.ts';

export interface AttemptPorts extends AttemptContext {
  readonly transport: Session;
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly host: Host;
  readonly agreement: Agreement;
  /** Name of this party. */
  readonly self: string;
  /** Undefined where the plan waits for the join of the rows; the parties compare it then. */
  readonly planDigest: string | undefined;
  /** Folder with what this party may see at the end. */
  readonly results: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RunProgress) => void;
}

export interface RunEnd<Result> {
  readonly result: Result;
  /** Number of the attempt that succeeded. */
  readonly attempt: number;
}

/** A run that fails so often has another cause than a passing one. */
const MAX_ATTEMPTS = 20;
/** A wait that lasts so long is told, with the peer's name. */
const WORTH_TELLING_MS = 1_000;

/** Stores the job where it is new. A job that is over is refused (`job-over`). */
function storeJob({ host, agreement }: RunOptions): void {
  const { store } = host;
  const { session, job } = agreement;
  const known = store.jobs.get(session);
  if (known === undefined) {
    store.jobs.add({ id: session, project: undefined, name: job.name, canonical: canonicalJson(job) });
  } else if (known.state === 'done') {
    throw new InputError('job-over', `The run ${session} of ${job.name} is over; its results are in ${store.folder}.`, {
      hint: 'Make a new agreement to run the job again.',
    });
  }
  store.jobs.setState(session, 'running');
}

/**
 * Runs `work` in attempts. PeerErrors name who failed; an InputError or MachineError of this party ends the run at all.
 */
export async function runAttempts<Result>(
  options: RunOptions,
  work: (ports: AttemptPorts) => Promise<Result>,
): Promise<RunEnd<Result>> {
  const { host, agreement, self, results, signal, onProgress } = options;
  const { store, links } = host;
  const { session, members } = agreement;
  const digest = agreementDigest(agreement, nodeCrypto.sha256);
  const planDigest = options.planDigest ?? digest;
  storeJob(options);
  store.audit.append('run-started', { session, agreement: digest, plan: planDigest, party: self });
  let atLeast = 1;
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    const attempt = store.jobs.startAttempt(session, atLeast);
    const context = { session, agreementDigest: digest, planDigest, attempt };
    const transport = openSession(links, { session, attempt, jobDigest: digest, planDigest, self, members, signal });
    const watch = setInterval(() => {
      const [waiting] = transport.waiting();
      if (waiting === undefined || Date.now() - waiting.sinceMs < WORTH_TELLING_MS) return;
      // What the dealer waits for is the end of the parties' work: no delay.
      if (self !== agreement.job.dealer || !transport.isReady) onProgress({ phase: waiting.step });
    }, WORTH_TELLING_MS / 2);
    try {
      onProgress({ phase: tries === 1 ? 'connecting' : `connecting, attempt ${attempt}` });
      await transport.ready(signal);
      const result = await work({ ...context, transport, signal });
      await transport.close();
      noteEnd(store, agreement, attempt, results);
      return { result, attempt };
    } catch (error) {
      if (signal.aborted) store.jobs.endAttempt(session, attempt, 'rolled-back');
      signal.throwIfAborted();
      const over = asAttemptOver(error);
      transport.abort(over === undefined ? abortCode(error) : over.code);
      store.jobs.endAttempt(session, attempt, over === undefined ? 'failed' : 'rolled-back');
      store.jobs.log(session, attempt, 'error', error instanceof Error ? error.message : String(error));
      if (over === undefined || tries === MAX_ATTEMPTS) {
        store.jobs.setState(session, 'failed');
        throw error;
      }
      atLeast = over.attempt ?? attempt + 1;
    } finally {
      clearInterval(watch);
    }
  }
}

function noteEnd(store: Host['store'], { session, job }: Agreement, attempt: number, results: string): void {
  store.jobs.endAttempt(session, attempt, 'done', results);
  store.jobs.setState(session, 'done');
  store.vault.retireJob(session);
  // A model that nobody receives stays shared: its last state is the result.
  store.checkpoints.prune(session, keepsShares(job) ? 1 : 0);
  store.audit.append('run-finished', { session, attempt });
}

/**
 * Ends a run here whose end another party has seen: that party waited until all had what they need (allFinished), so this one
 * has it too, and its host was only kept from saying so.
 * @returns the number of the attempt under which it is noted.
 * @throws MachineError `results-missing` where a party that computes has lost what it had.
 */
export function endWithOthers(host: Pick<Host, 'store' | 'identity'>, agreement: Agreement, results: string): number {
  const { store, identity } = host;
  const { session, job } = agreement;
  const { name, role } = memberOf(agreement, identity.fingerprint);
  if (role === 'compute' && !existsSync(join(results, REPORT_FILE))) {
    throw new MachineError(
      'results-missing',
      `The other parties have finished ${job.name}; ${results} is empty here.`,
      {
        hint: `Bring the data folder of ${name} back from a backup, or propose the job anew.`,
      },
    );
  }
  const done = store.jobs.attempts(session).findLast(({ outcome }) => outcome === 'done');
  if (done !== undefined) return done.number;
  const attempt = store.jobs.startAttempt(session);
  noteEnd(store, agreement, attempt, results);
  return attempt;
}

/** The error came as it is, or through the engine's worker, which keeps its code only. */
function asAttemptOver(error: unknown): { readonly code: string; readonly attempt?: number } | undefined {
  if (error instanceof AttemptOverError) return error;
  return error instanceof PeerError && error.code === 'attempt-over' ? { code: error.code } : undefined;
}

/** What the program ends with at every party alike, from what all of them know. */
function isKnownToAll(error: unknown): error is InputError {
  return error instanceof InputError && (error.code === 'join-below-floor' || error.code === 'join-repeats');
}

/** What the peers are told: a constant, never a text. */
function abortCode(error: unknown): string {
  if (error instanceof PeerError || isKnownToAll(error)) return error.code;
  return error instanceof TacitError ? `${error.kind}-failure` : 'failure';
}
