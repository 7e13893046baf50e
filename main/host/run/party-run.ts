/**
 * One compute party's run of an agreed job: data prepared, plan compiled in the engine's worker, then attempts: keys, the
 * checkpoint that all have, the executions, the end that all have seen. Knows nothing of who started it.
 */
import { z } from 'zod';
import { memberOf } from '../../../shared/agreement.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { InputError, InternalError, PeerError } from '../../../shared/errors.ts';
import { identifierJoin } from '../../../shared/job-join.ts';
import { partyOrder } from '../../../shared/job-roles.ts';
import type { KernelPreference } from '../../../shared/kernel-choice.ts';
import type { RunProgress } from '../../../shared/progress.ts';
import type { OwnData } from '../jobs/tasks/task.ts';
import { publicPart } from '../joins/join-outcome.ts';
import { runAttempts } from './attempts.ts';
import type { AttemptPorts } from './attempts.ts';
import { ControlChannel } from './control.ts';
import { resultsFolder } from './folders.ts';
import type { PartySummary, ResumePoint } from './engine-messages.ts';
import type { Host } from './host.ts';
import type { JoinedRows } from './join-rows.ts';
import { ownClaims } from '../jobs/tasks/privacy-claims.ts';
import { spendPrivacy } from './privacy-spent.ts';
import { checkOwnData, prepareOwnData } from './local-data.ts';
import type { LocalFiles } from './local-data.ts';
import { RunEngine, planJoined } from './run-engine.ts';
import type { Planned } from './run-engine.ts';
import { seedWithDealer, zeroKeys } from './run-keys.ts';

export interface PartyRunOptions {
  readonly host: Host;
  readonly agreement: Agreement;
  readonly files: LocalFiles;
  /** Of the kernels; 1 where parties share a machine. */
  readonly threads: number;
  readonly kernels: KernelPreference;
  /** Folder for what this party may see at the end; by default the one in its data folder. */
  readonly results?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RunProgress) => void;
}

export interface PartyRunEnd {
  readonly summary: PartySummary;
  readonly attempt: number;
}

interface Ready {
  readonly planned: Planned;
  readonly own: OwnData;
  readonly joined: JoinedRows | undefined;
}

const pointSchema = z.strictObject({ attempt: z.int().min(1), execution: z.int().min(0) });
const pointsSchema = z.strictObject({ points: z.array(pointSchema).max(64) });

/**
 * Runs the job to its end. Results lie in the data folder.
 * @throws InputError for data or jobs that do not fit, PeerError naming who failed, MachineError.
 */
