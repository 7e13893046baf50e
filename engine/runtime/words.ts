/** Ring words as bytes and as fixed-point numbers. Knows nothing of shares. */
import { InputError } from '../../shared/errors.ts';

/** The same memory as bytes, little-endian. */
export function wordsToBytes(words: BigUint64Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/** A copy, so that alignment does not matter. */
export function bytesToWords(bytes: Uint8Array): BigUint64Array {
  const words = new BigUint64Array(bytes.length / 8);
  wordsToBytes(words).set(bytes);
  return words;
}

/** Words of ceil(width / 8) bytes each, little-endian. */
export function unpackWords(packed: Uint8Array, width: number): BigUint64Array {
  const size = Math.ceil(width / 8);
  const words = new BigUint64Array(packed.length / size);
  const bytes = wordsToBytes(words);
  for (let i = 0; i < words.length; i++) bytes.set(packed.subarray(i * size, (i + 1) * size), i * 8);
  return words;
}

/** Inverse of unpackWords for words below 2^width. */
export function packWords(words: BigUint64Array, width: number): Uint8Array {
  const size = Math.ceil(width / 8);
  const bytes = wordsToBytes(words);
  const packed = new Uint8Array(words.length * size);
  for (let i = 0; i < words.length; i++) packed.set(bytes.subarray(i * 8, i * 8 + size), i * size);
  return packed;
}

/** The range of a fixed-point tensor: multiples of 2^-fractionBits with magnitudes below 2^magnitudeBits. */
export interface FixedRange {
  readonly fractionBits: number;
  readonly magnitudeBits: number;
}

/** The bound in words. */
function rangeText({ fractionBits, magnitudeBits }: FixedRange): string {
  return `magnitudes must stay below ${2 ** magnitudeBits} at ${fractionBits} fraction bits`;
}

/** Which power of two brings all of `values` into the range, and what precision is left of them then. */
function fittingText(values: ArrayLike<number>, { fractionBits, magnitudeBits }: FixedRange): string {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0));
  const excess = Math.max(1, Math.floor(Math.log2(largest)) + 1 - Math.floor(magnitudeBits));
  return `Divided by ${2 ** excess} all of it fits, exact to ${fractionBits - excess} fraction bits of what it is now.`;
}

/**
 * Refuses a tensor that has no place in the range, by its first element outside.
 * @throws InputError `code`, naming the tensor, the value, the position, the bound and what would fit.
 */
export function checkRange(code: string, what: string, values: ArrayLike<number>, range: FixedRange): void {
  for (let i = 0; i < values.length; i++) {
    if (Math.abs(values[i] ?? 0) < 2 ** range.magnitudeBits) continue;
    throw new InputError(code, `${what} holds ${values[i]} at position ${i}: ${rangeText(range)}.`, {
      hint: fittingText(values, range),
    });
  }
}

/**
 * Fixed-point words of numbers at scale 2^fractionBits, rounded to nearest. Refuses values that are not finite or whose
 * magnitude reaches 2^magnitudeBits; `describe` names the place of element i. The values themselves may be data, and are not told.
 * @throws InputError `value-out-of-range` with the place, the bound and what would fit.
 */
export function encodeFixed(
  values: ArrayLike<number>,
  fractionBits: number,
  magnitudeBits: number,
  describe: (index: number) => string,
): BigUint64Array {
  const words = new BigUint64Array(values.length);
  const limit = 2 ** magnitudeBits;
  const factor = 2 ** fractionBits;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    const scaled = Math.round(value * factor);
    // Tested after rounding: bounds are strict.
    if (!Number.isFinite(value) || Math.abs(scaled) >= limit * factor) {
      const range = { fractionBits, magnitudeBits };
      throw new InputError(
        'value-out-of-range',
        `${describe(i)} is ${Number.isFinite(value) ? 'too large' : 'not a finite number'}: ${rangeText(range)}.`,
        {
          hint: Array.from(values).every(Number.isFinite)
            ? `${fittingText(values, range)} Or leave the value out.`
            : 'Repair the value, or leave it out.',
        },
      );
    }
    words[i] = BigInt.asUintN(64, BigInt(scaled));
  }
  return words;
}

/** Numbers that fixed-point words stand for. */
export function decodeFixed(words: BigUint64Array, fractionBits: number): Float64Array {
  const factor = 2 ** -fractionBits;
  return Float64Array.from(words, (word) => Number(BigInt.asIntN(64, word)) * factor);
}

/** Public row numbers as an execution takes them. */
export function rowNumberWords(rows: Uint32Array): BigUint64Array {
  return BigUint64Array.from(rows, (row) => BigInt(row));
}
