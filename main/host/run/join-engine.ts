/**
 * Entry of the worker in which a participant of a join works: reads the identifiers of the own rows, then runs the party's or
 * the matcher's side over the session that the host serves. Opens no socket and no store.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { joinMatcher, joinParty } from '../../../engine/join/join.ts';
import type { JoinResult } from '../../../engine/join/join.ts';
import { predictJoinBytes } from '../../../engine/join/terms.ts';
import { wasmCurve } from '../../../engine/join/wasm/pool.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { InternalError } from '../../../shared/errors.ts';
import type { Identifiers } from '../../../shared/identifiers.ts';
import { openDataset } from '../datasets/dataset.ts';
import { readIdentifiers } from '../joins/key-columns.ts';
import { orderOf } from '../joins/joined-dataset.ts';
import type { JoinOutcome } from '../joins/join-outcome.ts';
import { servedTransport } from './engine-messages.ts';
import { toPlainError } from '../plain-error.ts';
import type { JoinEvent, JoinSetup, JoinStart } from './join-messages.ts';

const PROGRESS_EVERY_MS = 100;

if (parentPort === null) throw new InternalError('not-a-worker', 'The join was started outside a worker.');
const host = parentPort;
const tell = (event: JoinEvent): void => host.postMessage(event);
const { terms, self, rows, threads } = workerData as JoinSetup;

interface Joinable {
  readonly identifiers: Identifiers;
  /** Of the files that the rows are numbered in. */
  readonly contentDigest: string;
}

try {
  if (rows !== undefined) tell({ type: 'progress', phase: 'reading identifiers' });
  const own = rows === undefined ? undefined : await readOwn(rows);
  host.on('message', (start: JoinStart) => {
    const from = performance.now();
    const transport = servedTransport(self, start);
    const before = bytesSent(transport);
    take(transport, own)
      .then((outcome) => {
        const cost = { bytesSent: bytesSent(transport) - before, seconds: (performance.now() - from) / 1000 };
        checkCost(cost.bytesSent, outcome);
        tell({ type: 'done', outcome, cost });
      })
      .catch((error: unknown) => tell({ type: 'failed', error: toPlainError(error) }))
      .finally(() => start.port.close());
  });
  tell({ type: 'ready' });
} catch (error) {
  tell({ type: 'failed', error: toPlainError(error) });
}

async function readOwn({ files, key }: NonNullable<JoinSetup['rows']>): Promise<Joinable> {
  const dataset = await openDataset(files);
  return { identifiers: await readIdentifiers(dataset, key), contentDigest: dataset.contentDigest };
}

function bytesSent(transport: Transport): number {
  return transport.peers.reduce((sum, peer) => sum + transport.counters(peer).bytesSent, 0);
}

async function take(transport: Transport, own: Joinable | undefined): Promise<JoinOutcome | undefined> {
  if (own === undefined) {
    tell({ type: 'progress', phase: 'matching tags' });
    await joinMatcher(terms, { transport, crypto: nodeCrypto });
    return undefined;
  }
  const curve = await wasmCurve({ threads });
  let toldMs = -Infinity;
  const progress = (done: number, total: number): void => {
    if (done < total && performance.now() - toldMs < PROGRESS_EVERY_MS) return;
    toldMs = performance.now();
    tell({ type: 'progress', phase: 'joining identifiers', done, total });
  };
  try {
    const ports = { transport, crypto: nodeCrypto, curve, progress };
    return outcomeOf(await joinParty(terms, own.identifiers.packed, ports), own);
  } finally {
    await curve.dispose();
  }
}

function outcomeOf(result: JoinResult, { identifiers, contentDigest }: Joinable): JoinOutcome {
  switch (result.purpose) {
    case 'repeats':
      return { repeats: result.count };
    case 'ids': {
      const { length } = result.rows;
      return { rows: length, matches: length, own: { order: orderOf(identifiers, result.rows), contentDigest } };
    }
    case 'hidden': {
      const { slotCount, matches, slots } = result;
      const { rows: own, starts } = identifiers;
      return { rows: slotCount, matches, own: { order: { rows: own, starts }, slots, contentDigest } };
    }
  }
}

/** Counted against predicted; they differ only by a defect. A matcher without rows does not say how many matched. */
function checkCost(counted: number, outcome: JoinOutcome | undefined): void {
  if (outcome === undefined) return;
  const predicted = predictJoinBytes(terms, outcome.matches ?? 0).get(self);
  if (counted === predicted) return;
  throw new InternalError('join-cost-mispredicted', `${self}: ${counted} bytes were counted, ${predicted} predicted.`);
}
