/** How the run of a project's job stands at this host, as runs are shown. Knows nothing of runs on this machine alone. */
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import type { RunView } from '../../../shared/api/run-calls.ts';
import { sessionOf } from '../../../shared/project.ts';
import type { JobPhase, JobState } from '../../../shared/project-state.ts';
import type { Projects } from '../projects/projects.ts';
import type { ProgressBoard } from '../run/progress-board.ts';
import { toApiError } from './errors.ts';

export interface SessionOutcome {
  readonly project: string;
  readonly job: string;
  /** Name of this organisation there. */
  readonly self: string;
  readonly state: RunView['state'];
  readonly error: ApiErrorBody | undefined;
  readonly board: ProgressBoard | undefined;
}

const states: Readonly<Record<JobPhase, RunView['state']>> = {
  proposed: 'cancelled',
  refused: 'cancelled',
  withdrawn: 'cancelled',
  starting: 'running',
  running: 'running',
  paused: 'paused',
  cancelled: 'cancelled',
  failed: 'failed',
  done: 'done',
};

/** Undefined for a session of no project here. */
export function sessionOutcome({ journals, runs }: Projects, session: string): SessionOutcome | undefined {
  for (const project of journals.list()) {
    if (!session.startsWith(`${project.id}.`)) continue;
    for (const job of project.jobs) {
      const version = job.versions.find((one) => sessionOf(project.id, job.id, one.version) === session);
      if (version === undefined) continue;
      const self = journals.selfIn(project.id);
      const run = runs.get(session);
      const isDone = job.runs.some(({ party, outcome }) => party === self && outcome === 'done');
      const state = version !== job.current ? 'cancelled' : isDone ? 'done' : states[job.phase];
      const error = state === 'failed' ? failure(job, self, run?.error) : undefined;
      return { project: project.id, job: job.id, self, state, error, board: run?.board };
    }
  }
  return undefined;
}

/** The own failure with its details, or whose it was. */
function failure({ runs }: JobState, self: string, own: Error | undefined): ApiErrorBody | undefined {
  if (own !== undefined) return toApiError(own);
  const failed = runs.find(({ outcome }) => outcome === 'failed');
  if (failed === undefined) return undefined;
  const { party, code = 'failed' } = failed;
  return {
    kind: 'peer',
    code,
    party,
    message: `The run failed at ${party === self ? 'this host' : party}.`,
    hint: `Look into the log at ${party}, mend the cause, then start it anew.`,
  };
}
