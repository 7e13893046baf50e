/** What in a project waits for a person of this organisation. Pure functions; knows no page and no notice. */
import type { ProjectJob, ProjectView } from './api/project-calls.ts';

/** Jobs on which this organisation has not voted. */
export function votesDue({ jobs, self }: Pick<ProjectView, 'jobs' | 'self'>): ProjectJob[] {
  return jobs.filter(({ waiting }) => waiting.some(({ party, step }) => party === self && step === 'vote'));
}

export function ownStanding({ members }: Pick<ProjectView, 'members'>): ProjectView['members'][number]['standing'] {
  return members.find(({ isSelf }) => isSelf)?.standing ?? 'asked';
}
