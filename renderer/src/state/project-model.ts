/** What the pages of projects draw from a project as the host tells it. Pure functions; knows nothing of the page. */
import type { MemberLink, ProjectJob, ProjectMember, ProjectView } from '../../../shared/api/project-calls.ts';
import { ownStanding, votesDue } from '../../../shared/project-duties.ts';
import type { JobPhase } from '../../../shared/project-state.ts';

export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle';

export const phaseTones: Readonly<Record<JobPhase, Tone>> = {
  proposed: 'busy',
  refused: 'bad',
  withdrawn: 'idle',
  starting: 'busy',
  running: 'busy',
  paused: 'warn',
  cancelled: 'idle',
  failed: 'bad',
  done: 'good',
};

/** Jobs that are neither over nor given up. */
export const isOpen = ({ phase }: ProjectJob): boolean =>
  !['refused', 'withdrawn', 'cancelled', 'done'].includes(phase);

/** How many things in all projects wait for a person here. */
export function duties(projects: readonly ProjectView[]): number {
  return projects.reduce(
    (sum, project) => sum + (ownStanding(project) === 'asked' ? 1 : 0) + votesDue(project).length,
    0,
  );
}

/** A name as jobs take it, from what people call an organisation: `City Lab` is `city-lab`. */
export function partyNameOf(name: string): string {
  const plain = name
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return (plain === '' ? 'party' : plain).slice(0, 63);
}

/** Changes with what is granted in a project: the columns are to be read again then. */
export const grantsKey = ({ grants }: ProjectView): string =>
  grants.map(({ party, dataset, sinceMs }) => `${party} ${dataset} ${sinceMs}`).join('\n');

/** Two members and the link between them, as far as it is known here. */
export interface MemberPair {
  readonly one: string;
  readonly other: string;
  /** unknown: neither of the two is connected to this host, so neither has told. */
  readonly state: 'works' | 'waits' | 'fails' | 'unpaired' | 'unknown';
  readonly sinceMs: number | undefined;
  /** What each end says of a link that does not work. */
  readonly sides: readonly MemberLink[];
}

const pairOrder = ['fails', 'unpaired', 'waits', 'unknown', 'works'] as const;

/** Every pair of members that have not gone, what does not work first. */
export function pairsOf(
  members: readonly Pick<ProjectMember, 'party' | 'standing'>[],
  links: readonly MemberLink[],
): MemberPair[] {
  const names = members
    .filter(({ standing }) => standing === 'asked' || standing === 'accepted')
    .map(({ party }) => party);
  return names
    .flatMap((one, index) => names.slice(index + 1).map((other) => pairOf(one, other, links)))
    .sort((a, b) => pairOrder.indexOf(a.state) - pairOrder.indexOf(b.state));
}

function pairOf(one: string, other: string, links: readonly MemberLink[]): MemberPair {
  const told = links.filter(({ from, to }) => (from === one && to === other) || (from === other && to === one));
  const sides = told.filter(({ state }) => state !== 'connected');
  const moments = (sides.length === 0 ? told : sides).map(({ sinceMs }) => sinceMs);
  return {
    one,
    other,
    sides,
    state: pairState(told, sides),
    sinceMs: moments.length === 0 ? undefined : Math.min(...moments),
  };
}

function pairState(told: readonly MemberLink[], sides: readonly MemberLink[]): MemberPair['state'] {
  if (told.length === 0) return 'unknown';
  if (sides.length === 0) return 'works';
  if (sides.some(({ state }) => state === 'unpaired')) return 'unpaired';
  // Where neither knows an address of the other, both wait for ever.
  const nobodyDials = sides.length === 2 && sides.every(({ state }) => state === 'awaited');
  return nobodyDials || sides.some(({ hop }) => hop !== undefined) ? 'fails' : 'waits';
}
