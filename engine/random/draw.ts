/** One party's random inputs for one execution, from its own generator: nobody else ever knows them. */
import type { RandomInput } from '../functions/randomness.ts';
import type { CryptoPort, SecretKey } from './crypto-port.ts';
import { executionNonce } from './streams.ts';

/** Uniform bytes that were never given out before. */
export type Draw = (length: number) => Uint8Array;

const BLOCK_BYTES = 64;

/**
 * The same bytes in every attempt of an execution: noise on a value that a broken attempt revealed already, drawn anew, would
 * let two values be averaged.
 * @param key of one party and one plan of one job.
 */
export function drawsOf(crypto: CryptoPort, key: SecretKey, execution: number): Draw {
  let block = 0;
  return (length) => {
    const bytes = crypto.chacha20(key, executionNonce(execution), block, length);
    block += Math.ceil(length / BLOCK_BYTES);
    return bytes;
  };
}

/** Uniform whole numbers of each input's bits. */
export function drawRandomness(draw: Draw, inputs: readonly RandomInput[], party: string): Map<string, BigUint64Array> {
  return new Map(
    inputs
      .filter(({ owner }) => owner === party)
      .map(({ name, length, bits }) => {
        const bytes = draw(8 * length);
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        return [
          name,
          BigUint64Array.from({ length }, (_, i) => BigInt.asUintN(bits, view.getBigUint64(8 * i, true))),
        ] as const;
      }),
  );
}

/** All parties' inputs of one execution, each with its own fresh random ones: for who simulates them all. */
export function withRandomness(
  crypto: CryptoPort,
  inputs: ReadonlyMap<string, ReadonlyMap<string, BigUint64Array>>,
  random: readonly RandomInput[],
): Map<string, Map<string, BigUint64Array>> {
  return new Map(
    [...inputs].map(([party, own]) => [
      party,
      new Map([...own, ...drawRandomness((length) => crypto.randomBytes(length), random, party)]),
    ]),
  );
}
