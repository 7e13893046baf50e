/**
 * Time and bytes of joins on this machine, for the command line's `bench join` and for the prediction before a join. Measures
 * with all participants in this process. Knows nothing of how results are shown.
 */
import type { PackedIdentifiers } from '../../shared/identifiers.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import { SecretKey } from '../random/crypto-port.ts';
import type { Curve } from './curve.ts';
import { BATCH_POINTS, POINT_BYTES } from './curve.ts';
import { simulateJoin } from './simulation.ts';
import type { JoinForm, JoinTerms } from './terms.ts';
import { predictJoinBytes, sizeOf, slotCount } from './terms.ts';

/** Milliseconds of one core for one identifier. */
export interface JoinRates {
  readonly hashToCurveMs: number;
  readonly multiplyMs: number;
  readonly keyedHashMs: number;
  /** Shuffling, packing, indexing and comparing one tag. */
  readonly compareMs: number;
}

/** Comparing costs little beside the curve; a figure of the reference machine, not measured anew. */
const COMPARE_MS = 0.002;
/** Times that a tag is put into a table on its way: by its owner, by whoever multiplies it, by whoever compares it. */
const COMPARES_A_TAG = 3;

const sizeAsBytes = (value: number): Uint8Array => {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setFloat64(4, value);
  return bytes;
};

/** 12-byte identifiers from `from` on. */
export function numberedIdentifiers(from: number, count: number): PackedIdentifiers {
  const bytes = new Uint8Array(12 * count);
  for (let i = 0; i < count; i++) bytes.set(sizeAsBytes(from + i), 12 * i);
  return { bytes, offsets: Uint32Array.from({ length: count + 1 }, (_, i) => 12 * i) };
}

/** Measures one batch of each operation: about half a second. */
export async function measureJoinRates(curve: Curve, crypto: CryptoPort): Promise<JoinRates> {
  const messages = numberedIdentifiers(0, BATCH_POINTS);
  const domain = Uint8Array.of(1);
  const scalar = new SecretKey(crypto.randomBytes(32));
  const timed = async <T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> => {
    const start = performance.now();
    const value = await work();
    return { value, ms: (performance.now() - start) / BATCH_POINTS };
  };
  await curve.hash(messages, domain);
  const hashed = await timed(() => curve.hash(messages, domain));
  // the first batch is not optimised yet
  await curve.multiply(hashed.value.slice(0, 256 * POINT_BYTES), scalar);
  const multiplied = await timed(() => curve.multiply(hashed.value, scalar));
  await curve.keyedHash(messages, scalar);
  const keyed = await timed(() => curve.keyedHash(messages, scalar));
  return { hashToCurveMs: hashed.ms, multiplyMs: multiplied.ms, keyedHashMs: keyed.ms, compareMs: COMPARE_MS };
}

/** Core-seconds of one party's tags; divide by its threads for time, and add comparing: `compareMs` a tag, on one thread. */
export function predictTagSeconds(terms: JoinTerms, party: string, rates: JoinRates): number {
  const own = sizeOf(terms, party);
  const all = slotCount(terms);
  const ms = terms.form === 'keyedHash' ? own * rates.keyedHashMs : own * rates.hashToCurveMs + all * rates.multiplyMs;
  return ms / 1000;
}

export interface JoinBenchOptions {
  /** Identifiers of each party; half of them are common to all. */
  readonly size: number;
  readonly parties: number;
  readonly form: JoinForm;
  readonly curve: Curve;
  readonly crypto: CryptoPort;
  /** Threads that the curve has for all parties together. */
  readonly threads: number;
  readonly rates: JoinRates;
  readonly signal?: AbortSignal;
  readonly progress?: (done: number, total: number) => void;
}

export interface JoinBench {
  readonly form: JoinForm;
  readonly parties: number;
  readonly size: number;
  readonly matches: number;
  readonly seconds: number;
  readonly predictedSeconds: number;
  /** Of all participants together. */
  readonly bytes: number;
  readonly predictedBytes: number;
  readonly bytesPerIdentifier: number;
  readonly microsecondsPerIdentifier: number;
}

/** One row of the table: an `ids` join, without a matcher where two parties can do without. */
export async function benchJoin(options: JoinBenchOptions): Promise<JoinBench> {
  const { size, form, curve, crypto, threads, rates, signal, progress } = options;
  const parties = Array.from({ length: options.parties }, (_, i) => `party-${i + 1}`);
  const matches = Math.floor(size / 2);
  const terms: JoinTerms = {
    session: 'bench',
    attempt: 0,
    execution: 0,
    purpose: 'ids',
    form,
    parties,
    ...(form === 'curve' && parties.length === 2 ? {} : { matcher: 'matcher' }),
    sizes: Object.fromEntries(parties.map((party) => [party, size])),
    floor: 1,
  };
  const own = (who: number): PackedIdentifiers => {
    const common = numberedIdentifiers(0, matches);
    const rest = numberedIdentifiers((who + 1) * 2 ** 40, size - matches);
    return {
      bytes: Uint8Array.from({ length: 12 * size }, (_, i) =>
        i < common.bytes.length ? common.bytes[i]! : rest.bytes[i - common.bytes.length]!,
      ),
      offsets: Uint32Array.from({ length: size + 1 }, (_, i) => 12 * i),
    };
  };
  const identifiers = new Map(parties.map((party, who) => [party, own(who)]));
  const sum = (bytes: ReadonlyMap<string, number>): number => [...bytes.values()].reduce((a, b) => a + b, 0);
  const coreSeconds = parties.reduce((total, party) => total + predictTagSeconds(terms, party, rates), 0);
  const comparing = (slotCount(terms) * COMPARES_A_TAG * rates.compareMs) / 1000;
  const done = new Map<string, number>();
  const start = performance.now();
  const { bytesSent } = await simulateJoin({
    terms,
    identifiers,
    curve,
    crypto,
    ...(signal === undefined ? {} : { signal }),
    ...(progress === undefined
      ? {}
      : {
          progress: (party, points, total) => {
            done.set(party, points);
            progress(sum(done), total * parties.length);
          },
        }),
  });
  const seconds = (performance.now() - start) / 1000;
  const all = slotCount(terms);
  return {
    form,
    parties: parties.length,
    size,
    matches,
    seconds,
    // the thread that compares is one of them, and all parties share it here
    predictedSeconds: Math.max(coreSeconds / threads, comparing, (coreSeconds + comparing) / threads),
    bytes: sum(bytesSent),
    predictedBytes: sum(predictJoinBytes(terms, matches)),
    bytesPerIdentifier: sum(bytesSent) / all,
    microsecondsPerIdentifier: (seconds * 1e6) / all,
  };
}