export async function runParty(options: PartyRunOptions): Promise<PartyRunEnd> {
  const { host, agreement, files, threads, kernels, signal, onProgress } = options;
  const { name: self, role } = memberOf(agreement, host.identity.fingerprint);
  if (role !== 'compute') {
    throw new InputError('role-mismatch', `${self} is the ${role} of session ${agreement.session}.`, {
      hint: 'Start it with: tacit dealer',
    });
  }
  const { folder, guardKey } = host.store;
  const results = options.results ?? resultsFolder(folder);
  const setup = { agreement, self, folder, guardKey: guardKey?.expose(), results, threads, kernels };
  const engines = new RunEngine('party-engine', setup, onProgress, host.gpuPort);
  const step = { host, agreement, self, files: files.data, threads, onProgress };

  /** The plan and the own rows in its order. */
  const ready = async (joined?: JoinedRows): Promise<Ready> => {
    onProgress({ phase: 'preparing data' });
    const secret = host.store.identity.sealingKey();
    const [planned, own] = await Promise.all([
      engines.planned(joined?.outcome.rows),
      prepareOwnData(agreement, self, files, joined?.outcome, secret, signal),
    ]).finally(() => secret.erase());
    return { planned, own, joined };
  };
  const joinFirst = async (control: ControlChannel, ports: AttemptPorts): Promise<Ready> =>
    ready((await planJoined(engines, step, control, ports)).joined);

  try {
    const joins = identifierJoin(agreement.job) !== undefined;
    if (joins) await checkOwnData(agreement, self, files, signal);
    const before = joins ? undefined : await ready();
    const run = { host, agreement, self, planDigest: before?.planned.planDigest, results, signal, onProgress };
    const { result, attempt } = await runAttempts(run, async (ports): Promise<PartySummary> => {
      const control = new ControlChannel(ports.transport, ports.attempt);
      const { planned, own, joined } = before ?? (await joinFirst(control, ports));
      const { engine, executions, planDigest } = planned;
      const context = { ...ports, planDigest };
      const others = computePeers(agreement, self);
      const dealer = { name: agreement.job.dealer, fingerprint: fingerprintOf(agreement, agreement.job.dealer) };
      const me = { name: self, identity: host.identity };
      const keys = await zeroKeys(control, context, me, others, signal);
      const seed = await seedWithDealer(control, context, self, dealer, signal);
      const names = others.map((peer) => peer.name);
      const resume = await commonCheckpoint(control, host, ports, names);
      await control.send(dealer.name, 'resume', 0, { execution: resume?.execution ?? 0 }, signal);
      if (resume !== undefined) onProgress({ phase: `resuming after ${resume.execution} executions` });
      const spent = spendPrivacy(host.store.audit, {
        session: ports.session,
        // By path: a partner may call the data otherwise in every job.
        dataset: files.data.join(' + '),
        claims: ownClaims(agreement.job, self),
      });
      const running = engine.attempt(
        {
          type: 'start',
          attempt: ports.attempt,
          seed: seed.expose(),
          zeroKeys: [...keys].map(([peer, key]) => [peer, key.expose()] as const),
          own,
          resume,
          spent,
        },
        ports.transport,
      );
      // The engine has its own copies by now.
      for (const key of [seed, ...keys.values()]) key.erase();
      const summary = await running;
      if (summary === undefined) throw new InternalError('no-summary', 'The engine returned nothing.');
      await allFinished(control, [...names, dealer.name], executions, signal);
      return joined === undefined
        ? summary
        : { ...summary, join: { ...publicPart(joined.outcome), cost: joined.cost } };
    });
    return { summary: result, attempt };
  } finally {
    await engines.close();
  }
}

const fingerprintOf = (agreement: Agreement, name: string): string => agreement.members[name]?.fingerprint ?? '';

function computePeers(agreement: Agreement, self: string): { name: string; fingerprint: string }[] {
  return partyOrder(agreement.job)
    .filter((name) => name !== self)
    .map((name) => ({ name, fingerprint: fingerprintOf(agreement, name) }));
}

/** The furthest checkpoint that every compute party holds; undefined to start from the beginning. */
async function commonCheckpoint(
  control: ControlChannel,
  { store }: Host,
  { session, signal }: AttemptPorts,
  peers: readonly string[],
): Promise<ResumePoint | undefined> {
  const own = store.checkpoints.places(session).map(({ attempt, execution }) => ({ attempt, execution }));
  const lists = await Promise.all(
    peers.map(async (peer) => {
      await control.send(peer, 'checkpoints', 0, { points: own }, signal);
      return (await control.receive(peer, 'checkpoints', 0, pointsSchema, signal)).points;
    }),
  );
  const isIn = (list: readonly ResumePoint[], point: ResumePoint): boolean =>
    list.some(({ attempt, execution }) => attempt === point.attempt && execution === point.execution);
  return own
    .filter((point) => lists.every((list) => isIn(list, point)))
    .sort((a, b) => b.execution - a.execution || b.attempt - a.attempt)[0];
}

/**
 * Waits until every peer has all it needs, so that nobody closes the session under somebody else. A peer that has closed it
 * has seen the end of all.
 */
export async function allFinished(
  control: ControlChannel,
  peers: readonly string[],
  executions: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await Promise.all(
      peers.map(async (peer) => {
        await control.send(peer, 'finished', executions, {}, signal);
        await control.receive(peer, 'finished', executions, z.strictObject({}), signal);
      }),
    );
  } catch (error) {
    if (!(error instanceof PeerError) || error.code !== 'peer-closed') throw error;
  }
}
