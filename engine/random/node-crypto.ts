/**
 * The crypto port by Node's OpenSSL; by our own ChaCha20 where the runtime's library has none (Electron). The only file of the
 * engine that names node:crypto. Knows nothing of what the bytes are for; purposes, nonces and counters are its callers'
 * business.
 */
import type { Cipheriv } from 'node:crypto';
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  getCiphers,
  hkdfSync,
  randomFillSync,
} from 'node:crypto';
import { chacha20Keystream, openChaCha, sealChaCha } from './chacha20.ts';
import type { CryptoPort } from './crypto-port.ts';
import { SecretKey } from './crypto-port.ts';
import { InternalError, MachineError } from '../../shared/errors.ts';

const BLOCK_BYTES = 64;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Keystream is made in slices of this size: larger outputs of one call cost page faults, smaller ones call overhead. */
const SLICE = new Uint8Array(32 * 1024);

/** A key stream that stands at the beginning of a block. */
interface OpenStream {
  readonly nonce: Uint8Array;
  readonly cipher: Cipheriv;
  nextBlock: number;
}

/** Streams kept open under a key: a dealer and parties among many read several in turn. */
const OPEN_STREAMS = 16;

/**
 * The latest streams read under each key: making a cipher takes about 15 us, reading on from where it stands 1 to 2. They go
 * when their key is no longer referenced.
 */
const openStreams = new WeakMap<SecretKey, OpenStream[]>();

function streamAt(key: SecretKey, nonce: Uint8Array, block: number): OpenStream {
  const known = openStreams.get(key) ?? [];
  openStreams.set(key, known);
  const open = known.find((stream) => stream.nextBlock === block && stream.nonce.every((byte, i) => byte === nonce[i]));
  if (open !== undefined) return open;
  const iv = new Uint8Array(4 + NONCE_BYTES);
  new DataView(iv.buffer).setUint32(0, block, true);
  iv.set(nonce, 4);
  const made = { nonce: nonce.slice(), cipher: createCipheriv('chacha20', key.expose(), iv), nextBlock: block };
  known.push(made);
  if (known.length > OPEN_STREAMS) known.shift();
  return made;
}

function checkNonce(nonce: Uint8Array): void {
  if (nonce.length !== NONCE_BYTES) {
    throw new InternalError('nonce-length', `A ChaCha20 nonce has ${NONCE_BYTES} bytes, not ${nonce.length}.`);
  }
}

/** ChaCha20 and its AEAD; lengths and counters were checked. */
interface ChaCha {
  keystream(key: SecretKey, nonce: Uint8Array, block: number, length: number): Uint8Array;
  seal(key: SecretKey, nonce: Uint8Array, associated: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** Undefined where the tag does not fit. */
  open(key: SecretKey, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

const opensslChaCha: ChaCha = {
  keystream(key, nonce, block, length) {
    const bytes = new Uint8Array(length);
    const stream = streamAt(key, nonce, block);
    const { cipher } = stream;
    for (let at = 0; at < length; at += SLICE.length) {
      bytes.set(cipher.update(length - at < SLICE.length ? SLICE.subarray(0, length - at) : SLICE), at);
    }
    const unread = -length & (BLOCK_BYTES - 1);
    if (unread > 0) cipher.update(SLICE.subarray(0, unread));
    stream.nextBlock = block + Math.ceil(length / BLOCK_BYTES);
    return bytes;
  },

  seal(key, nonce, associated, plaintext) {
    const cipher = createCipheriv('chacha20-poly1305', key.expose(), nonce, { authTagLength: TAG_BYTES });
    cipher.setAAD(associated, { plaintextLength: plaintext.length });
    const sealed = new Uint8Array(plaintext.length + TAG_BYTES);
    sealed.set(cipher.update(plaintext));
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    return sealed;
  },

  open(key, nonce, associated, sealed) {
    const length = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv('chacha20-poly1305', key.expose(), nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associated, { plaintextLength: length });
    decipher.setAuthTag(sealed.subarray(length));
    const plaintext = new Uint8Array(decipher.update(sealed.subarray(0, length)));
    try {
      decipher.final();
    } catch {
      plaintext.fill(0);
      return undefined;
    }
    return plaintext;
  },
};

const plainChaCha: ChaCha = {
  keystream(key, nonce, block, length) {
    const bytes = new Uint8Array(length);
    chacha20Keystream(key.expose(), nonce, block, bytes);
    return bytes;
  },
  seal: (key, nonce, associated, plaintext) => sealChaCha(key.expose(), nonce, associated, plaintext),
  open: (key, nonce, associated, sealed) => openChaCha(key.expose(), nonce, associated, sealed),
};

function cryptoWith(chacha: ChaCha): CryptoPort {
  return {
    randomBytes: (length) => randomFillSync(new Uint8Array(length)),

    sha256: (data) => new Uint8Array(createHash('sha256').update(data).digest()),

    hmacSha256: (key, data) => new Uint8Array(createHmac('sha256', key.expose()).update(data).digest()),

    deriveKey: (secret, salt, info) =>
      new SecretKey(new Uint8Array(hkdfSync('sha256', secret.expose(), salt, info, 32))),

    chacha20(key, nonce, block, length) {
      checkNonce(nonce);
      if (!Number.isInteger(block) || block < 0 || block + Math.ceil(length / BLOCK_BYTES) > 2 ** 32) {
        throw new InternalError(
          'keystream-exhausted',
          `${length} bytes from block ${block} pass the end of a ChaCha20 keystream (2^32 blocks of ${BLOCK_BYTES} bytes).`,
        );
      }
      return length === 0 ? new Uint8Array(0) : chacha.keystream(key, nonce, block, length);
    },

    seal(key, nonce, associated, plaintext) {
      checkNonce(nonce);
      return chacha.seal(key, nonce, associated, plaintext);
    },

    open(key, nonce, associated, sealed) {
      checkNonce(nonce);
      const plaintext = sealed.length < TAG_BYTES ? undefined : chacha.open(key, nonce, associated, sealed);
      if (plaintext !== undefined) return plaintext;
      throw new MachineError('record-tampered', 'A sealed record is damaged or belongs to something else.', {
        hint: 'It was made for another job, record or party, or changed since; it is not used.',
      });
    },
  };
}

/** What the runtime's library lacks is computed here. */
export const plainCrypto: CryptoPort = cryptoWith(plainChaCha);
export const nodeCrypto: CryptoPort = getCiphers().includes('chacha20') ? cryptoWith(opensslChaCha) : plainCrypto;
