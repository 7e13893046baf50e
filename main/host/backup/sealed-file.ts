/**
 * A file under a passphrase: scrypt (RFC 7914) makes the key, ChaCha20-Poly1305 (RFC 8439) seals the content, the parameters
 * stand beside it in the clear and are sealed with it. Knows nothing of what is inside.
 */
import { z } from 'zod';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { InputError } from '../../../shared/errors.ts';
import { PASSPHRASE_COST, SHORTEST_PASSPHRASE, passphraseKey } from '../store/passphrase.ts';
import type { SecretText } from '../store/secret-text.ts';

/** What a file may ask of this machine. */
const MAX_MEMORY_BYTES = 512 << 20;
const TAG_BYTES = 16;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;

const base64 = z.base64().max(32 << 20);
const sealedSchema = z.strictObject({
  tacitBackup: z.literal(1),
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    salt: base64,
    N: z
      .int()
      .min(2)
      .max(1 << 20),
    r: z.int().min(1).max(32),
    p: z.int().min(1).max(4),
  }),
  cipher: z.strictObject({ name: z.literal('chacha20-poly1305'), nonce: base64 }),
  sealed: base64,
});
type Sealed = z.infer<typeof sealedSchema>;

async function keyOf(passphrase: SecretText, { salt, N, r, p }: Sealed['kdf']): Promise<SecretKey> {
  return new SecretKey(await passphraseKey(passphrase.expose(), Buffer.from(salt, 'base64'), { N, r, p }));
}

const random = (bytes: number): string => Buffer.from(nodeCrypto.randomBytes(bytes)).toString('base64');

const headOf = ({ tacitBackup, kdf, cipher }: Omit<Sealed, 'sealed'>): Buffer =>
  Buffer.from(JSON.stringify([tacitBackup, kdf.name, kdf.salt, kdf.N, kdf.r, kdf.p, cipher.name, cipher.nonce]));

/** The file's text. @throws InputError `passphrase-short`. */
export async function sealFile(content: unknown, passphrase: SecretText): Promise<string> {
  if (passphrase.expose().length < SHORTEST_PASSPHRASE) {
    throw new InputError('passphrase-short', `A passphrase has ${SHORTEST_PASSPHRASE} characters or more.`, {
      hint: 'Take four words that have nothing to do with each other.',
    });
  }
  const head = {
    tacitBackup: 1 as const,
    kdf: { name: 'scrypt' as const, salt: random(SALT_BYTES), ...PASSPHRASE_COST },
    cipher: { name: 'chacha20-poly1305' as const, nonce: random(NONCE_BYTES) },
  };
  const key = await keyOf(passphrase, head.kdf);
  const text = Buffer.from(JSON.stringify(content));
  const sealed = Buffer.from(nodeCrypto.seal(key, Buffer.from(head.cipher.nonce, 'base64'), headOf(head), text));
  key.erase();
  text.fill(0);
  return `${JSON.stringify({ ...head, sealed: sealed.toString('base64') }, undefined, 2)}\n`;
}

/** What was sealed. @throws InputError `backup-unreadable`, `passphrase-wrong`. */
export async function openFile(text: string, passphrase: SecretText): Promise<unknown> {
  const file = parseFile(text);
  if (128 * file.kdf.N * file.kdf.r > MAX_MEMORY_BYTES) throw unreadable();
  const sealed = Buffer.from(file.sealed, 'base64');
  const nonce = Buffer.from(file.cipher.nonce, 'base64');
  if (sealed.length < TAG_BYTES || nonce.length !== NONCE_BYTES) throw unreadable();
  const key = await keyOf(passphrase, file.kdf);
  try {
    const opened = nodeCrypto.open(key, nonce, headOf(file), sealed);
    return JSON.parse(Buffer.from(opened).toString('utf8')) as unknown;
  } catch (cause) {
    throw new InputError('passphrase-wrong', 'The passphrase does not open this file, or the file was changed.', {
      hint: 'Type the passphrase again; compare the file with another copy.',
      cause,
    });
  } finally {
    key.erase();
  }
}

function parseFile(text: string): Sealed {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable();
  }
  const parsed = sealedSchema.safeParse(value);
  if (!parsed.success) throw unreadable();
  return parsed.data;
}

function unreadable(): InputError {
  return new InputError('backup-unreadable', 'This is no backup that this version of Tacit can read.', {
    hint: 'Choose the file that was saved under Settings, "Save a backup".',
  });
}
