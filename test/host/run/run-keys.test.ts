/** The secrets of an attempt: both ends get the same, nobody else can give them, and another attempt has others. */
import { generateKeyPairSync, createHash, sign, createPrivateKey, createPublicKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SecretKey } from '../../../engine/random/crypto-port.ts';
import { memoryNetwork } from '../../../engine/runtime/memory-transport.ts';
import { ControlChannel } from '../../../main/host/run/control.ts';
import { seedWithDealer, seedWithParty, zeroKeys } from '../../../main/host/run/run-keys.ts';
import type { AttemptContext } from '../../../main/host/run/run-keys.ts';
import { identityOf } from '../peers/hosts.ts';

const context: AttemptContext = {
  session: 's',
  agreementDigest: 'a'.repeat(64),
  planDigest: 'b'.repeat(64),
  attempt: 1,
};
const signal = AbortSignal.timeout(300_000);
const hex = (key: SecretKey | undefined): string => Buffer.from(key?.expose() ?? []).toString('hex');

async function ends(attempt: number) {
  const network = memoryNetwork(['a', 'b']);
  const [a, b] = await Promise.all([identityOf('a'), identityOf('b')]);
  const control = (name: string) => new ControlChannel(network.get(name)!, attempt);
  return { a, b, atA: control('a'), atB: control('b') };
}

async function pairwise(contextA: AttemptContext, contextB: AttemptContext) {
  const { a, b, atA, atB } = await ends(contextA.attempt);
  const own = (identity: typeof a) => ({ name: identity.name, identity });
  const peer = (identity: typeof a) => [{ name: identity.name, fingerprint: identity.fingerprint }];
  return Promise.all([
    zeroKeys(atA, contextA, own(a), peer(b), signal),
    zeroKeys(atB, contextB, own(b), peer(a), signal),
  ]);
}

describe('zero keys', () => {
  test('are the same at both parties and new in every attempt', async () => {
    const [first, second] = await pairwise(context, context);
    expect(hex(first.get('b'))).toMatch(/^[0-9a-f]{64}$/);
    expect(hex(first.get('b'))).toBe(hex(second.get('a')));
    const [again] = await pairwise(context, context);
    expect(hex(again.get('b'))).not.toBe(hex(first.get('b')));
  });

  test('of another attempt, plan or job are refused', async () => {
    for (const other of [{ planDigest: 'c'.repeat(64) }, { session: 't' }, { agreementDigest: 'd'.repeat(64) }]) {
      await expect(pairwise(context, { ...context, ...other })).rejects.toMatchObject({ code: 'zero-key-unproved' });
    }
  });

  test('signed by another key than the pinned one are refused', async () => {
    const { a, b, atA, atB } = await ends(1);
    const asked = zeroKeys(
      atA,
      context,
      { name: 'a', identity: a },
      [{ name: 'b', fingerprint: b.fingerprint }],
      signal,
    );
    // Somebody between sends a key of its own, with its own signature or with the peer's public key.
    const { publicKey } = generateKeyPairSync('x25519');
    const ephemeral = publicKey.export({ type: 'spki', format: 'der' });
    const stranger = await identityOf('c');
    const key = createPrivateKey(stranger.privateKeyPem.expose());
    const identity = createPublicKey(key).export({ type: 'spki', format: 'der' });
    expect(createHash('sha256').update(identity).digest('hex')).toBe(stranger.fingerprint);
    await atB.send('a', 'zero-key', 0, {
      ephemeral: ephemeral.toString('base64'),
      identity: identity.toString('base64'),
      signature: sign('sha256', ephemeral, key).toString('base64'),
    });
    await expect(asked).rejects.toMatchObject({ code: 'zero-key-unproved', party: 'b' });
  });
});

test('a signed key of low order is refused, its sender named', async () => {
  const { a, b, atA, atB } = await ends(1);
  const asked = zeroKeys(atA, context, { name: 'a', identity: a }, [{ name: 'b', fingerprint: b.fingerprint }], signal);
  const { publicKey } = generateKeyPairSync('x25519');
  const ephemeral = publicKey.export({ type: 'spki', format: 'der' });
  // the coordinate 0
  ephemeral.fill(0, ephemeral.length - 32);
  const key = createPrivateKey(b.privateKeyPem.expose());
  const { session, agreementDigest, planDigest, attempt } = context;
  const encoded = ephemeral.toString('base64');
  const text = ['tacit/v1/zero-key', session, agreementDigest, planDigest, attempt, 'b', 'a', encoded]
    .map((part) => `${String(part).length}:${part}`)
    .join('|');
  await atB.send('a', 'zero-key', 0, {
    ephemeral: encoded,
    identity: createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64'),
    signature: sign('sha256', Buffer.from(text), key).toString('base64'),
  });
  await expect(asked).rejects.toMatchObject({ kind: 'peer', code: 'zero-key-weak', party: 'b' });
});

test('a seed is the same at party and dealer, and differs by attempt', async () => {
  const seeds = async (attempt: number): Promise<[string, string]> => {
    const { b, atA, atB } = await ends(attempt);
    const here = { ...context, attempt };
    const both = await Promise.all([
      seedWithDealer(atA, here, 'a', { name: 'b', fingerprint: b.fingerprint }, signal),
      seedWithParty(atB, here, 'a', b.fingerprint, signal),
    ]);
    return [hex(both[0]), hex(both[1])];
  };
  const [party, dealer] = await seeds(1);
  expect(party).toBe(dealer);
  expect((await seeds(2))[0]).not.toBe(party);
});

test('a control message that makes no sense names its sender', async () => {
  const { atA, atB, b } = await ends(1);
  const seed = seedWithDealer(atA, context, 'a', { name: 'b', fingerprint: b.fingerprint }, signal);
  await atB.send('a', 'nonce', 0, { nonce: 'c2hvcnQ=' });
  await expect(seed).rejects.toMatchObject({ code: 'control-malformed', party: 'b' });
});
