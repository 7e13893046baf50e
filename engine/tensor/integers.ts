/**
 * Whole numbers as secret bits and back: XOR, AND, OR, NOT and shifts of two's complement numbers. Exact.
 * Knows nothing of shares.
 */
import { InputError } from '../../shared/errors.ts';
import { range } from './rearrange.ts';
import { linear } from './tensor.ts';
import type { Tensor } from './tensor.ts';

/** The low `count` bits of a whole number (at scale 0), lowest first, in two's complement. 3 rounds with the opening. */
function toBits(x: Tensor, count: number): Tensor[] {
  if (x.scale !== 0) throw new InputError('not-whole', `Bits are taken of whole numbers, not at scale ${x.scale}.`);
  return range(count).map((position) => x.bitOf(position));
}

/** The whole number that bits stand for, lowest first; the last one is the sign if `isSigned`. 1 round. */
function fromBits(bits: readonly Tensor[], isSigned: boolean): Tensor {
  return linear(
    'from bits',
    bits.map((bit, i) => {
      const weight = 1n << BigInt(i);
      return [isSigned && i === bits.length - 1 ? -weight : weight, bit.toNumber()] as const;
    }),
  ).provedBelow(bits.length - (isSigned ? 1 : 0));
}

type BitOperation = (a: Tensor, b: Tensor) => Tensor;

function bitwise(a: Tensor, b: Tensor, bits: number, operation: BitOperation): Tensor {
  const [x, y] = [toBits(a, bits), toBits(b, bits)];
  return fromBits(
    x.map((bit, i) => operation(bit, y[i] ?? bit)),
    true,
  );
}

/** Of two signed numbers of `bits` bits. 4 rounds with the openings. */
export function bitwiseXor(a: Tensor, b: Tensor, bits: number): Tensor {
  return bitwise(a, b, bits, (x, y) => x.xor(y));
}
/** As `bitwiseXor`; 5 rounds. */
export function bitwiseAnd(a: Tensor, b: Tensor, bits: number): Tensor {
  return bitwise(a, b, bits, (x, y) => x.and(y));
}
/** As `bitwiseXor`; 5 rounds. */
export function bitwiseOr(a: Tensor, b: Tensor, bits: number): Tensor {
  return bitwise(a, b, bits, (x, y) => x.or(y));
}
/** -x - 1. Local. */
export function bitwiseNot(x: Tensor): Tensor {
  return linear('not', [[-1n, x]], -1n);
}

/** x 2^by, cut to a signed number of `bits` bits. 4 rounds with the opening. */
export function shiftLeft(x: Tensor, by: number, bits: number): Tensor {
  const kept = toBits(x, Math.max(0, bits - by));
  if (kept.length === 0) return x.timesInteger(0n);
  return fromBits(kept, true).timesInteger(1n << BigInt(by));
}

/** floor(x / 2^by) of a signed number of `bits` bits. 4 rounds with the opening. */
export function shiftRight(x: Tensor, by: number, bits: number): Tensor {
  const all = toBits(x, bits);
  return fromBits(all.slice(Math.min(by, bits - 1)), true);
}
