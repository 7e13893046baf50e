/**
 * The secrets of one attempt: a seed with the dealer (corrections H6) and a zero key with each other compute party
 * (corrections C1), agreed over the attempt's session. Knows nothing of what they mask.
 *
 * Both sides give 256 bits to a seed. A zero key comes from ephemeral X25519 keys that the parties' long-lived keys sign, so
 * that nobody who reads or relays the session, and never the dealer, can know it. Nothing is kept: another attempt makes
 * new ones.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  sign,
  verify,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { deriveSeed } from '../../../engine/random/streams.ts';
import { PeerError } from '../../../shared/errors.ts';
import type { Identity } from '../peers/identity.ts';
import type { ControlChannel } from './control.ts';

/** What the keys are bound to. */
export interface AttemptContext {
  readonly session: string;
  readonly agreementDigest: string;
  readonly planDigest: string;
  readonly attempt: number;
}

const KEY_BYTES = 32;
const base64 = z.base64().max(4096);
const nonceSchema = z.strictObject({ nonce: base64 });
const zeroKeySchema = z.strictObject({ ephemeral: base64, identity: base64, signature: base64 });

const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const decode = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const parts = (texts: readonly (string | number)[]): string =>
  texts.map((text) => `${String(text).length}:${text}`).join('|');

async function exchangeNonces(
  control: ControlChannel,
  peer: string,
  signal: AbortSignal,
): Promise<{ own: SecretKey; theirs: SecretKey }> {
  const own = nodeCrypto.randomBytes(KEY_BYTES);
  await control.send(peer, 'nonce', 0, { nonce: encode(own) }, signal);
  const theirs = decode((await control.receive(peer, 'nonce', 0, nonceSchema, signal)).nonce);
  if (theirs.length !== KEY_BYTES) throw malformed(peer);
  return { own: new SecretKey(own), theirs: new SecretKey(theirs) };
}

/** The seed that a compute party shares with the dealer in this attempt. */
export async function seedWithDealer(
  control: ControlChannel,
  context: AttemptContext,
  party: string,
  dealer: { readonly name: string; readonly fingerprint: string },
  signal: AbortSignal,
): Promise<SecretKey> {
  const { own, theirs } = await exchangeNonces(control, dealer.name, signal);
  return deriveSeed(nodeCrypto, own, theirs, { ...context, party, dealer: dealer.fingerprint });
}

/** The dealer's end of it. */
export async function seedWithParty(
  control: ControlChannel,
  context: AttemptContext,
  party: string,
  dealerFingerprint: string,
  signal: AbortSignal,
): Promise<SecretKey> {
  const { own, theirs } = await exchangeNonces(control, party, signal);
  return deriveSeed(nodeCrypto, theirs, own, { ...context, party, dealer: dealerFingerprint });
}

/** Pairwise keys with the other compute parties, by name. */
export async function zeroKeys(
  control: ControlChannel,
  context: AttemptContext,
  self: { readonly name: string; readonly identity: Identity },
  peers: readonly { readonly name: string; readonly fingerprint: string }[],
  signal: AbortSignal,
): Promise<Map<string, SecretKey>> {
  const longLived = createPrivateKey(self.identity.privateKeyPem.expose());
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const ephemeral = publicKey.export({ type: 'spki', format: 'der' });
  const identity = createPublicKey(longLived).export({ type: 'spki', format: 'der' });
  const keys = peers.map(async (peer): Promise<[string, SecretKey]> => {
    const signature = sign('sha256', signedText(context, self.name, peer.name, ephemeral), longLived);
    const body = { ephemeral: encode(ephemeral), identity: encode(identity), signature: encode(signature) };
    await control.send(peer.name, 'zero-key', 0, body, signal);
    const answer = await control.receive(peer.name, 'zero-key', 0, zeroKeySchema, signal);
    const shared = sharedWith(privateKey, checkedKey(context, self.name, peer, answer), peer.name);
    const transcript = [encode(ephemeral), answer.ephemeral].sort().join('|');
    const names = [self.name, peer.name].sort();
    const { session, agreementDigest, planDigest, attempt } = context;
    const info = parts(['tacit/v1/zero', session, agreementDigest, planDigest, attempt, ...names]);
    const key = nodeCrypto.deriveKey(shared, nodeCrypto.sha256(Buffer.from(transcript)), info);
    shared.erase();
    return [peer.name, key];
  });
  return new Map(await Promise.all(keys));
}

function signedText(context: AttemptContext, from: string, to: string, ephemeral: Uint8Array): Uint8Array {
  const { session, agreementDigest, planDigest, attempt } = context;
  return Buffer.from(
    parts(['tacit/v1/zero-key', session, agreementDigest, planDigest, attempt, from, to, encode(ephemeral)]),
  );
}

/** The peer's ephemeral key, once its pinned key is found to have signed it. */
function checkedKey(
  context: AttemptContext,
  self: string,
  peer: { readonly name: string; readonly fingerprint: string },
  answer: z.infer<typeof zeroKeySchema>,
): KeyObject {
  const identity = decode(answer.identity);
  const ephemeral = decode(answer.ephemeral);
  try {
    const isPinned = createHash('sha256').update(identity).digest('hex') === peer.fingerprint;
    const longLived = createPublicKey({ key: Buffer.from(identity), type: 'spki', format: 'der' });
    const text = signedText(context, peer.name, self, ephemeral);
    const key = createPublicKey({ key: Buffer.from(ephemeral), type: 'spki', format: 'der' });
    if (isPinned && verify('sha256', text, longLived, decode(answer.signature)) && key.asymmetricKeyType === 'x25519') {
      return key;
    }
  } catch {
    // Not a key: refused below.
  }
  throw new PeerError('zero-key-unproved', peer.name, `${peer.name} sent a key that its pinned key has not signed.`, {
    hint: `Ask ${peer.name} to look into its log; nothing was shared.`,
  });
}

/** OpenSSL refuses keys of low order, whose product would be zero. */
function sharedWith(privateKey: KeyObject, publicKey: KeyObject, peer: string): SecretKey {
  try {
    return new SecretKey(new Uint8Array(diffieHellman({ privateKey, publicKey })));
  } catch (cause) {
    throw new PeerError('zero-key-weak', peer, `${peer} sent a key of low order, which hides nothing.`, {
      hint: `Ask ${peer} to check its program; nothing was shared.`,
      cause,
    });
  }
}

function malformed(peer: string): PeerError {
  return new PeerError('control-malformed', peer, `${peer} sent a nonce of the wrong length.`, {
    hint: 'Use the same version of Tacit at all parties.',
  });
}
