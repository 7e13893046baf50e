/**
 * Where a project stands: what its members' journals come to. A pure function of the entries, whatever the order in which
 * those of different authors arrived, so that all members see the same. Knows nothing of how entries travel.
 */
import { agreementDigest } from './agreement.ts';
import type { Agreement } from './agreement.ts';
import type { Sha256 } from './canonical.ts';
import { InternalError } from './errors.ts';
import { NO_ENTRY, readProposal } from './project.ts';
import type { Charter, Entry, GrantedColumn, JournalHead, ProjectRole, StatementOf, Wish } from './project.ts';

export interface HeldEntry {
  readonly entry: Entry;
  readonly hash: string;
}

/** Entries by author, each journal in order and without gaps. */
export type Journals = ReadonlyMap<string, readonly HeldEntry[]>;

export interface MemberState {
  readonly party: string;
  readonly fingerprint: string;
  readonly roles: readonly ProjectRole[];
  /** asked: has not answered yet. */
  readonly standing: 'asked' | 'accepted' | 'declined' | 'left';
  readonly reason: string;
  readonly sinceMs: number;
  readonly head: JournalHead;
}

export interface GrantState {
  readonly party: string;
  readonly dataset: string;
  readonly name: string;
  readonly rows: number;
  readonly padded?: true | undefined;
  readonly columns: readonly GrantedColumn[];
  readonly sinceMs: number;
}

export interface VoteState {
  readonly party: string;
  readonly vote: 'yes' | 'no' | 'none';
  readonly reason: string;
  readonly sinceMs: number;
}

/** A vote for a version that an edit has replaced. */
export interface VoidVote extends VoteState {
  readonly version: number;
}

export interface Proposal {
  readonly version: number;
  readonly agreement: Agreement;
  readonly digest: string;
  readonly atMs: number;
}

/** What one member wants of the run, and how it went there. */
export interface MemberRun {
  readonly party: string;
  readonly wish: Wish;
  readonly reason: string;
  readonly wishSinceMs: number;
  readonly outcome: 'none' | 'started' | 'done' | 'failed';
  readonly attempt: number;
  readonly code: string | undefined;
  readonly received: readonly string[];
  readonly outcomeSinceMs: number;
}

export const jobPhases = [
  'proposed',
  'refused',
  'withdrawn',
  'starting',
  'running',
  'paused',
  'cancelled',
  'failed',
  'done',
] as const;
export type JobPhase = (typeof jobPhases)[number];

export interface JobState {
  readonly id: string;
  readonly proposer: string;
  /** In order; the last one counts. */
  readonly versions: readonly Proposal[];
  readonly current: Proposal;
  /** One for each party of the current version and its dealer. */
  readonly votes: readonly VoteState[];
  readonly voidVotes: readonly VoidVote[];
  readonly withdrawn: { readonly reason: string; readonly atMs: number } | undefined;
  readonly phase: JobPhase;
  readonly phaseSinceMs: number;
  /** Of the run; see `steered`. */
  readonly generation: number;
  readonly runs: readonly MemberRun[];
}

export interface ProjectState {
  readonly id: string;
  readonly charter: Charter;
  readonly members: readonly MemberState[];
  readonly grants: readonly GrantState[];
  /** The newest first. */
  readonly jobs: readonly JobState[];
}

/** Proposals that were read before, by the hash of their entries: reading one takes milliseconds. */
export type ProposalCache = Map<string, { readonly agreement: Agreement; readonly digest: string }>;

