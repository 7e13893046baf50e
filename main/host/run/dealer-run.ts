/**
 * The dealer's run of an agreed job: seeds with every compute party, then material, an execution after the other, and
 * nothing else. Knows no data, no opening and no output.
 */
import { z } from 'zod';
import { memberOf } from '../../../shared/agreement.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { InputError, PeerError } from '../../../shared/errors.ts';
import { identifierJoin } from '../../../shared/job-join.ts';
import { partyOrder } from '../../../shared/job-roles.ts';
import type { KernelPreference } from '../../../shared/kernel-choice.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import { runAttempts } from './attempts.ts';
import { ControlChannel } from './control.ts';
import { resultsFolder } from './folders.ts';
import type { Host } from './host.ts';
import { allFinished } from './party-run.ts';
import { RunEngine, planJoined } from './run-engine.ts';
import { seedWithParty } from './run-keys.ts';

export interface DealerRunOptions {
  readonly host: Host;
  readonly agreement: Agreement;
  readonly threads: number;
  readonly kernels: KernelPreference;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RunProgress) => void;
}

const resumeSchema = z.strictObject({ execution: z.int().min(0) });

/** Deals for the job until every party is finished; returns the number of the attempt that succeeded. */
export async function runDealer(options: DealerRunOptions): Promise<{ readonly attempt: number }> {
  const { host, agreement, threads, kernels, signal, onProgress } = options;
  const { name: self, role, fingerprint } = memberOf(agreement, host.identity.fingerprint);
  if (role !== 'dealer') {
    throw new InputError('role-mismatch', `${self} is a ${role} party of session ${agreement.session}.`, {
      hint: 'Start it with: tacit party',
    });
  }
  const { folder } = host.store;
  const results = resultsFolder(folder);
  const setup = { agreement, self, folder, results, threads, kernels };
  const engines = new RunEngine('dealer-engine', setup, onProgress, host.gpuPort);
  try {
    const joins = identifierJoin(agreement.job) !== undefined;
    const ready = joins ? undefined : await engines.planned();
    const parties = partyOrder(agreement.job);
    const { attempt } = await runAttempts(
      { host, agreement, self, planDigest: ready?.planDigest, results, signal, onProgress },
      async (ports): Promise<void> => {
        const control = new ControlChannel(ports.transport, ports.attempt);
        const step = { host, agreement, self, files: [], threads, onProgress };
        const { engine, executions, planDigest } = ready ?? (await planJoined(engines, step, control, ports)).planned;
        const context = { ...ports, planDigest };
        const seeds = await Promise.all(
          parties.map((party) => seedWithParty(control, context, party, fingerprint, signal)),
        );
        const points = await Promise.all(
          parties.map((party) => control.receive(party, 'resume', 0, resumeSchema, signal)),
        );
        const resumeAt = points[0]?.execution ?? 0;
        const stray = points.findIndex(({ execution }) => execution !== resumeAt);
        if (stray >= 0) {
          throw new PeerError(
            'resume-mismatch',
            parties[stray] ?? '',
            `${parties[stray]} would resume elsewhere than ${parties[0]}.`,
            {
              hint: 'Use the same version of Tacit at all parties.',
            },
          );
        }
        const bytes = seeds.map((seed) => seed.expose());
        const dealt = engine.attempt(
          { type: 'start', attempt: ports.attempt, seeds: bytes, resumeAt },
          ports.transport,
        );
        // The engine has its own copy by now.
        for (const seed of seeds) seed.erase();
        await dealt;
        onProgress({ phase: 'waiting for the parties to finish' });
        await allFinished(control, parties, executions, signal);
      },
    );
    return { attempt };
  } finally {
    await engines.close();
  }
}
