/**
 * Masks with chosen values, for exhaustive tests: real cryptography everywhere but in the first party's stream of word masks,
 * which is set so that all parties' streams together make the wanted masks.
 */
import { operands } from '../../engine/plan/program.ts';
import type { Program } from '../../engine/plan/program.ts';
import type { Plan } from '../../engine/plan/plan.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import type { CryptoPort, SecretKey } from '../../engine/random/crypto-port.ts';
import { fixedCrypto } from './fixed-crypto.ts';

/** Steps of the random words that hide the words openings of a program, in order of the openings. */
function maskSteps(program: Program): { open: number; random: number }[] {
  const randoms = new Map<number, number>();
  program.steps.forEach((step, index) => {
    if (step.op === 'random' && program.values[step.share]?.kind === 'words') randoms.set(step.share, index);
  });
  return program.steps.flatMap((step, open) => {
    if (step.op !== 'open' || step.share.kind !== 'words') return [];
    const producer = program.steps.find(
      (s) => s.op === 'local' && operands(s.operation).outputs.some((out) => out.value === step.share.value),
    );
    if (producer?.op !== 'local') return [];
    const random = operands(producer.operation)
      .inputs.map((input) => randoms.get(input.value))
      .find((found) => found !== undefined);
    return random === undefined ? [] : [{ open, random }];
  });
}

/**
 * A CryptoPort under which the mask of the i-th masked opening of program `name` (see maskSteps) has element e equal to
 * choose(i, e), in every execution; undefined leaves it random.
 */
export function chosenMasks(
  plan: Plan,
  name: string,
  choose: (opening: number, element: number) => bigint | undefined,
): CryptoPort {
  const planned = plan.programs.get(name);
  if (planned === undefined) throw new RangeError(`no program ${name}`);
  const size = planned.program.wordBits / 8;
  const wanted = maskSteps(planned.program).map(({ random }, opening) => {
    const record = planned.demand.records.get(random);
    if (record === undefined) throw new RangeError('no such mask');
    return { opening, offset: record.streamOffset, length: record.bytes / size };
  });
  const maskKeys: SecretKey[] = [];
  return {
    ...fixedCrypto(),
    deriveKey: (secret, salt, info) => {
      const key = nodeCrypto.deriveKey(secret, salt, info);
      if (info === 'tacit/v1/stream/mask') maskKeys.push(key);
      return key;
    },
    chacha20: (key, nonce, block, length) => {
      const bytes = nodeCrypto.chacha20(key, nonce, block, length);
      if (key !== maskKeys[0]) return bytes;
      // Streams are read in pieces of whole blocks, which end between words.
      const start = 64 * block;
      const others = maskKeys.slice(1).map((other) => nodeCrypto.chacha20(other, nonce, block, length));
      for (const { opening, offset, length: count } of wanted) {
        const first = Math.max(0, Math.ceil((start - offset) / size));
        const end = Math.min(count, (start + length - offset) / size);
        for (let e = first; e < end; e++) {
          const value = choose(opening, e);
          if (value === undefined) continue;
          const at = offset + e * size - start;
          const rest = others.reduce((sum, other) => sum + wordAt(other, at, size), 0n);
          let word = BigInt.asUintN(8 * size, value - rest);
          for (let i = 0; i < size; i++, word >>= 8n) bytes[at + i] = Number(word & 255n);
        }
      }
      return bytes;
    },
  };
}

function wordAt(bytes: Uint8Array, at: number, size: number): bigint {
  let word = 0n;
  for (let i = size - 1; i >= 0; i--) word = (word << 8n) | BigInt(bytes[at + i] ?? 0);
  return word;
}
