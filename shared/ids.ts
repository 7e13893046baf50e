/** Shapes of the names by which parties, keys, sessions and documents are called. Knows nothing of what they stand for. */
import { z } from 'zod';

/** SHA-256 of a key's SubjectPublicKeyInfo in lower-case hex: the identity of an organisation's host. */
export const fingerprintSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'A fingerprint is 64 hexadecimal digits in lower case.');

/** SHA-256 of a canonical document (job, plan) in lower-case hex. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/, 'A digest is 64 hexadecimal digits in lower case.');

/** Name of a session, the same for all its parties. */
export const sessionIdSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    'A session id has 1 to 128 letters, digits, dots, dashes or underscores.',
  );

/** A constant in kebab case that says why something ended; never text that depends on data. */
export const reasonCodeSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'A reason code is kebab case, 64 characters at most.');

/** What an organisation calls itself or a party of a job; for people, so never trusted as an identity. */
export const displayNameSchema = z
  .string()
  .trim()
  .min(1, 'A name must not be empty.')
  .max(100, 'A name has 100 characters at most.')
  .regex(/^[^\p{Cc}\p{Cf}]*$/u, 'A name must not contain control or invisible characters.');
