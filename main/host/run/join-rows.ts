/**
 * The join of a run, as a step that every attempt begins with: all members say whether they hold the outcome of the same
 * earlier attempt; if not, it is made anew under fresh keys. Nothing is computed on shares before every member has stored the
 * outcome durably, so no order is ever used beside another one. Knows nothing of what is computed afterwards.
 */
import { z } from 'zod';
import type { JoinTerms } from '../../../engine/join/terms.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { InputError, PeerError, TacitError } from '../../../shared/errors.ts';
import { identifierJoin, joinKeyOf } from '../../../shared/job-join.ts';
import type { IdentifierJoin } from '../../../shared/job-join.ts';
import { publicJoinSchema } from '../../../shared/progress.ts';
import type { PublicJoin, RunProgress } from '../../../shared/progress.ts';
import { admitJoin } from '../joins/join-guard.ts';
import type { AdmittedJoin } from '../joins/join-guard.ts';
import { packOutcome, publicPart, unpackOutcome } from '../joins/join-outcome.ts';
import type { JoinOutcome } from '../joins/join-outcome.ts';
import { joinTermsOf } from '../joins/join-terms.ts';
import type { AttemptPorts } from './attempts.ts';
import type { ControlChannel } from './control.ts';
import type { Store } from '../store/store.ts';
import type { Host } from './host.ts';
import type { JoinCost } from './join-messages.ts';
import { runJoinWorker } from './join-worker.ts';

export interface JoinStep {
  readonly host: Host;
  readonly agreement: Agreement;
  readonly self: string;
  /** Absolute paths of the own data; empty where this member brings none. */
  readonly files: readonly string[];
  readonly threads: number;
  readonly onProgress: (progress: RunProgress) => void;
}

export interface JoinedRows {
  readonly outcome: JoinOutcome;
  /** Undefined where an earlier attempt's outcome is used. */
  readonly cost: JoinCost | undefined;
}

const knownSchema = z.strictObject({ attempt: z.int().min(0) });
/** `belowFloor`: there is no outcome, and everybody knows it. */
const endedSchema = z.strictObject({ outcome: publicJoinSchema, belowFloor: z.boolean() });
type Ended = z.infer<typeof endedSchema>;

/**
 * Joins the rows of a run, or finds them joined. Returns when all members hold the outcome.
 * @throws InputError `join-below-floor` and `join-repeats` at every member alike, and those of the own data; PeerError naming
 * who sent what the protocol does not allow.
 */
export async function joinRows(step: JoinStep, control: ControlChannel, ports: AttemptPorts): Promise<JoinedRows> {
  const { host, agreement, self, onProgress } = step;
  const { session, signal } = ports;
  const join = identifierJoin(agreement.job)!;
  const members = Object.keys(agreement.members).filter((name) => name !== self);
  const known = host.store.joins.attemptOf(session) ?? 0;
  const others = await Promise.all(
    members.map(async (peer) => {
      await control.send(peer, 'join-known', 0, { attempt: known }, signal);
      return (await control.receive(peer, 'join-known', 0, knownSchema, signal)).attempt;
    }),
  );
  const makeAnew = async (): Promise<JoinedRows> => {
    const terms = joinTermsOf(agreement.job, agreement.schemas, session)!;
    const made = await takePart(step, join, terms, ports);
    return settle(step, terms, control, ports, members, made);
  };
  const isJoined = known > 0 && others.every((attempt) => attempt === known);
  const joined = isJoined ? { outcome: loadOutcome(host.store, session), cost: undefined } : await makeAnew();
  const { outcome } = joined;
  onProgress({ phase: inWords(outcome), join: publicPart(outcome) });
  if (join.repeats === 'refuse' && (outcome.repeats ?? 0) > 0) throw repeated(outcome.repeats!);
  return joined;
}

/** What this party stored of the join of a session. */
export function loadOutcome(store: Store, session: string): JoinOutcome {
  const key = store.identity.sealingKey();
  const blob = store.joins.load(session, key);
  key.erase();
  if (blob === undefined) throw new InputError('join-unknown', `No join of ${session} is stored.`);
  return unpackOutcome(blob);
}

interface Made {
  readonly outcome: JoinOutcome | undefined;
  readonly belowFloor: boolean;
  readonly cost: JoinCost | undefined;
}

