/**
 * A run as one attempt after another until one succeeds: opens the session of each, and starts the next when a peer lost or
 * left the last one. Knows nothing of what an attempt does.
 */
import type { Agreement } from '../../../shared/agreement.ts';
import { agreementDigest } from '../../../shared/agreement.ts';
import { canonicalJson } from '../../../shared/canonical.ts';
import { InputError, PeerError, TacitError } from '../../../shared/errors.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { openSession } from '../peers/session.ts';
import type { Session } from '../peers/session.ts';
import { AttemptOverError } from '../peers/session-terms.ts';
import type { AttemptContext } from './run-keys.ts';
import type { Host } from './host.ts';

/** What a run tells of itself while it goes on. */
export interface RunProgress {
  /** What is going on, with the peer's name where one is waited for. */
  readonly phase: string;
  readonly done?: number;
  readonly total?: number;
}

export interface AttemptPorts extends AttemptContext {
  readonly transport: Session;
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly host: Host;
  readonly agreement: Agreement;
  /** Name of this party. */
  readonly self: string;
  readonly planDigest: string;
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
    store.jobs.add({ id: session, session: undefined, name: job.name, canonical: canonicalJson(job) });
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
  const { host, agreement, self, planDigest, signal, onProgress } = options;
  const { store, links } = host;
  const { session, members } = agreement;
  const digest = agreementDigest(agreement, nodeCrypto.sha256);
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
      store.jobs.endAttempt(session, attempt, 'done', store.folder);
      store.jobs.setState(session, 'done');
      store.vault.retireJob(session);
      // A model that nobody receives stays shared: its last state is the result.
      store.checkpoints.prune(session, agreement.job.reveal.model.length === 0 ? 1 : 0);
      store.audit.append('run-finished', { session, attempt });
      return { result, attempt };
    } catch (error) {
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

/** The error came as it is, or through the engine's worker, which keeps its code only. */
function asAttemptOver(error: unknown): { readonly code: string; readonly attempt?: number } | undefined {
  if (error instanceof AttemptOverError) return error;
  return error instanceof PeerError && error.code === 'attempt-over' ? { code: error.code } : undefined;
}

/** What the peers are told: a constant, never a text. */
function abortCode(error: unknown): string {
  if (error instanceof PeerError) return error.code;
  return error instanceof TacitError ? `${error.kind}-failure` : 'failure';
}
