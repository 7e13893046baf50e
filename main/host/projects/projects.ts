/**
 * What an organisation can do in its projects: found, join, grant, propose, vote, steer runs. Each is a statement in its own
 * journal, checked here first, told to the others, and noted in the audit log. Knows no client.
 */
import { randomBytes } from 'node:crypto';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { Settings } from '../../../shared/api/host-calls.ts';
import { InputError } from '../../../shared/errors.ts';
import type { Job } from '../../../shared/job.ts';
import { hasPart } from '../../../shared/project.ts';
import type { Charter, ProjectRole, Statement, Wish } from '../../../shared/project.ts';
import { agreementFor, grantIssues } from '../../../shared/project-job.ts';
import type { HeldEntry, JobState, MemberRun, ProjectState } from '../../../shared/project-state.ts';
import type { OpenedModel } from '../jobs/open-model.ts';
import type { Host } from '../run/host.ts';
import { auditFacts } from './audit-facts.ts';
import { keepModelPath } from './model-paths.ts';
import { Exchange } from './exchange.ts';
import { Journals } from './journals.ts';
import { MemberLinks } from './member-links.ts';
import { SessionRuns } from './session-runs.ts';

export interface ProjectsOptions {
  readonly host: Host;
  /** With what to compute. */
  readonly means: () => Pick<Settings, 'threads' | 'kernels'>;
  /** Writes to the audit log. */
  readonly record: (kind: string, body: Readonly<Record<string, string | number>>) => void;
  readonly onProject: (id: string) => void;
  readonly onRun: (session: string) => void;
  readonly onLinks: (project: string) => void;
  readonly onUnexpected: (error: unknown) => void;
}

export interface NewProject {
  readonly name: string;
  readonly purpose: string;
  readonly self: { readonly party: string; readonly roles: readonly ProjectRole[] };
  readonly members: readonly {
    readonly fingerprint: string;
    readonly party: string;
    readonly roles: readonly ProjectRole[];
  }[];
}

export class Projects {
  readonly journals: Journals;
  readonly exchange: Exchange;
  readonly memberLinks: MemberLinks;
  readonly runs: SessionRuns;
  readonly #options: ProjectsOptions;

  constructor(options: ProjectsOptions) {
    const { host, means, onProject, onRun, onLinks, onUnexpected } = options;
    this.#options = options;
    this.journals = new Journals({
      store: host.store.projects,
      self: host.identity.fingerprint,
      onEntry: (project, entry) => this.#onEntry(project, entry),
    });
    this.exchange = new Exchange({
      links: host.links,
      journals: this.journals,
      onProgress: (project, party, progress) => this.runs.heard(project, party, progress),
      onLinks: (project, party, told) => this.memberLinks.heard(project, party, told),
      onChange: onProject,
    });
    const { journals, exchange } = this;
    this.memberLinks = new MemberLinks({ links: host.links, journals, exchange, onChange: onLinks });
    this.runs = new SessionRuns({ host, journals, exchange, means, onChange: onRun, onUnexpected });
    for (const project of journals.list()) this.runs.look(project);
  }

  async close(): Promise<void> {
    this.exchange.close();
    this.memberLinks.close();
    await this.runs.close();
  }

  /** InputError `charter-invalid`, `peer-not-paired`. */
  create({ name, purpose, self, members }: NewProject): ProjectState {
    const { host } = this.#options;
    const { fingerprint } = host.identity;
    for (const member of members) {
      const peer = host.store.peers.get(member.fingerprint);
      if (peer === undefined || peer.revokedAtMs !== undefined) {
        throw new InputError('peer-not-paired', `${member.party} is not paired with this organisation.`, {
          hint: 'Pair with it by an invitation first.',
        });
      }
    }
    const all = [{ fingerprint, ...self }, ...members];
    const names = all.map(({ party }) => party);
    const twin = names.find((party, index) => names.indexOf(party) < index);
    if (twin !== undefined) {
      throw new InputError('charter-invalid', `Two members are called ${twin}.`, { hint: 'Rename one of them.' });
    }
    const charter: Charter = {
      tacitProject: 1,
      name,
      purpose,
      nonce: randomBytes(16).toString('hex'),
      createdAtMs: Date.now(),
      creator: fingerprint,
      members: Object.fromEntries(
        all.map(({ party, roles, ...member }) => [party, { fingerprint: member.fingerprint, roles: [...roles] }]),
      ),
    };
    return this.journals.create(charter);
  }

