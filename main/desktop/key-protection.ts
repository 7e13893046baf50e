/**
 * The guarding key (main/host/store/key-guard.ts): 32 random bytes, kept in a file of their own sealed by the system's keystore
 * where there is one, else under a passphrase that a person types at each start. Linux without a keyring counts as none:
 * what Electron offers there is obfuscation. Knows nothing of what the key guards.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { SafeStorage } from 'electron';
import { z } from 'zod';
import { InputError, MachineError } from '../../shared/errors.ts';
import { PASSPHRASE_KEY_BYTES as KEY_BYTES, SHORTEST_PASSPHRASE, passphraseKey } from '../host/store/passphrase.ts';

const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const base64 = z.base64();
const fileSchema = z.discriminatedUnion('by', [
  z.strictObject({ version: z.literal(1), by: z.literal('keystore'), sealed: base64 }),
  z.strictObject({ version: z.literal(1), by: z.literal('passphrase'), salt: base64, nonce: base64, sealed: base64 }),
]);
type KeyFile = z.infer<typeof fileSchema>;

/** What is used of Electron's safeStorage. */
export type Keystore = Pick<
  SafeStorage,
  'isAsyncEncryptionAvailable' | 'encryptStringAsync' | 'decryptStringAsync' | 'getSelectedStorageBackend'
>;

export class KeyProtection {
  readonly #file: string;
  readonly #keystore: Keystore;
  readonly #platform: NodeJS.Platform;

  constructor(file: string, keystore: Keystore, platform: NodeJS.Platform) {
    this.#file = file;
    this.#keystore = keystore;
    this.#platform = platform;
  }

  /**
   * The key, where no person is needed for it; else what is needed. Makes a key at the first start where there is a keystore.
   * @throws MachineError `key-file-damaged`, `keystore-refused`.
   */
  async unlock(): Promise<Uint8Array | 'needs-passphrase' | 'needs-new-passphrase'> {
    const kept = this.#read();
    if (kept?.by === 'passphrase') return 'needs-passphrase';
    if (kept === undefined) {
      if (!(await this.#hasKeystore())) return 'needs-new-passphrase';
      const key = randomBytes(KEY_BYTES);
      const sealed = await this.#keystore.encryptStringAsync(key.toString('base64'));
      this.#write({ version: 1, by: 'keystore', sealed: sealed.toString('base64') });
      return key;
    }
    try {
      const { result, shouldReEncrypt } = await this.#keystore.decryptStringAsync(Buffer.from(kept.sealed, 'base64'));
      if (shouldReEncrypt) {
        const sealed = await this.#keystore.encryptStringAsync(result);
        this.#write({ version: 1, by: 'keystore', sealed: sealed.toString('base64') });
      }
      return checkedKey(Buffer.from(result, 'base64'), this.#file);
    } catch (cause) {
      if (cause instanceof MachineError) throw cause;
      throw new MachineError(
        'keystore-refused',
        'The system’s keystore does not give out the key of this data folder.',
        {
          hint: 'Unlock the keyring or log in as the user who made the folder, then start Tacit again.',
          cause,
        },
      );
    }
  }

  /**
   * The key, by a passphrase; the first one makes the key.
   * @throws InputError `passphrase-wrong`, `passphrase-short`; MachineError `key-file-damaged`.
   */
  async unlockWith(passphrase: string): Promise<Uint8Array> {
    const kept = this.#read();
    if (kept === undefined) {
      if (passphrase.length < SHORTEST_PASSPHRASE) {
        throw new InputError('passphrase-short', `A passphrase has at least ${SHORTEST_PASSPHRASE} characters.`, {
          hint: 'Four or five words that do not belong together are good and easy to keep.',
        });
      }
      const key = randomBytes(KEY_BYTES);
      this.#write(await sealUnder(passphrase, key));
      return key;
    }
    if (kept.by !== 'passphrase') {
      throw new InputError('passphrase-unused', 'This data folder is protected by the system’s keystore.');
    }
    return openUnder(passphrase, kept);
  }

  async #hasKeystore(): Promise<boolean> {
    if (!(await this.#keystore.isAsyncEncryptionAvailable())) return false;
    return (
      this.#platform !== 'linux' || !['basic_text', 'unknown'].includes(this.#keystore.getSelectedStorageBackend())
    );
  }

  #read(): KeyFile | undefined {
    if (!existsSync(this.#file)) return undefined;
    try {
      return fileSchema.parse(JSON.parse(readFileSync(this.#file, 'utf8')));
    } catch (cause) {
      throw damaged(this.#file, cause);
    }
  }

  /** Whole or not at all. */
  #write(content: KeyFile): void {
    const part = `${this.#file}.part`;
    writeFileSync(part, `${JSON.stringify(content)}\n`, { mode: 0o600, flush: true });
    renameSync(part, this.#file);
  }
}

async function sealUnder(passphrase: string, key: Buffer): Promise<KeyFile> {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', await passphraseKey(passphrase, salt), nonce);
  const sealed = Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  const text = (bytes: Buffer): string => bytes.toString('base64');
  return { version: 1, by: 'passphrase', salt: text(salt), nonce: text(nonce), sealed: text(sealed) };
}

async function openUnder(passphrase: string, file: Extract<KeyFile, { by: 'passphrase' }>): Promise<Uint8Array> {
  const [salt, nonce, sealed] = [file.salt, file.nonce, file.sealed].map((text) => Buffer.from(text, 'base64'));
  const key = await passphraseKey(passphrase, salt!);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce!, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed!.subarray(KEY_BYTES));
  const opened = decipher.update(sealed!.subarray(0, KEY_BYTES));
  try {
    decipher.final();
  } catch {
    throw new InputError('passphrase-wrong', 'This is not the passphrase of this data folder.', {
      hint: 'Mind capital letters and the keyboard’s language.',
    });
  }
  return opened;
}

function checkedKey(key: Buffer, file: string): Uint8Array {
  if (key.length !== KEY_BYTES) throw damaged(file, undefined);
  return key;
}

function damaged(file: string, cause: unknown): MachineError {
  return new MachineError('key-file-damaged', `${file} is damaged: without it the private key cannot be opened.`, {
    hint: 'Restore the file from a backup, or the identity from its export.',
    cause,
  });
}
