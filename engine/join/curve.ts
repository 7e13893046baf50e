/**
 * Batches of the operations that make tags, behind an interface: on curve25519, where points are 32-byte u-coordinates, and keyed
 * hashes. A batch is at most BATCH_POINTS of them. wasm/pool.ts implements it. Knows nothing of identifiers or parties.
 */
import type { SecretKey } from '../random/crypto-port.ts';

export const POINT_BYTES = 32;
/** Of a keyed hash. */
export const HASH_BYTES = 32;
/** A batch takes about 0.1 s on one core. */
export const BATCH_POINTS = 2048;

/** Messages one after another; message i is bytes[offsets[i]] .. bytes[offsets[i + 1]] - 1. */
export interface PackedMessages {
  readonly bytes: Uint8Array;
  /** One more than there are messages. */
  readonly offsets: Uint32Array;
}

/** Why a batch of somebody's points was refused, and which. */
export interface RefusedPoint {
  /** Position in the batch. */
  readonly index: number;
  /** notCanonical: p or more; lowOrder: a point of order 1, 2, 4 or 8 of the curve or its twist, whose multiple is zero. */
  readonly reason: 'notCanonical' | 'lowOrder';
}

export interface Curve {
  /** Batches that may usefully be under way at once. */
  readonly parallelBatches: number;
  /** hash_to_curve (RFC 9380, curve25519_XMD:SHA-512_ELL2_RO_) of each message under a domain separation tag of 1 .. 255 bytes. */
  hash(messages: PackedMessages, domain: Uint8Array, signal?: AbortSignal): Promise<Uint8Array>;
  /** The same, multiplied by the clamped scalar. */
  hashAndMultiply(
    messages: PackedMessages,
    domain: Uint8Array,
    scalar: SecretKey,
    signal?: AbortSignal,
  ): Promise<Uint8Array>;
  /** X25519 (RFC 7748) of each point with the same scalar; a refused point is no multiple and nothing of the batch is given. */
  multiply(points: Uint8Array, scalar: SecretKey, signal?: AbortSignal): Promise<Uint8Array | RefusedPoint>;
  /** HMAC-SHA256 of each message, HASH_BYTES each. */
  keyedHash(messages: PackedMessages, key: SecretKey, signal?: AbortSignal): Promise<Uint8Array>;
  dispose(): Promise<void>;
}