  /** Joins, declines or leaves. Leaving ends runs. */
  answer(id: string, answer: 'accepted' | 'declined' | 'left', reason: string): void {
    const { standing } = this.#own(id);
    if (standing === answer || (answer === 'left' && standing !== 'accepted')) {
      throw new InputError('already-answered', `Your answer to this project is "${standing}".`, {
        hint: 'It may have been given in another window.',
      });
    }
    this.journals.say(id, { kind: 'answered', answer, reason });
  }

  /** What the others may know of a data set from now on. Votes that rest on a grant which is narrower now are taken back. */
  grant(id: string, grant: Omit<Extract<Statement, { kind: 'granted' }>, 'kind'>): void {
    this.journals.say(id, { kind: 'granted', ...grant });
    this.#takeBackVotes(id);
  }

  ungrant(id: string, dataset: string): void {
    const self = this.journals.selfIn(id);
    if (!this.journals.get(id).grants.some((grant) => grant.party === self && grant.dataset === dataset)) {
      throw new InputError('not-granted', 'This data set is not granted in this project.', {
        hint: 'It may have been taken back in another window.',
      });
    }
    this.journals.say(id, { kind: 'ungranted', dataset });
    this.#takeBackVotes(id);
  }

  /**
   * Proposes a job, with the model file that it names, or an edit of one that was proposed here, which voids the votes on it. Its own yes comes with it.
   * @returns the job's id. Errors: those of `agreementFor`, `not-the-proposer`, `job-over`.
   */
  propose(id: string, job: Job, edits?: string, model?: OpenedModel): string {
    const project = this.journals.get(id);
    const earlier = edits === undefined ? undefined : this.#job(id, edits);
    if (earlier !== undefined) this.#checkProposer(id, earlier);
    const jobId = earlier?.id ?? `${this.journals.self.slice(0, 8)}-${randomBytes(8).toString('hex')}`;
    const version = (earlier?.current.version ?? 0) + 1;
    const agreement = agreementFor(project, job, { id: jobId, version }, nodeCrypto.sha256, model?.published);
    if (model?.owner !== undefined) keepModelPath(this.#options.host.store, agreement.session, model.path);
    this.journals.say(id, { kind: 'proposed', job: jobId, version, agreement });
    const { current } = this.#job(id, jobId);
    if (hasPart(current.agreement, this.journals.self)) {
      this.journals.say(id, { kind: 'voted', agreement: current.digest, vote: 'yes', reason: '' });
    }
    return jobId;
  }

  withdraw(id: string, job: string, reason: string): void {
    const known = this.#job(id, job);
    this.#checkProposer(id, known);
    if (known.withdrawn !== undefined) {
      throw new InputError('job-withdrawn', 'The job was withdrawn already.', {
        hint: 'Propose an edit to revive it.',
      });
    }
    this.journals.say(id, { kind: 'withdrawn', job, reason });
  }

  /**
   * Votes on the version with that digest and no other.
   * @throws InputError `vote-outdated` once the job was edited, `job-withdrawn`, `job-over`, `no-part-in-job`; for a yes
   * also the code of the grant that does not cover it.
   */
  vote(id: string, job: string, digest: string, vote: 'yes' | 'no' | 'none', reason: string): void {
    const known = this.#job(id, job);
    if (known.current.digest !== digest) {
      throw new InputError('vote-outdated', 'The job was edited since you looked at it.', {
        hint: 'Look at the new version, then vote on that.',
      });
    }
    if (known.phase === 'withdrawn') {
      throw new InputError('job-withdrawn', `${known.proposer} has withdrawn the job.`, {
        hint: 'There is nothing to vote on.',
      });
    }
    if (known.phase === 'done') {
      throw new InputError('job-over', 'The job has been carried out.', { hint: 'Propose it anew to run it again.' });
    }
    if (!hasPart(known.current.agreement, this.journals.self)) {
      throw new InputError('no-part-in-job', 'Your organisation has no part in this job.', {
        hint: 'Its parties vote.',
      });
    }
    if (vote === 'yes') this.#checkGrants(id, known);
    this.journals.say(id, { kind: 'voted', agreement: digest, vote, reason });
  }

  /**
   * What this organisation wants of an approved job's run. A pause or an end holds until who wanted it wants otherwise;
   * to go on after a failure or an end starts a new attempt.
   * @throws InputError `run-not-steerable`, `run-held`, `no-part-in-job`.
   */
  steer(id: string, job: string, wish: Wish, reason: string): void {
    const known = this.#job(id, job);
    const { phase, generation, current, runs } = known;
    const own = runs.find(({ party }) => party === this.journals.selfIn(id));
    if (own === undefined) {
      throw new InputError('no-part-in-job', 'Your organisation has no part in this job.', {
        hint: 'Its parties steer it.',
      });
    }
    const open = ['starting', 'running', 'paused', 'failed', 'cancelled'];
    if (!open.includes(phase) || (wish === 'pause' && phase === 'failed')) {
      throw new InputError('run-not-steerable', `The job is ${phase}: its run cannot be steered now.`, {
        hint: 'Look at the page of the job.',
      });
    }
    if (wish === 'go') this.#checkHeld(runs, own);
    const isAnew = wish === 'go' && (phase === 'failed' || phase === 'cancelled');
    this.journals.say(id, {
      kind: 'steered',
      agreement: current.digest,
      wish,
      generation: isAnew ? generation + 1 : generation,
      reason,
    });
  }

  /** Who wants to go on although another one holds the run has to ask that one. */
  #checkHeld(runs: readonly MemberRun[], own: MemberRun): void {
    const holding = runs.find(({ wish }) => wish !== 'go');
    if (own.wish !== 'go' || holding === undefined) return;
    throw new InputError('run-held', `${holding.party} holds the run (${holding.wish}).`, {
      hint: `Only ${holding.party} can let it go on.`,
    });
  }