export function projectState(
  id: string,
  charter: Charter,
  journals: Journals,
  sha256: Sha256,
  cache: ProposalCache = new Map(),
): ProjectState {
  const names = Object.keys(charter.members).sort();
  const entriesOf = (party: string): readonly HeldEntry[] =>
    journals.get(charter.members[party]?.fingerprint ?? '') ?? [];
  const members = names.map((party) => memberState(charter, party, entriesOf(party)));
  const grants = names.flatMap((party) => grantsOf(party, entriesOf(party)));
  const standing = new Map(members.map((member) => [member.party, member]));

  const proposals = new Map<string, { proposer: string; versions: Proposal[]; withdrawn: JobState['withdrawn'] }>();
  for (const proposer of names) {
    for (const { entry, hash } of entriesOf(proposer)) {
      const { statement, atMs } = entry;
      if (statement.kind === 'withdrawn') {
        const known = proposals.get(statement.job);
        if (known?.proposer === proposer) known.withdrawn = { reason: statement.reason, atMs };
      }
      if (statement.kind !== 'proposed') continue;
      const read = readCached(id, charter, entry, hash, statement, sha256, cache);
      const known = proposals.get(statement.job) ?? { proposer, versions: [], withdrawn: undefined };
      known.versions.push({ version: statement.version, ...read, atMs });
      known.withdrawn = undefined;
      proposals.set(statement.job, known);
    }
  }
  const jobs = [...proposals].map(([job, { proposer, versions, withdrawn }]) => {
    const decisions = names.map((party) => ({ member: standing.get(party)!, entries: entriesOf(party) }));
    return jobState(job, proposer, versions, withdrawn, decisions);
  });
  return { id, charter, members, grants, jobs: jobs.sort((a, b) => b.current.atMs - a.current.atMs) };
}

function readCached(
  project: string,
  charter: Charter,
  entry: Entry,
  hash: string,
  statement: StatementOf<'proposed'>,
  sha256: Sha256,
  cache: ProposalCache,
): { readonly agreement: Agreement; readonly digest: string } {
  const known = cache.get(hash);
  if (known !== undefined) return known;
  const agreement = readProposal(charter, project, entry.author, statement, sha256);
  const read = { agreement, digest: agreementDigest(agreement, sha256) };
  cache.set(hash, read);
  return read;
}

function memberState(charter: Charter, party: string, entries: readonly HeldEntry[]): MemberState {
  const { fingerprint = '', roles = [] } = charter.members[party] ?? {};
  const answer = entries.findLast(({ entry }) => entry.statement.kind === 'answered')?.entry;
  const last = entries.at(-1);
  const said = answer?.statement.kind === 'answered' ? answer.statement : undefined;
  return {
    party,
    fingerprint,
    roles,
    standing: said?.answer ?? 'asked',
    reason: said?.reason ?? '',
    sinceMs: answer?.atMs ?? charter.createdAtMs,
    head: { sequence: last?.entry.sequence ?? 0, hash: last?.hash ?? NO_ENTRY },
  };
}

