/**
 * The key streams of one party in one attempt of a job: ChaCha20 under keys derived from the party's seed, one key a purpose,
 * one nonce a lane of an execution, so that no (key, nonce, block) is ever used for two values (corrections H6). Party and dealer hold
 * the same seed and expand the same bytes. Knows nothing of plans or memories.
 */
import { InternalError } from '../../shared/errors.ts';
import type { Keystream } from '../kernels/kernels.ts';
import type { StreamName, StreamPurpose } from '../plan/records.ts';
import type { CryptoPort, SecretKey } from './crypto-port.ts';

const BLOCK_BYTES = 64;
const PURPOSES: readonly StreamPurpose[] = ['mask', 'bit', 'input', 'share'];

export interface SeedContext {
  readonly session: string;
  readonly planDigest: string;
  readonly attempt: number;
  readonly party: string;
  /** Fingerprint of the dealer's key. */
  readonly dealer: string;
}

/** s_i = HKDF(party nonce || dealer nonce, context): neither side alone chooses it, and no other job, plan or attempt has it. */
export function deriveSeed(
  crypto: CryptoPort,
  partyNonce: SecretKey,
  dealerNonce: SecretKey,
  context: SeedContext,
): SecretKey {
  const { session, planDigest, attempt, party, dealer } = context;
  const info = ['tacit/v1/seed', session, planDigest, String(attempt), party, dealer]
    .map((s) => `${s.length}:${s}`)
    .join('|');
  return crypto.deriveKey(partyNonce, dealerNonce.expose(), info);
}

export class PartyStreams {
  readonly #crypto: CryptoPort;
  readonly #keys: ReadonlyMap<StreamPurpose, SecretKey>;
  readonly #recordKey: SecretKey;

  constructor(crypto: CryptoPort, seed: SecretKey) {
    this.#crypto = crypto;
    const empty = new Uint8Array(0);
    this.#keys = new Map(
      PURPOSES.map((purpose) => [purpose, crypto.deriveKey(seed, empty, `tacit/v1/stream/${purpose}`)]),
    );
    this.#recordKey = crypto.deriveKey(seed, empty, 'tacit/v1/record');
  }

  /** `bytes` bytes from byte `offset` (a multiple of 64) of a stream of an execution. */
  expand(stream: StreamName, execution: number, offset: number, bytes: number): Uint8Array {
    const key = this.#keys.get(stream.purpose);
    if (key === undefined || offset % BLOCK_BYTES !== 0)
      throw new InternalError('stream-offset', 'A stream is read at whole blocks.');
    return this.#crypto.chacha20(key, executionNonce(execution, stream.lane), offset / BLOCK_BYTES, bytes);
  }

  /** The place of byte `offset` (a multiple of 64) of a stream of an execution, for a kernel set that expands it itself. */
  keystream(stream: StreamName, execution: number, offset: number): Keystream {
    const key = this.#keys.get(stream.purpose);
    if (key === undefined || offset % BLOCK_BYTES !== 0)
      throw new InternalError('stream-offset', 'A stream is read at whole blocks.');
    return { key: key.expose(), nonce: executionNonce(execution, stream.lane), block: offset / BLOCK_BYTES };
  }

  /** Seals this party's correction record of an execution; the same record under another context does not open. */
  seal(context: string, execution: number, record: Uint8Array): Uint8Array {
    return this.#crypto.seal(this.#recordKey, executionNonce(execution), new TextEncoder().encode(context), record);
  }

  open(context: string, execution: number, sealed: Uint8Array): Uint8Array {
    return this.#crypto.open(this.#recordKey, executionNonce(execution), new TextEncoder().encode(context), sealed);
  }

  erase(): void {
    for (const key of this.#keys.values()) key.erase();
    this.#recordKey.erase();
  }
}

/** 96-bit nonce of a lane of an execution. */
export function executionNonce(execution: number, lane = 0): Uint8Array {
  if (!Number.isSafeInteger(execution) || execution < 0)
    throw new InternalError('execution-number', `No execution ${execution}.`);
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(0, BigInt(execution), true);
  new DataView(nonce.buffer).setUint32(8, lane, true);
  return nonce;
}
