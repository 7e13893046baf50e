/**
 * All services of the API behind one function: checks a request, finds its handler, checks the reply. Knows no carrier;
 * browser and desktop call it alike.
 */
import type { Readable } from 'node:stream';
import { calls, events, isCallName } from '../../../shared/api/map.ts';
import type { EventBody, EventName } from '../../../shared/api/map.ts';
import type { Answer } from '../../../shared/api/call.ts';
import type { DatasetView } from '../../../shared/api/dataset-calls.ts';
import { InputError, TacitError } from '../../../shared/errors.ts';
import { pathText } from '../../../shared/issues.ts';
import { spawnParty } from '../run/party-starter.ts';
import type { StartParty } from '../run/party-starter.ts';
import type { ApiContext, Handlers } from './context.ts';
import { datasetService } from './dataset-service.ts';
import { toApiError } from './errors.ts';
import type { HostSlot } from './host-slot.ts';
import { hostService } from './host-service.ts';
import { invitationService } from './invitation-service.ts';
import { jobService } from './job-service.ts';
import { peerService } from './peer-service.ts';
import { projectService } from './project-service.ts';
import { recordService } from './record-service.ts';
import { runService } from './run-service.ts';

export interface Api {
  /** Never throws: failures are answers. */
  readonly call: (name: unknown, request: unknown) => Promise<Answer<unknown>>;
  /** `bytes`: how many are announced. */
  readonly upload: (fileName: string, content: Readable, bytes: number) => Promise<Answer<DatasetView>>;
  /** The result ends it. */
  readonly subscribe: (listener: (name: EventName, body: unknown) => void) => () => void;
  /** Ends what the services hold open; runs on this machine among them. The host stays open. */
  readonly close: () => Promise<void>;
}

/**
 * `onUnexpected` is told of errors that nobody raised on purpose, for the host's log; `startParty` starts the parties of runs
 * on this machine.
 */
export function openApi(
  slot: HostSlot,
  onUnexpected: (error: unknown) => void,
  startParty: StartParty = spawnParty,
): Api {
  const listeners = new Set<(name: EventName, body: unknown) => void>();
  const stop = new AbortController();

  const publish = <Name extends EventName>(name: Name, body: EventBody<Name>): void => {
    const checked = events[name].parse(body);
    for (const listener of listeners) listener(name, checked);
  };

  const context: ApiContext = {
    slot,
    host: () => {
      if (slot.host !== undefined) return slot.host;
      throw new InputError('first-start-open', 'This host has no identity yet.', {
        hint: 'Finish the first start: say what your organisation is called.',
      });
    },
    publish,
    record: (kind, body) => {
      context.host().store.audit.append(kind, body);
      publish('activity.changed', {});
    },
    startParty,
    signal: stop.signal,
  };

  const begin = (): void => {
    if (slot.host !== undefined) for (const service of services) service.begin?.(slot.host);
  };
  const datasets = datasetService(context);
  const projects = projectService(context, datasets, (session) => runs.sessionChanged(session), onUnexpected);
  const runs = runService(context, projects.projects);
  const services = [
    hostService(context, begin),
    peerService(context),
    invitationService(context),
    datasets,
    jobService(context),
    projects,
    runs,
    recordService(context),
  ] as const;
  const [host, peers, invitations, , jobs, , , records] = services;
  const handlers: Handlers = {
    ...host.handlers,
    ...peers.handlers,
    ...invitations.handlers,
    ...datasets.handlers,
    ...jobs.handlers,
    ...projects.handlers,
    ...runs.handlers,
    ...records.handlers,
  };
  begin();

  const answer = async <Reply>(work: () => Promise<Reply>): Promise<Answer<Reply>> => {
    try {
      return { ok: true, reply: await work() };
    } catch (error) {
      if (!(error instanceof TacitError) && !stop.signal.aborted) onUnexpected(error);
      return { ok: false, error: toApiError(error) };
    }
  };

  return {
    call: (name, request) =>
      answer(async () => {
        if (!isCallName(name)) {
          throw new InputError('call-unknown', `There is no call ${JSON.stringify(name)?.slice(0, 80)}.`, {
            hint: 'The window may be older than the host: load it again.',
          });
        }
        const { request: schema, reply } = calls[name];
        const checked = schema.safeParse(request ?? {});
        if (!checked.success) {
          const [issue] = checked.error.issues;
          const place = pathText(issue?.path ?? []);
          throw new InputError('call-invalid', `${name}: ${place === '' ? '' : `${place}: `}${issue?.message}`, {
            hint: 'Correct the entry and try again.',
          });
        }
        const handler = handlers[name] as (request: unknown) => unknown;
        return reply.parse(await handler(checked.data));
      }),
    upload: (fileName, content, bytes) => answer(() => datasets.upload(fileName, content, bytes)),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      stop.abort(new Error('The API was closed.'));
      await Promise.all(services.map(async (service) => service.close?.()));
      listeners.clear();
    },
  };
}
