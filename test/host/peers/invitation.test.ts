/** Pairing by invitation between real hosts, and everybody who comes with something else than a good invitation. */
import { afterEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../../shared/address.ts';
import type { Invite } from '../../../shared/invite.ts';
import { PROTOCOL_VERSION } from '../../../shared/wire.ts';
import { openSocket } from '../../../main/host/peers/dial-link.ts';
import { createIdentity } from '../../../main/host/peers/identity.ts';
import type { Identity } from '../../../main/host/peers/identity.ts';
import type { PairingQuestion } from '../../../main/host/peers/invitation-messages.ts';
import { exporterOf, proofOf } from '../../../main/host/peers/invitation-proof.ts';
import { joinByInvite } from '../../../main/host/peers/join.ts';
import { CONTROL_EVENT, FRAME_EVENT, packetParser } from '../../../main/host/peers/packets.ts';
import { INVITATION_PATH } from '../../../main/host/peers/paths.ts';
import { dialTls } from '../../../main/host/peers/tls-dial.ts';
import { SecretText } from '../../../main/host/store/secret-text.ts';
import { connected, openHost } from './hosts.ts';
import type { TestHost } from './hosts.ts';

const open: { close(): Promise<void> }[] = [];
const signal = AbortSignal.timeout(300_000);
const agree = async () => true;

async function host(name: string): Promise<TestHost> {
  const opened = await openHost(name);
  open.push(opened.links);
  return opened;
}

function inviteOf(
  inviter: TestHost,
  confirm: (question: PairingQuestion) => Promise<boolean> = agree,
  validForMs = 60_000,
) {
  return inviter.links.inviter.invite({ addresses: [inviter.address], validForMs, confirm });
}

function join(invited: TestHost, invite: Invite, confirm: (question: PairingQuestion) => Promise<boolean> = agree) {
  const { identity, links, address } = invited;
  return joinByInvite(invite, { identity, addresses: [address], confirm, pin: (peer) => links.pin(peer), signal });
}

/** A stranger at the invitation door who says what the test wants. */
async function stranger(target: TestHost, identity: Identity) {
  const address = parseAddress(target.address);
  const tls = await dialTls({ name: 'a', address, fingerprint: target.identity.fingerprint }, identity, signal);
  const socket = openSocket(tls, INVITATION_PATH, { auth: {}, parser: packetParser });
  open.push({ close: async () => void socket.disconnect() });
  const ended = new Promise<string>((resolve) => socket.on('disconnect', resolve));
  const refused = new Promise<unknown>((resolve) => socket.on(CONTROL_EVENT, resolve));
  const admitted = await new Promise<boolean>((resolve) => {
    socket.on('connect', () => resolve(true));
    socket.on('connect_error', () => resolve(false));
  });
  return { tls, socket, ended, refused, admitted };
}

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

describe('pairing', () => {
  test('both people see the other’s key and the same words, and the hosts are linked after', async () => {
    const [a, b] = [await host('a'), await host('b')];
    const questions: PairingQuestion[] = [];
    const ask = async (question: PairingQuestion) => {
      questions.push(question);
      return true;
    };
    const { invite, paired } = inviteOf(a, ask);
    expect(await join(b, invite, ask)).toEqual({
      name: 'a',
      fingerprint: a.identity.fingerprint,
      addresses: [a.address],
    });
    expect(await paired).toEqual({ name: 'b', fingerprint: b.identity.fingerprint, addresses: [b.address] });
    expect(questions.map(({ name }) => name).sort()).toEqual(['a', 'b']);
    expect(new Set(questions.map(({ fingerprint }) => fingerprint))).toEqual(
      new Set([a.identity.fingerprint, b.identity.fingerprint]),
    );
    expect(questions[0]!.words).toHaveLength(6);
    expect(questions[0]!.words).toEqual(questions[1]!.words);
    await Promise.all([connected(a, b), connected(b, a)]);
  });

  test.each([
    { who: 'the inviting', inviter: async () => false, invited: agree },
    { who: 'the invited', inviter: agree, invited: async () => false },
  ])('$who person declines: neither side pins', async ({ inviter, invited }) => {
    const [a, b] = [await host('a'), await host('b')];
    const { invite, paired } = inviteOf(a, inviter);
    await expect(join(b, invite, invited)).rejects.toMatchObject({ code: 'invitation-declined' });
    await expect(paired).rejects.toMatchObject({ code: 'invitation-declined' });
    expect([...a.book.list(), ...b.book.list()]).toEqual([]);
  });

  test('an invitation is good for one try only', async () => {
    const [a, b, c] = [await host('a'), await host('b'), await host('c')];
    const { invite, paired } = inviteOf(a);
    await Promise.all([join(b, invite), paired]);
    await expect(join(c, invite)).rejects.toMatchObject({ code: 'invitation-unknown', party: 'a' });
    expect(a.book.get(c.identity.fingerprint)).toBeUndefined();
  });

  test('a wrong secret fails, uses the invitation up, and the inviter learns of it', async () => {
    const [a, b] = [await host('a'), await host('b')];
    const { invite, paired } = inviteOf(a);
    await expect(join(b, { ...invite, secret: 'A'.repeat(43) })).rejects.toMatchObject({
      code: 'invitation-proof-wrong',
    });
    await expect(paired).rejects.toMatchObject({ code: 'invitation-proof-wrong' });
    await expect(join(b, invite)).rejects.toMatchObject({ code: 'invitation-unknown' });
  });

  test('a proof for another connection is worthless', async () => {
    const a = await host('a');
    const identity = await createIdentity('replayer');
    const { invite } = inviteOf(a);
    const [first, second] = [await stranger(a, identity), await stranger(a, identity)];
    const secret = new SecretText(invite.secret);
    const binding = {
      secret,
      inviter: a.identity.fingerprint,
      invited: identity.fingerprint,
      exporter: exporterOf(first.tls),
    };
    const proof = proofOf(binding, 'invited');
    second.socket.emit(CONTROL_EVENT, {
      step: 'ask',
      protocol: PROTOCOL_VERSION,
      id: invite.id,
      proof,
      name: 'r',
      addresses: [],
    });
    expect(await second.refused).toEqual({ step: 'refused', code: 'invitation-proof-wrong' });
  });

  test('an expired, a cancelled, an own and a foreign invitation are refused', async () => {
    const [a, b] = [await host('a'), await host('b')];
    const brief = inviteOf(a, agree, 1);
    await expect(brief.paired).rejects.toMatchObject({ code: 'invitation-expired' });
    const past = { ...brief.invite, expiresAt: new Date(0).toISOString() };
    await expect(join(b, past)).rejects.toMatchObject({ code: 'invite-expired', kind: 'input' });
    const later = { ...brief.invite, expiresAt: new Date(Date.now() + 60_000).toISOString() };
    await expect(join(b, later)).rejects.toMatchObject({ code: 'invitation-unknown' });
    const cancelled = inviteOf(a);
    cancelled.cancel();
    await expect(cancelled.paired).rejects.toMatchObject({ code: 'invitation-cancelled' });
    await expect(join(b, cancelled.invite)).rejects.toMatchObject({ code: 'invitation-unknown' });
    await expect(join(a, inviteOf(a).invite)).rejects.toMatchObject({ code: 'invite-own', kind: 'input' });
    const foreign = {
      ...inviteOf(a).invite,
      addresses: [b.address],
      fingerprint: (await createIdentity('x')).fingerprint,
    };
    await expect(join(a, foreign)).rejects.toMatchObject({ code: 'peer-key-mismatch', party: 'a' });
  });

  test('a host of another version is told so and keeps its invitation', async () => {
    const [a, b] = [await host('a'), await host('b')];
    const { invite, paired } = inviteOf(a);
    const old = await stranger(a, await createIdentity('old'));
    const ask = {
      step: 'ask',
      protocol: PROTOCOL_VERSION + 1,
      id: invite.id,
      proof: '0'.repeat(64),
      name: 'old',
      addresses: [],
    };
    old.socket.emit(CONTROL_EVENT, ask);
    expect(await old.refused).toEqual({ step: 'refused', code: 'version-mismatch' });
    await Promise.all([join(b, invite), paired]);
  });

  test('an unpinned key that sends a frame, a long message or nonsense is cut off', async () => {
    const a = await host('a');
    const identity = await createIdentity('stranger');
    // The frame is not parsed and does no harm: the socket waits for its first step as before.
    const framed = await stranger(a, identity);
    framed.socket.emit(FRAME_EVENT, Buffer.alloc(64));
    const ask = {
      step: 'ask',
      protocol: PROTOCOL_VERSION + 1,
      id: 'abcdefghijklmnop',
      proof: '0'.repeat(64),
      name: 'f',
      addresses: [],
    };
    framed.socket.emit(CONTROL_EVENT, ask);
    expect(await framed.refused).toEqual({ step: 'refused', code: 'version-mismatch' });
    const long = await stranger(a, identity);
    long.socket.emit(CONTROL_EVENT, { step: 'ask', name: 'x'.repeat(5_000) });
    expect(await long.ended).toMatch(/transport (close|error)/);
    const nonsense = await stranger(a, identity);
    nonsense.socket.emit(CONTROL_EVENT, { step: 'session-hello' });
    expect(await nonsense.ended).toBeDefined();
    expect(a.links.statuses()).toEqual([]);
  });

  test('too many tries from one address are not admitted', async () => {
    const a = await host('a');
    const identity = await createIdentity('guesser');
    const admitted: boolean[] = [];
    for (let index = 0; index < 12; index += 1) {
      const { socket, admitted: yes } = await stranger(a, identity);
      admitted.push(yes);
      socket.disconnect();
    }
    expect(admitted).toEqual([...Array(10).fill(true), false, false]);
  });
});
