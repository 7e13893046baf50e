/**
 * Canonical JSON: one text for one value, whoever writes it, so that parties can compare digests. Follows RFC 8785:
 * object keys in order of their UTF-16 code units, no white space, numbers as ECMAScript prints them.
 * Knows no hash function: it is injected, because this folder runs wherever the interface runs.
 */
import { InternalError } from './errors.ts';

/** SHA-256 of bytes, 32 bytes out. */
export type Sha256 = (data: Uint8Array) => Uint8Array;

function write(value: unknown, place: string): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') {
    if (!value.isWellFormed())
      throw new InternalError('canonical-lone-surrogate', `Text at ${place} is not valid Unicode.`);
    return JSON.stringify(value);
  }
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item, index) => write(item, `${place}/${index}`)).join(',')}]`;
  if (typeof value === 'object') {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => `${write(key, place)}:${write(field, `${place}/${key}`)}`);
    return `{${fields.join(',')}}`;
  }
  throw new InternalError('canonical-not-json', `A ${typeof value} at ${place} has no JSON form.`);
}

/** The canonical text of a JSON value; fields that are undefined are left out. Throws on NaN, infinities and functions. */
export function canonicalJson(value: unknown): string {
  return write(value, '#');
}

/** SHA-256 of the canonical text in UTF-8, as 64 lower-case hexadecimal digits. */
export function canonicalDigest(value: unknown, sha256: Sha256): string {
  const digest = sha256(new TextEncoder().encode(canonicalJson(value)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
