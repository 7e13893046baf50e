/**
 * The API of a host: every call and every event, by name. The host checks both directions against these schemas; the
 * interface takes its types from here. Carriers (browser, desktop) know this map and nothing of what is in it.
 */
import type { z } from 'zod';
import { datasetCalls, datasetEvents } from './dataset-calls.ts';
import { hostCalls, hostStatusSchema } from './host-calls.ts';
import { jobCalls } from './job-calls.ts';
import { peerCalls, peerEvents } from './peer-calls.ts';
import { projectCalls, projectEvents } from './project-calls.ts';
import { recordCalls, recordEvents } from './record-calls.ts';
import { runCalls, runEvents } from './run-calls.ts';

export const calls = {
  ...hostCalls,
  ...peerCalls,
  ...datasetCalls,
  ...jobCalls,
  ...projectCalls,
  ...runCalls,
  ...recordCalls,
};

export type CallName = keyof typeof calls;
/** What the caller writes. */
export type CallRequest<Name extends CallName> = z.input<(typeof calls)[Name]['request']>;
/** The request once it was checked. */
export type CheckedRequest<Name extends CallName> = z.output<(typeof calls)[Name]['request']>;
export type CallReply<Name extends CallName> = z.output<(typeof calls)[Name]['reply']>;

export const events = {
  'host.changed': hostStatusSchema,
  ...peerEvents,
  ...datasetEvents,
  ...projectEvents,
  ...runEvents,
  ...recordEvents,
};

export type EventName = keyof typeof events;
export type EventBody<Name extends EventName> = z.output<(typeof events)[Name]>;

export function isCallName(name: unknown): name is CallName {
  return typeof name === 'string' && Object.hasOwn(calls, name);
}