/** The own part of the protocol; nothing to do for a member who brings no rows and does not compare. */
async function takePart(step: JoinStep, join: IdentifierJoin, terms: JoinTerms, ports: AttemptPorts): Promise<Made> {
  const { self, files, threads, onProgress } = step;
  const hasRows = terms.parties.includes(self);
  if (!hasRows && terms.matcher !== self) return { outcome: undefined, belowFloor: false, cost: undefined };
  const rows = hasRows ? { key: joinKeyOf(join, self), files } : undefined;
  let admitted: AdmittedJoin | undefined;
  const begin = (): void => {
    if (hasRows) admitted = admit(step, terms);
  };
  try {
    const setup = { terms, self, rows, threads };
    const { outcome, cost } = await runJoinWorker(setup, ports.transport, begin, onProgress, ports.signal);
    const { matches, repeats } = outcome ?? {};
    admitted?.ended({
      ...(matches === undefined ? {} : { matches }),
      ...(repeats === undefined ? {} : { repeats }),
    });
    return { outcome, belowFloor: false, cost };
  } catch (error) {
    admitted?.ended({ failed: error instanceof TacitError ? error.code : 'failure' });
    if (!(error instanceof InputError) || error.code !== 'join-below-floor') throw error;
    return { outcome: undefined, belowFloor: true, cost: undefined };
  }
}

function admit({ host, agreement, self, files }: JoinStep, terms: JoinTerms): AdmittedJoin {
  const others = [...terms.parties, ...(terms.matcher === undefined ? [] : [terms.matcher])];
  const partners = [...new Set(others)]
    .filter((name) => name !== self)
    .map((name) => agreement.members[name]?.fingerprint ?? '');
  // by path: what a partner calls the data, and which columns it asks for, can change with every job
  return admitJoin(host.store.audit, { dataset: files.join(' + '), self, partners, terms });
}

/** Stores the outcome and waits until everybody has; those without rows learn its public part from those who have some. */
async function settle(
  { host, self }: JoinStep,
  terms: JoinTerms,
  control: ControlChannel,
  { session, attempt, signal }: AttemptPorts,
  members: readonly string[],
  { outcome: own, belowFloor, cost }: Made,
): Promise<JoinedRows> {
  const hasRows = terms.parties.includes(self);
  const receive = (peer: string): Promise<Ended> => control.receive(peer, 'join-ended', 0, endedSchema, signal);
  const tell = (ended: Ended): Promise<unknown> =>
    Promise.all(members.map((peer) => control.send(peer, 'join-ended', 0, ended, signal)));
  const early = hasRows ? [] : terms.parties;
  const first = await Promise.all(early.map(receive));
  const ended: Ended = hasRows ? { outcome: publicPart(own ?? {}), belowFloor } : first[0]!;
  first.forEach((theirs, i) => checkSame(ended, theirs, early[i]!));
  if (ended.belowFloor) {
    // Whoever has heard it may leave at once: what the others still say changes nothing.
    await tell(ended).catch(() => undefined);
    await Promise.allSettled(members.filter((peer) => !early.includes(peer)).map(receive));
    throw belowTheFloor(terms.floor);
  }
  const outcome: JoinOutcome = { ...ended.outcome, ...(own?.own === undefined ? {} : { own: own.own }) };
  const key = host.store.identity.sealingKey();
  host.store.joins.save(session, attempt, packOutcome(outcome), key);
  key.erase();
  await tell(ended);
  const late = members.filter((peer) => !early.includes(peer));
  const rest = await Promise.all(late.map(receive));
  rest.forEach((theirs, i) => checkSame(ended, theirs, late[i]!));
  return { outcome, cost };
}

function checkSame(own: Ended, theirs: Ended, peer: string): void {
  const text = ({ outcome, belowFloor }: Ended): string =>
    JSON.stringify([belowFloor, outcome.rows, outcome.matches, outcome.repeats]);
  if (text(own) === text(theirs)) return;
  throw new PeerError('join-outcome-differs', peer, `${peer} says that the join came to something else.`, {
    hint: 'Nothing was computed; use the same version of Tacit at all parties.',
  });
}

function belowTheFloor(floor: number): InputError {
  return new InputError('join-below-floor', `The parties have fewer than ${floor} records in common.`, {
    hint: 'Nothing was computed. Check that all use the same kind of identifier and the same rules, or agree on another join.floor.',
  });
}

function repeated(count: number): InputError {
  return new InputError('join-repeats', `${count} records are held by more than one party.`, {
    hint: 'Take them out at all parties but one, or allow them: join.repeats.',
  });
}

/** For people. */
function inWords({ rows, matches, repeats }: PublicJoin): string {
  if (repeats !== undefined) return `compared: ${repeats} records are held by several parties`;
  if (matches !== undefined) return `joined: ${matches} records in common`;
  return `joined: a table of ${rows} slots`;
}
