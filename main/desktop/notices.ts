/**
 * What a person is told while the window is not in sight: somebody to be confirmed, a project to join, a job to vote on, a run
 * that ended. Reads the host's events as any client does; progress is no news. Knows nothing of how a notice is shown.
 */
import type { EventBody } from '../../shared/api/map.ts';
import type { DesktopCommand } from '../../shared/api/bridge.ts';
import { ownStanding, votesDue } from '../../shared/project-duties.ts';

export interface Notice {
  readonly title: string;
  readonly text: string;
  /** What opens when it is clicked. */
  readonly opens: DesktopCommand;
}

type Run = EventBody<'runs.changed'>;
type Project = EventBody<'projects.changed'>;

const ENDINGS: Readonly<Record<Exclude<Run['state'], 'running'>, string | undefined>> = {
  done: 'has finished',
  failed: 'has failed',
  interrupted: 'was interrupted',
  paused: 'is paused',
  cancelled: undefined, // by the person who is to be told
};

export class HostNews {
  readonly #running = new Map<string, Run>();
  readonly #asking = new Set<string>();
  /** By project, what was told and is still to be done. */
  readonly #due = new Map<string, ReadonlySet<string>>();
  readonly #onNotice: (notice: Notice) => void;
  readonly #onRunning: (runs: readonly Run[]) => void;

  constructor(onNotice: (notice: Notice) => void, onRunning: (runs: readonly Run[]) => void) {
    this.#onNotice = onNotice;
    this.#onRunning = onRunning;
  }

  /** An event of the host, which has checked it; those that are no news are passed over. */
  onEvent(name: string, body: unknown): void {
    if (name === 'runs.changed') this.#onRun(body as Run);
    if (name === 'projects.changed') this.#onProject(body as Project);
    if (name === 'invitations.changed') this.#onInvitations(body as EventBody<'invitations.changed'>);
  }

  /** What it knows is void when the host has ended: its runs have ended with it. */
  forget(): void {
    this.#running.clear();
    this.#asking.clear();
    this.#onRunning([]);
  }

  #onRun(run: Run): void {
    if (run.state === 'running') this.#running.set(run.id, run);
    else if (this.#running.delete(run.id)) {
      const ending = ENDINGS[run.state];
      const opens = { command: 'go', section: 'runs', id: run.id } as const;
      if (ending !== undefined)
        this.#onNotice({ title: `${run.name} ${ending}`, text: run.error?.message ?? '', opens });
    }
    this.#onRunning([...this.#running.values()]);
  }

  #onProject(project: Project): void {
    const told = this.#due.get(project.id);
    const opens = { command: 'go', section: 'projects', id: project.id } as const;
    const due = new Map<string, string>();
    if (ownStanding(project) === 'asked') due.set('join', `${project.creator} asks you into ${project.name}`);
    for (const { id, version, name } of votesDue(project)) due.set(`${id} ${version}`, `Your vote on ${name}`);
    for (const [key, title] of due) {
      if (told?.has(key) !== true) this.#onNotice({ title, text: key === 'join' ? '' : project.name, opens });
    }
    this.#due.set(project.id, new Set(due.keys()));
  }

  #onInvitations(invitations: EventBody<'invitations.changed'>): void {
    const asking = invitations.filter(({ state }) => state === 'asking');
    for (const { id, organisation } of asking) {
      if (this.#asking.has(id)) continue;
      const title = `${organisation ?? 'An organisation'} wants to be your peer`;
      this.#onNotice({
        title,
        text: 'Compare the words with them, then answer.',
        opens: { command: 'go', section: 'peers' },
      });
    }
    this.#asking.clear();
    for (const { id } of asking) this.#asking.add(id);
  }
}

/** Of all steps of all parties of a run, from 0 to 1; undefined before there are any. */
export function progressOf(runs: readonly Pick<Run, 'progress'>[]): number | undefined {
  let done = 0;
  let total = 0;
  for (const { progress } of runs) {
    for (const party of progress) {
      done += party.done ?? 0;
      total += party.total ?? 0;
    }
  }
  return total === 0 ? undefined : Math.min(1, done / total);
}