function grantsOf(party: string, entries: readonly HeldEntry[]): GrantState[] {
  const grants = new Map<string, GrantState>();
  for (const { entry } of entries) {
    const { statement, atMs } = entry;
    if (statement.kind === 'ungranted') grants.delete(statement.dataset);
    if (statement.kind !== 'granted') continue;
    const { kind: _, ...grant } = statement;
    grants.set(statement.dataset, { party, ...grant, sinceMs: atMs });
  }
  return [...grants.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

interface Decisions {
  readonly member: MemberState;
  readonly entries: readonly HeldEntry[];
}

function jobState(
  id: string,
  proposer: string,
  versions: readonly Proposal[],
  withdrawn: JobState['withdrawn'],
  decisions: readonly Decisions[],
): JobState {
  const current = versions.at(-1);
  if (current === undefined) throw new InternalError('job-without-version', `The job ${id} has no version.`);
  const voters = decisions.filter(({ member }) => Object.hasOwn(current.agreement.members, member.party));
  const votes = voters.map(({ member, entries }) => voteOn(current, member, entries));
  const voidVotes = versions.slice(0, -1).flatMap((version) =>
    decisions
      .filter(({ member }) => Object.hasOwn(version.agreement.members, member.party))
      .map(({ member, entries }) => ({ ...voteOn(version, member, entries), version: version.version }))
      .filter(({ vote }) => vote !== 'none'),
  );
  const generation = Math.max(
    1,
    ...voters.flatMap(({ entries }) =>
      entries.map(({ entry: { statement } }) =>
        statement.kind === 'steered' && statement.agreement === current.digest ? statement.generation : 1,
      ),
    ),
  );
  const runs = voters.map(({ member, entries }) => memberRun(current, generation, member, entries));
  return {
    id,
    proposer,
    versions,
    current,
    votes,
    voidVotes,
    withdrawn,
    generation,
    runs,
    ...phaseOf(current, votes, withdrawn, runs),
  };
}

function voteOn(
  { digest, atMs }: Proposal,
  { party, standing }: MemberState,
  entries: readonly HeldEntry[],
): VoteState {
  const entry = entries.findLast(
    ({ entry: { statement } }) => statement.kind === 'voted' && statement.agreement === digest,
  )?.entry;
  if (entry?.statement.kind !== 'voted' || standing !== 'accepted') {
    return { party, vote: 'none', reason: '', sinceMs: atMs };
  }
  return { party, vote: entry.statement.vote, reason: entry.statement.reason, sinceMs: entry.atMs };
}

function memberRun(
  { digest, atMs }: Proposal,
  generation: number,
  { party, standing, sinceMs }: MemberState,
  entries: readonly HeldEntry[],
): MemberRun {
  let wish: Pick<MemberRun, 'wish' | 'reason' | 'wishSinceMs'> = { wish: 'go', reason: '', wishSinceMs: atMs };
  let ran: Pick<MemberRun, 'outcome' | 'attempt' | 'code' | 'received' | 'outcomeSinceMs'> = {
    outcome: 'none',
    attempt: 0,
    code: undefined,
    received: [],
    outcomeSinceMs: atMs,
  };
  for (const { entry } of entries) {
    const { statement } = entry;
    if (statement.kind === 'steered' && statement.agreement === digest) {
      wish = { wish: statement.wish, reason: statement.reason, wishSinceMs: entry.atMs };
    }
    if (statement.kind !== 'ran' || statement.agreement !== digest) continue;
    // What is done stays done; a failure is over once somebody starts anew.
    if (statement.generation !== generation && statement.outcome !== 'done') continue;
    const { outcome, attempt, code, received } = statement;
    ran = { outcome, attempt, code, received, outcomeSinceMs: entry.atMs };
  }
  if (standing === 'left') wish = { wish: 'cancel', reason: '', wishSinceMs: sinceMs };
  return { party, ...wish, ...ran };
}

function phaseOf(
  current: Proposal,
  votes: readonly VoteState[],
  withdrawn: JobState['withdrawn'],
  runs: readonly MemberRun[],
): { readonly phase: JobPhase; readonly phaseSinceMs: number } {
  const at = (phase: JobPhase, phaseSinceMs: number) => ({ phase, phaseSinceMs });
  const latest = (moments: readonly number[]): number => Math.max(current.atMs, ...moments);
  const earliest = (moments: readonly number[]): number => Math.min(...moments);
  const isDone = runs.length > 0 && runs.every(({ outcome }) => outcome === 'done');
  if (isDone) return at('done', latest(runs.map(({ outcomeSinceMs }) => outcomeSinceMs)));
  if (withdrawn !== undefined) return at('withdrawn', withdrawn.atMs);
  const noes = votes.filter(({ vote }) => vote === 'no');
  if (noes.length > 0) return at('refused', earliest(noes.map(({ sinceMs }) => sinceMs)));
  if (votes.some(({ vote }) => vote !== 'yes')) return at('proposed', current.atMs);
  const cancelled = runs.filter(({ wish }) => wish === 'cancel');
  if (cancelled.length > 0) return at('cancelled', earliest(cancelled.map(({ wishSinceMs }) => wishSinceMs)));
  const failed = runs.filter(({ outcome }) => outcome === 'failed');
  if (failed.length > 0) return at('failed', earliest(failed.map(({ outcomeSinceMs }) => outcomeSinceMs)));
  const paused = runs.filter(({ wish }) => wish === 'pause');
  if (paused.length > 0) return at('paused', earliest(paused.map(({ wishSinceMs }) => wishSinceMs)));
  const started = runs.filter(({ outcome }) => outcome !== 'none');
  if (started.length > 0) return at('running', earliest(started.map(({ outcomeSinceMs }) => outcomeSinceMs)));
  return at('starting', latest(votes.map(({ sinceMs }) => sinceMs)));
}
