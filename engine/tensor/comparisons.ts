/**
 * Comparisons of secret values, and what is built on them. Results are bits; `toNumber` makes them numbers 0 and 1.
 * Comparisons are exact while the difference is inside its bound. 4 rounds with the opening of the difference.
 * Knows nothing of shares.
 */
import type { Tensor } from './tensor.ts';
import { broadcastShapes, sameShape } from './shape.ts';

function difference(a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShapes('compare', a.shape, b.shape);
  return a.broadcastTo(shape).sub(b.broadcastTo(shape));
}

export function atLeast(a: Tensor, b: Tensor): Tensor {
  return difference(a, b).atLeast(0);
}
export function atMost(a: Tensor, b: Tensor): Tensor {
  return difference(b, a).atLeast(0);
}
export function greater(a: Tensor, b: Tensor): Tensor {
  return atMost(a, b).not();
}
export function less(a: Tensor, b: Tensor): Tensor {
  return atLeast(a, b).not();
}
/** Equal in the last bit. */
export function equal(a: Tensor, b: Tensor): Tensor {
  return difference(a, b).equalsNumber(0);
}
export function notEqual(a: Tensor, b: Tensor): Tensor {
  return equal(a, b).not();
}

/** -1, 0 or 1, at scale 0. 4 rounds with the opening of x. */
export function sign(x: Tensor): Tensor {
  return x
    .atLeast(2 ** -x.scale)
    .toNumber()
    .sub(x.atLeast(0).not().toNumber());
}

/** 4 rounds with the opening of x. */
export function absolute(x: Tensor): Tensor {
  return x.atLeast(0).select(x).timesInteger(2n).sub(x);
}

/** x, or the nearer end outside [low, high]; an end may be left out. 4 rounds with the opening of x. */
export function clamp(x: Tensor, low: number | undefined, high: number | undefined): Tensor {
  if (low !== undefined && high !== undefined && low >= high) return x.timesInteger(0n).addNumber(high);
  const fromLow = low === undefined ? undefined : x.atLeast(low);
  const fromHigh = high === undefined ? undefined : x.atLeast(high);
  if (fromLow === undefined && fromHigh === undefined) return x;
  const inside = fromLow === undefined ? fromHigh?.not() : fromHigh === undefined ? fromLow : fromLow.xor(fromHigh);
  let y = (inside ?? x).select(x);
  if (fromLow !== undefined && low !== undefined && low !== 0) y = y.add(fixed(fromLow.not(), low, x));
  if (fromHigh !== undefined && high !== undefined && high !== 0) y = y.add(fixed(fromHigh, high, x));
  const reach = Math.max(...[low, high].map((end) => (end === undefined ? Infinity : Math.abs(end))), 2 ** -x.scale);
  return Number.isFinite(reach) ? y.provedBelow(Math.log2(reach) + 0.01) : y;
}

function fixed(bit: Tensor, value: number, like: Tensor): Tensor {
  return bit.toNumber().timesRaw(value, like.scale);
}

/** `a` where the bit is set, `b` elsewhere, with broadcasting. 1 round beyond the bit's own; 2 if the bit is broadcast. */
export function where(bit: Tensor, a: Tensor, b: Tensor): Tensor {
  const shape = broadcastShapes('where', broadcastShapes('where', a.shape, b.shape), bit.shape);
  const [left, right] = [a.broadcastTo(shape), b.broadcastTo(shape)];
  const gap = left.sub(right);
  const chosen = sameShape(bit.shape, shape) ? bit.select(gap) : bit.toNumber().mulRaw(gap);
  return right.add(chosen).provedBelow(Math.max(a.node.bound - a.scale, b.node.bound - b.scale) + 0.01);
}

/** The larger of two. 4 rounds with the opening of the difference. */
export function maximumOfTwo(a: Tensor, b: Tensor): Tensor {
  return b.add(difference(a, b).relu());
}
export function minimumOfTwo(a: Tensor, b: Tensor): Tensor {
  return a.sub(difference(a, b).relu());
}
