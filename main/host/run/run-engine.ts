/**
 * The engine of a run, started when the number of rows is known: at once, or when the parties have joined theirs. Knows
 * nothing of what an attempt does with it.
 */
import { z } from 'zod';
import { joinedAgreement } from '../../../shared/agreement.ts';
import { PeerError } from '../../../shared/errors.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import type { AttemptPorts } from './attempts.ts';
import type { ControlChannel } from './control.ts';
import { Engine } from './engine.ts';
import type { CompiledInfo } from './engine.ts';
import type { EngineSetup } from './engine-messages.ts';
import type { Host } from './host.ts';
import { joinRows } from './join-rows.ts';
import type { JoinStep, JoinedRows } from './join-rows.ts';

export interface Planned extends CompiledInfo {
  readonly engine: Engine;
}

export class RunEngine {
  readonly #entry: 'party-engine' | 'dealer-engine';
  readonly #setup: EngineSetup;
  readonly #onProgress: (progress: RunProgress) => void;
  readonly #gpuPort: Host['gpuPort'];
  #engine: Engine | undefined;
  #rows: number | undefined;

  constructor(
    entry: 'party-engine' | 'dealer-engine',
    setup: EngineSetup,
    onProgress: (progress: RunProgress) => void,
    gpuPort: Host['gpuPort'],
  ) {
    this.#gpuPort = gpuPort;
    this.#entry = entry;
    this.#setup = setup;
    this.#onProgress = onProgress;
  }

  /** Compiles the job for so many joined rows, or for those that the agreement has; what is compiled already stays. */
  async planned(rows?: number): Promise<Planned> {
    if (this.#engine === undefined || rows !== this.#rows) {
      await this.#engine?.close();
      const agreement = rows === undefined ? this.#setup.agreement : joinedAgreement(this.#setup.agreement, rows);
      this.#engine = new Engine(this.#entry, { ...this.#setup, agreement }, this.#onProgress, this.#gpuPort?.());
      this.#rows = rows;
    }
    return { engine: this.#engine, ...(await this.#engine.compiled()) };
  }

  async close(): Promise<void> {
    await this.#engine?.close();
  }
}

const planSchema = z.strictObject({ digest: z.string() });

/**
 * Joins the rows, plans for them, and compares the plan with all members: what openings of sessions do for jobs whose plan is
 * known before.
 */
export async function planJoined(
  engines: RunEngine,
  step: JoinStep,
  control: ControlChannel,
  ports: AttemptPorts,
): Promise<{ readonly planned: Planned; readonly joined: JoinedRows }> {
  const { host, agreement, self, onProgress } = step;
  const { session, signal } = ports;
  const joined = await joinRows(step, control, ports);
  onProgress({ phase: 'planning' });
  const planned = await engines.planned(joined.outcome.rows);
  const digest = planned.planDigest;
  const peers = Object.keys(agreement.members).filter((name) => name !== self);
  await Promise.all(
    peers.map(async (peer) => {
      await control.send(peer, 'plan', 0, { digest }, signal);
      const theirs = (await control.receive(peer, 'plan', 0, planSchema, signal)).digest;
      if (theirs === digest) return;
      throw new PeerError('plan-mismatch', peer, `${peer} has another plan for the joined rows.`, {
        hint: 'Use the same version of Tacit at all parties.',
      });
    }),
  );
  host.store.audit.append('run-planned', {
    session,
    plan: digest,
    ...(joined.outcome.rows === undefined ? {} : { rows: joined.outcome.rows }),
  });
  return { planned, joined };
}