  #own(id: string) {
    const self = this.journals.selfIn(id);
    return this.journals.get(id).members.find(({ party }) => party === self)!;
  }

  #job(id: string, job: string): JobState {
    const found = this.journals.get(id).jobs.find((one) => one.id === job);
    if (found !== undefined) return found;
    throw new InputError('job-unknown', 'There is no such job in this project.', {
      hint: 'Look at the list of its jobs.',
    });
  }

  #checkProposer(id: string, { proposer, phase }: JobState): void {
    if (proposer !== this.journals.selfIn(id)) {
      throw new InputError('not-the-proposer', `${proposer} has proposed this job: only ${proposer} can change it.`, {
        hint: 'Propose a job of your own.',
      });
    }
    if (phase === 'done') {
      throw new InputError('job-over', 'The job has been carried out.', { hint: 'Propose it anew to run it again.' });
    }
  }

  #checkGrants(id: string, { current }: JobState): void {
    const self = this.journals.selfIn(id);
    const issue = grantIssues(this.journals.get(id), current.agreement).find(({ party }) => party === self);
    if (issue === undefined) return;
    throw new InputError(issue.code, issue.message, { hint: 'Grant it in this project, or vote no and say why.' });
  }

  #takeBackVotes(id: string): void {
    const self = this.journals.selfIn(id);
    const project = this.journals.get(id);
    for (const { phase, votes, current } of project.jobs) {
      const isYes = votes.some(({ party, vote }) => party === self && vote === 'yes');
      if (!isYes || phase === 'done') continue;
      const issue = grantIssues(project, current.agreement).find(({ party }) => party === self);
      if (issue === undefined) continue;
      this.journals.say(id, { kind: 'voted', agreement: current.digest, vote: 'none', reason: issue.message });
    }
  }

  #onEntry(project: ProjectState, held: HeldEntry): void {
    const { record, onProject } = this.#options;
    const { kind, facts } = auditFacts(project, held);
    record(kind, facts);
    onProject(project.id);
    this.memberLinks.look();
    if (held.entry.author === this.journals.self) this.exchange.bring(project.id);
    this.runs.look(project);
  }
}
