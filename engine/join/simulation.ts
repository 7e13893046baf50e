/**
 * All participants of a join in one process, over memory transports: for tests, benchmarks and local runs. Knows nothing of files.
 */
import type { PackedIdentifiers } from '../../shared/identifiers.ts';
import { InternalError } from '../../shared/errors.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import { memoryNetwork } from '../runtime/memory-transport.ts';
import type { Transport } from '../runtime/transport.ts';
import type { Curve } from './curve.ts';
import type { JoinResult } from './join.ts';
import { joinMatcher, joinParty } from './join.ts';
import type { JoinTerms } from './terms.ts';

export interface JoinSimulation {
  readonly terms: JoinTerms;
  readonly identifiers: ReadonlyMap<string, PackedIdentifiers>;
  /** Shared by the parties of this process. */
  readonly curve: Curve;
  readonly crypto: CryptoPort;
  readonly signal?: AbortSignal;
  readonly progress?: (party: string, done: number, total: number) => void;
  /** Stands between a participant and its transport, to watch or to disturb. */
  readonly wrap?: (transport: Transport) => Transport;
}

export interface SimulatedJoin {
  readonly results: ReadonlyMap<string, JoinResult>;
  /** Payload bytes sent by each participant, the matcher included. */
  readonly bytesSent: ReadonlyMap<string, number>;
}

/** Runs the join. The first participant that fails ends it for all, and its error is thrown. */
export async function simulateJoin(options: JoinSimulation): Promise<SimulatedJoin> {
  const { terms, identifiers, curve, crypto, signal, progress, wrap = (transport) => transport } = options;
  const { matcher } = terms;
  const outside = matcher !== undefined && !terms.parties.includes(matcher) ? [matcher] : [];
  const network = memoryNetwork([...terms.parties, ...outside]);
  const failed = new AbortController();
  const ended = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const results = new Map<string, JoinResult>();
  const take = async (name: string): Promise<void> => {
    const transport = wrap(network.get(name)!);
    try {
      if (outside.includes(name)) return await joinMatcher(terms, { transport, crypto, signal: ended });
      const own = identifiers.get(name);
      if (own === undefined) throw new InternalError('join-simulation', `${name} has no identifiers.`);
      const report = progress === undefined ? {} : { progress: progress.bind(undefined, name) };
      results.set(name, await joinParty(terms, own, { transport, crypto, curve, signal: ended, ...report }));
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const participants = [...network.keys()];
  const outcomes = await Promise.allSettled(participants.map(take));
  const bytesSent = new Map(
    [...network].map(([name, transport]) => [
      name,
      transport.peers.reduce((sum, peer) => sum + transport.counters(peer).bytesSent, 0),
    ]),
  );
  await Promise.all([...network.values()].map((transport) => transport.close()));
  if (failed.signal.aborted) throw failed.signal.reason;
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return { results, bytesSent };
}
