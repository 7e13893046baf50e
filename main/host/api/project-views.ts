/** Projects and their jobs as people see them: from the state of journals, links and runs to the API's shapes. */
import { stringify } from 'yaml';
import type { ProjectJob, ProjectJobDetail, ProjectView, WaitingView } from '../../../shared/api/project-calls.ts';
import { grantIssues } from '../../../shared/project-job.ts';
import { sessionOf } from '../../../shared/project.ts';
import type { JobState, ProjectState } from '../../../shared/project-state.ts';
import { fingerprintWords } from '../../../shared/words.ts';
import type { Projects } from '../projects/projects.ts';
import { disclosures } from '../results/disclosures.ts';
import type { Host } from '../run/host.ts';
import { toDisclosure } from './job-service.ts';

/** Longest YAML line before it is folded. */
const LINE_WIDTH = 110;

export function projectView(host: Host, projects: Projects, project: ProjectState): ProjectView {
  const { id, charter, members, grants, jobs } = project;
  const { journals, exchange } = projects;
  const self = journals.selfIn(id);
  return {
    id,
    name: charter.name,
    purpose: charter.purpose,
    creator: members.find(({ fingerprint }) => fingerprint === charter.creator)?.party ?? '',
    createdAtMs: charter.createdAtMs,
    self,
    members: members.map(({ head, ...member }) => {
      const { fingerprint, party } = member;
      const isSelf = party === self;
      const delivery = isSelf ? undefined : exchange.delivery(id, fingerprint);
      return {
        ...member,
        isSelf,
        words: fingerprintWords(fingerprint, 8),
        entries: head.sequence,
        delivered: delivery?.held,
        refused: delivery?.refused,
      };
    }),
    grants: grants.map((grant) => ({ ...grant, columns: grant.columns.length })),
    jobs: jobs.map((job) => jobView(host, project, job)),
    entries: journals.head(id, journals.self).sequence,
  };
}

function jobView({ store }: Host, { id: project }: ProjectState, job: JobState): ProjectJob {
  const { id, proposer, current, phase, phaseSinceMs } = job;
  const session = sessionOf(project, id, current.version);
  return {
    id,
    name: current.agreement.job.name,
    proposer,
    version: current.version,
    phase,
    phaseSinceMs,
    waiting: waitingFor(job),
    run: store.jobs.get(session) === undefined ? undefined : session,
  };
}

/** Who has to do what for the job to go on. */
function waitingFor({ phase, votes, runs }: JobState): WaitingView[] {
  switch (phase) {
    case 'proposed':
      return votes
        .filter(({ vote }) => vote === 'none')
        .map(({ party, sinceMs }) => ({ party, step: 'vote', sinceMs }));
    case 'starting':
      return runs
        .filter(({ outcome }) => outcome === 'none')
        .map(({ party, wishSinceMs, outcomeSinceMs }) => ({
          party,
          step: 'run',
          sinceMs: Math.max(wishSinceMs, outcomeSinceMs),
        }));
    case 'running': {
      const ends = runs.flatMap(({ outcome, outcomeSinceMs }) => (outcome === 'done' ? [outcomeSinceMs] : []));
      return runs
        .filter(({ outcome }) => outcome === 'none' || (outcome === 'started' && ends.length > 0))
        .map(({ party, outcome, outcomeSinceMs }) =>
          outcome === 'none'
            ? { party, step: 'run', sinceMs: outcomeSinceMs }
            : { party, step: 'finish', sinceMs: Math.max(outcomeSinceMs, Math.min(...ends)) },
        );
    }
    case 'paused':
    case 'cancelled':
      return runs
        .filter(({ wish }) => wish !== 'go')
        .map(({ party, wish, wishSinceMs }) => ({
          party,
          step: wish === 'pause' ? 'go-on' : 'anew',
          sinceMs: wishSinceMs,
        }));
    default:
      return [];
  }
}

export function jobDetail(host: Host, projects: Projects, project: ProjectState, job: JobState): ProjectJobDetail {
  const { current, versions, votes, voidVotes, withdrawn, runs } = job;
  const { agreement, digest, atMs } = current;
  const draft = host.store.drafts.list().find((one) => one.project === project.id && one.job === job.id);
  return {
    ...jobView(host, project, job),
    project: project.id,
    self: projects.journals.selfIn(project.id),
    digest,
    proposedAtMs: atMs,
    notes: agreement.job.notes ?? '',
    versions: versions.map((one) => ({ version: one.version, digest: one.digest, atMs: one.atMs })),
    votes: [...votes],
    voidVotes: [...voidVotes],
    withdrawn,
    issues: grantIssues(project, agreement),
    learned: disclosures(agreement.job).map(toDisclosure),
    runs: [...runs],
    draft: draft?.id,
  };
}

/** The job that members vote on, with every choice written out. */
export function jobText({ current: { agreement, digest } }: JobState): { digest: string; text: string } {
  return { digest, text: stringify(JSON.parse(JSON.stringify(agreement.job)), { lineWidth: LINE_WIDTH }) };
}
