/**
 * The first exchange of a join: everybody compares the terms, and the parties agree on fresh keys of the session to which each
 * of them contributes and which the matcher does not learn. Knows nothing of tags.
 */
import { PeerError } from '../../shared/errors.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import { SecretKey } from '../random/crypto-port.ts';
import type { JoinChannel } from './channel.ts';
import type { JoinTerms } from './terms.ts';
import { DIGEST_BYTES, NONCE_BYTES, Phase, termsDigest } from './terms.ts';

/** Begins the domain separation tag of RFC 9380; the session's salt follows. */
const SUITE = 'TACIT-V01-with-curve25519_XMD:SHA-512_ELL2_RO_';

export interface SessionKeys {
  /** Domain separation tag of the hash to the curve, with the session's salt. */
  readonly domain: Uint8Array;
  /** Key of the hashed tags. */
  readonly hashKey: SecretKey;
}

function compare(terms: JoinTerms, own: Uint8Array, peer: string, hello: Uint8Array): void {
  if (own.every((byte, i) => byte === hello[i])) return;
  throw new PeerError('join-terms-differ', peer, `${peer} has other terms for the join of ${terms.session}.`, {
    hint: 'Compare the job, the declared sizes and the versions of both sides.',
  });
}

/** Of a party with rows. */
export async function partyHello(
  terms: JoinTerms,
  self: string,
  channel: JoinChannel,
  crypto: CryptoPort,
): Promise<SessionKeys> {
  const digest = termsDigest(terms, crypto.sha256);
  const nonce = crypto.randomBytes(NONCE_BYTES);
  const hello = Uint8Array.from([...digest, ...nonce]);
  const others = terms.parties.filter((party) => party !== self);
  const { matcher } = terms;
  const outside = matcher !== undefined && !terms.parties.includes(matcher) ? [matcher] : [];
  await Promise.all([
    ...others.map((party) => channel.send(party, Phase.hello, hello)),
    ...outside.map((party) => channel.send(party, Phase.hello, digest)),
  ]);
  const nonces = new Uint8Array(terms.parties.length * NONCE_BYTES);
  nonces.set(nonce, terms.parties.indexOf(self) * NONCE_BYTES);
  await Promise.all([
    ...others.map(async (party) => {
      const received = await channel.receive(party, Phase.hello, DIGEST_BYTES + NONCE_BYTES);
      compare(terms, digest, party, received);
      nonces.set(received.subarray(DIGEST_BYTES), terms.parties.indexOf(party) * NONCE_BYTES);
    }),
    ...outside.map(async (party) =>
      compare(terms, digest, party, await channel.receive(party, Phase.hello, DIGEST_BYTES)),
    ),
  ]);
  const secret = new SecretKey(crypto.sha256(nonces));
  nonces.fill(0);
  const salt = crypto.deriveKey(secret, digest, 'tacit/v1/join/domain');
  const hashKey = crypto.deriveKey(secret, digest, 'tacit/v1/join/hash');
  const domain = Uint8Array.from([...new TextEncoder().encode(SUITE), ...salt.expose()]);
  secret.erase();
  salt.erase();
  return { domain, hashKey };
}

/** Of a matcher without rows. */
export async function matcherHello(terms: JoinTerms, channel: JoinChannel, crypto: CryptoPort): Promise<void> {
  const digest = termsDigest(terms, crypto.sha256);
  await Promise.all(terms.parties.map((party) => channel.send(party, Phase.hello, digest)));
  await Promise.all(
    terms.parties.map(async (party) =>
      compare(terms, digest, party, await channel.receive(party, Phase.hello, DIGEST_BYTES)),
    ),
  );
}
