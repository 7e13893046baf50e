/** What the interface knows of its host: lists that events keep up to date. Views read it and call through its carrier. */
import type { ApiErrorBody } from '../../../shared/api/call.ts';
import type { DatasetView } from '../../../shared/api/dataset-calls.ts';
import type { HostStatus, Settings } from '../../../shared/api/host-calls.ts';
import type { Draft } from '../../../shared/api/job-calls.ts';
import type { InvitationView, PeerView } from '../../../shared/api/peer-calls.ts';
import type { MemberLink, ProjectView } from '../../../shared/api/project-calls.ts';
import type { RunView } from '../../../shared/api/run-calls.ts';
import type { ApiCarrier, ConnectionState } from '../api/carrier.ts';
import { errorBody } from '../api/carrier.ts';
import { Router } from './router.svelte.ts';

export class AppState {
  readonly carrier: ApiCarrier;
  readonly router = new Router();
  connection = $state<ConnectionState>('connecting');
  connectionSinceMs = $state(Date.now());
  refusal = $state<ApiErrorBody>();
  status = $state<HostStatus>();
  settings = $state<Settings>();
  peers = $state.raw<readonly PeerView[]>([]);
  invitations = $state.raw<readonly InvitationView[]>([]);
  datasets = $state.raw<readonly DatasetView[]>([]);
  projects = $state.raw<readonly ProjectView[]>([]);
  /** By project, of those that were looked at. */
  memberLinks = $state.raw<Readonly<Record<string, readonly MemberLink[]>>>({});
  drafts = $state.raw<readonly Draft[]>([]);
  runs = $state.raw<readonly RunView[]>([]);
  /** Whether the lists have come once. */
  isLoaded = $state(false);
  loadError = $state<ApiErrorBody>();
  /** Counts changes of the audit log. */
  activityChanges = $state(0);

  constructor(carrier: ApiCarrier) {
    this.carrier = carrier;
    carrier.on('host.changed', (status) => {
      this.status = status;
      void this.load();
    });
    carrier.on('peers.changed', (peers) => {
      this.peers = peers;
    });
    carrier.on('invitations.changed', (invitations) => {
      this.invitations = invitations;
    });
    carrier.on('datasets.changed', (datasets) => {
      this.datasets = datasets;
    });
    carrier.on('projects.changed', (project) => this.putProject(project));
    carrier.on('memberLinks.changed', ({ project, links }) => this.#putMemberLinks(project, links));
    carrier.on('runs.changed', (run) => this.#putRun(run));
    carrier.on('activity.changed', () => {
      this.activityChanges++;
    });
    carrier.onConnection((state, reason) => {
      if (state !== this.connection) this.connectionSinceMs = Date.now();
      this.connection = state;
      this.refusal = reason;
      if (state === 'connected') void this.load();
    });
  }

  /** Reads everything anew: at the start, and after a connection was lost. */
  async load(): Promise<void> {
    const { carrier } = this;
    try {
      this.status = await carrier.call('host.status', {});
      this.settings = await carrier.call('settings.get', {});
      if (this.status.identity !== undefined) {
        [this.peers, this.invitations, this.datasets, this.projects, this.drafts, this.runs] = await Promise.all([
          carrier.call('peers.list', {}),
          carrier.call('invitations.list', {}),
          carrier.call('datasets.list', {}),
          carrier.call('projects.list', {}),
          carrier.call('drafts.list', {}),
          carrier.call('runs.list', {}),
        ]);
      }
      this.activityChanges++;
      this.loadError = undefined;
      this.isLoaded = true;
    } catch (error) {
      this.loadError = errorBody(error);
    }
  }

  async loadDrafts(): Promise<void> {
    this.drafts = await this.carrier.call('drafts.list', {});
  }

  async loadMemberLinks(project: string): Promise<void> {
    this.#putMemberLinks(project, await this.carrier.call('projects.links', { id: project }));
  }

  putProject(project: ProjectView): void {
    const others = this.projects.filter(({ id }) => id !== project.id);
    this.projects = [...others, project].sort((a, b) => b.createdAtMs - a.createdAtMs);
  }

  #putMemberLinks(project: string, links: readonly MemberLink[]): void {
    this.memberLinks = { ...this.memberLinks, [project]: links };
  }

  #putRun(run: RunView): void {
    const others = this.runs.filter(({ id }) => id !== run.id);
    this.runs = [...others, run].sort((a, b) => b.startedAtMs - a.startedAtMs);
  }
}
