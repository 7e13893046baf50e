/** What every service of the API is given, and what it gives back. Knows no carrier and no call. */
import type { CallName, CallReply, CheckedRequest, EventBody, EventName } from '../../../shared/api/map.ts';
import type { Host } from '../run/host.ts';
import type { StartParty } from '../run/party-starter.ts';
import type { HostSlot } from './host-slot.ts';

export interface ApiContext {
  readonly slot: HostSlot;
  /** The open host; an InputError (`first-start-open`) before its first start is finished. */
  readonly host: () => Host;
  /** Tells all clients. */
  readonly publish: <Name extends EventName>(name: Name, body: EventBody<Name>) => void;
  /** Writes to the audit log and tells clients. No secret goes in. */
  readonly record: (kind: string, body: Readonly<Record<string, string | number>>) => void;
  /** Starts the parties of runs on this machine. */
  readonly startParty: StartParty;
  /** Aborted when the API is closed. */
  readonly signal: AbortSignal;
}

/** One function for each of the calls named. */
export type Handlers<Names extends CallName = CallName> = {
  readonly [Name in Names]: (request: CheckedRequest<Name>) => CallReply<Name> | Promise<CallReply<Name>>;
};

/** A part of the API that holds something open. */
export interface Service<Names extends CallName> {
  readonly handlers: Handlers<Names>;
  /** Begins when the host is open: at once, or after its first start. */
  readonly begin?: (host: Host) => void;
  readonly close?: () => void | Promise<void>;
}
