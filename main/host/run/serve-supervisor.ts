/**
 * A party's or a dealer's process under a supervisor: opens the host, then does as it is told until it is told to stop or the
 * supervisor is gone. Knows nothing of terminals, nor of how the supervisor is reached.
 */
import { parseAgreement } from '../../../shared/agreement.ts';
import type { MemberRole } from '../../../shared/agreement.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { runDealer } from './dealer-run.ts';
import { toPlainError } from '../plain-error.ts';
import { openHost } from './host.ts';
import type { Host, HostOptions } from './host.ts';
import { runParty } from './party-run.ts';
import type { SupervisorEnd } from './party-starter.ts';
import { supervisorMessageSchema } from './supervision.ts';
import type { ProcessMessage, SupervisorMessage } from './supervision.ts';

/** Resolves when the process may end. */
export async function serveSupervisor(
  role: MemberRole,
  options: HostOptions,
  supervisor: SupervisorEnd,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const ended = AbortSignal.any([stop.signal, signal]);
  const tell = (message: ProcessMessage): void => supervisor.send(message);
  supervisor.onGone(() => stop.abort(new Error('The supervisor is gone.')));
  let host: Host | undefined;
  try {
    host = await openHost(options);
    const open = host;
    const running = new Set<Promise<void>>();
    supervisor.onMessage((value) => {
      const message = supervisorMessageSchema.parse(value);
      if (message.type === 'stop') return stop.abort(new Error('The supervisor ended this process.'));
      if (message.type === 'pin') return message.peers.forEach((peer) => open.links.pin(peer));
      const run = takePart(role, open, message, ended, tell)
        .catch((error: unknown) => tell({ type: 'failed', error: toPlainError(error) }))
        .finally(() => running.delete(run));
      running.add(run);
    });
    tell({ type: 'listening', fingerprint: host.identity.fingerprint, address: host.address });
    await new Promise<void>((resolve) => {
      if (ended.aborted) resolve();
      else ended.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.allSettled(running);
  } catch (error) {
    tell({ type: 'failed', error: toPlainError(error) });
  } finally {
    await host?.close();
    supervisor.close();
  }
}

async function takePart(
  role: MemberRole,
  host: Host,
  message: Extract<SupervisorMessage, { type: 'run' }>,
  signal: AbortSignal,
  tell: (message: ProcessMessage) => void,
): Promise<void> {
  const { files, threads, kernels } = message;
  const agreement = parseAgreement(message.agreement, 'agreement', nodeCrypto.sha256);
  const options = {
    host,
    agreement,
    files,
    threads,
    kernels,
    signal,
    onProgress: (progress: RunProgress) => tell({ ...progress, type: 'progress' }),
  };
  if (role === 'dealer') {
    const { attempt } = await runDealer(options);
    return tell({ type: 'done', attempt });
  }
  const { attempt, summary } = await runParty(options);
  tell({ type: 'done', attempt, summary });
}
