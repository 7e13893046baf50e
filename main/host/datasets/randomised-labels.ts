/**
 * Randomised response (Warner, JASA 60, 1965): each label is told as it is with a probability, and as the other class otherwise.
 * The owner draws from a secret of its own that belongs to the run, so that every attempt tells the same; nobody else can tell
 * a flipped label from a true one, not even with the model. Knows nothing of files.
 */
import type { CryptoPort, SecretKey } from '../../../engine/random/crypto-port.ts';

/** @param labels classes 0 and 1. */
export function randomisedLabels(
  crypto: CryptoPort,
  secret: SecretKey,
  labels: Float64Array,
  keep: number,
): Float64Array {
  const bytes = crypto.chacha20(secret, new Uint8Array(12), 0, 4 * labels.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flips = labels.map((label, row) => (view.getUint32(4 * row, true) < keep * 2 ** 32 ? label : 1 - label));
  bytes.fill(0);
  return flips;
}
