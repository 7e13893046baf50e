/**
 * A party's or a dealer's process under a supervisor: opens the host, then does as it is told over the process channel until
 * it is told to stop or the supervisor is gone. The command line starts it; it knows nothing of terminals.
 */
import { parseAgreement } from '../../../shared/agreement.ts';
import type { MemberRole } from '../../../shared/agreement.ts';
import { InputError } from '../../../shared/errors.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { runDealer } from './dealer-run.ts';
import { toPlainError } from './engine-messages.ts';
import { openHost } from './host.ts';
import type { Host, HostOptions } from './host.ts';
import { runParty } from './party-run.ts';
import { supervisorMessageSchema } from './supervision.ts';
import type { ProcessMessage, SupervisorMessage } from './supervision.ts';

/** Resolves when the process may end. */
export async function serveSupervisor(role: MemberRole, options: HostOptions, signal: AbortSignal): Promise<void> {
  if (process.send === undefined) {
    throw new InputError('not-supervised', 'There is no supervisor to serve.', { hint: 'Leave --supervised out.' });
  }
  const stop = new AbortController();
  const ended = AbortSignal.any([stop.signal, signal]);
  const tell = (message: ProcessMessage): void => {
    if (process.connected) process.send?.(message);
  };
  process.on('disconnect', () => stop.abort(new Error('The supervisor is gone.')));
  let host: Host | undefined;
  try {
    host = await openHost(options);
    const open = host;
    const running = new Set<Promise<void>>();
    process.on('message', (value: unknown) => {
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
    if (process.connected) process.disconnect();
  }
}

async function takePart(
  role: MemberRole,
  host: Host,
  message: Extract<SupervisorMessage, { type: 'run' }>,
  signal: AbortSignal,
  tell: (message: ProcessMessage) => void,
): Promise<void> {
  const { files, threads } = message;
  const agreement = parseAgreement(message.agreement, 'agreement', nodeCrypto.sha256);
  const options = {
    host,
    agreement,
    files,
    threads,
    signal,
    onProgress: (progress: { phase: string; done?: number; total?: number }) => tell({ ...progress, type: 'progress' }),
  };
  if (role === 'dealer') {
    const { attempt } = await runDealer(options);
    return tell({ type: 'done', attempt });
  }
  const { attempt, summary } = await runParty(options);
  tell({ type: 'done', attempt, summary });
}
