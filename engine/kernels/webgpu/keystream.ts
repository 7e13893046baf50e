/**
 * The ChaCha20 keystream (RFC 8439, 20 rounds) on the device, one thread a block: the same bytes as OpenSSL's. The secret key is
 * an argument; it is overwritten with the memory's buffers. Knows nothing of what streams are for.
 */
import type { Keystream } from '../kernels.ts';
import type { Kernel } from './kernel.ts';
import { batchKernel } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep } from './step.ts';

const BLOCK_BYTES = 64;
const KEY_ARGUMENT = 3;
const NONCE_ARGUMENT = KEY_ARGUMENT + 8;
const QUARTER_ROUNDS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** The state before the rounds: "expand 32-byte k", key, block, nonce. */
function firstState(word: number): string {
  if (word < 4) return `${[0x61707865, 0x3320646e, 0x79622d32, 0x6b206574][word]}u`;
  if (word < 12) return `q[${KEY_ARGUMENT + word - 4}]`;
  return word === 12 ? '(q[2] + i)' : `q[${NONCE_ARGUMENT + word - 13}]`;
}

function quarterRound([a, b, c, d]: (typeof QUARTER_ROUNDS)[number]): string {
  const half = (first: number, second: number): string =>
    `x${a} += x${b}; x${d} = turned(x${d} ^ x${a}, ${first}u); x${c} += x${d}; x${b} = turned(x${b} ^ x${c}, ${second}u);`;
  return `${half(16, 12)} ${half(8, 7)}`;
}

const words = Array.from({ length: 16 }, (_, word) => word);

/** q: threads, first half that leaves, first block, key, nonce. */
export const keystreamKernel: Kernel = batchKernel(
  'keystream',
  'words',
  `${words.map((word) => `var x${word} = ${firstState(word)};`).join('\n  ')}
  for (var round = 0u; round < 10u; round++) {
    ${QUARTER_ROUNDS.map(quarterRound).join('\n    ')}
  }
  ${words.map((word) => `leaving[q[1] + 16u * i + ${word}u] = x${word} + ${firstState(word)};`).join('\n  ')}`,
  'fn turned(a: u32, by: u32) -> u32 { return (a << by) | (a >> (32u - by)); }',
);

function littleEndianWords(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 4 }, (_, word) => view.getUint32(4 * word, true));
}

/**
 * Expands what covers `bytes` bytes from byte `from` of a keystream on to byte `at` (a multiple of 64) of what leaves and the
 * `streamBytes` bytes that follow; those asked for begin at `firstByte`.
 */
export function keystreamStep(
  { key, nonce, block }: Keystream,
  from: number,
  bytes: number,
  at: number,
): { step: Step; firstByte: number; streamBytes: number } {
  const skipped = from % BLOCK_BYTES;
  const blocks = Math.ceil((skipped + bytes) / BLOCK_BYTES);
  const args = [at / 4, block + (from - skipped) / BLOCK_BYTES, ...littleEndianWords(key), ...littleEndianWords(nonce)];
  return {
    step: elementStep(keystreamKernel, blocks, ...args),
    firstByte: at + skipped,
    streamBytes: blocks * BLOCK_BYTES,
  };
}
