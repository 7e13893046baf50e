/** Sessions over real links: agreement on terms, losing connections, peers that misbehave, ending. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  CHUNK_BYTES,
  FRAME_HEADER_BYTES,
  MAX_BYTES_IN_FLIGHT,
  MAX_FRAMES_IN_FLIGHT,
  writeFrameHeader,
} from '../../../shared/wire.ts';
import type { Control, FrameHeader } from '../../../shared/wire.ts';
import { Inbox } from '../../../engine/runtime/inbox.ts';
import type { MessageKey } from '../../../engine/runtime/transport.ts';
import type { Connection } from '../../../main/host/peers/connection.ts';
import { dialLink } from '../../../main/host/peers/dial-link.ts';
import { IncomingLane } from '../../../main/host/peers/incoming-lane.ts';
import { sessionTag } from '../../../main/host/peers/links.ts';
import type { LinksOptions } from '../../../main/host/peers/links.ts';
import type { Session, SessionOptions } from '../../../main/host/peers/session.ts';
import { parseAddress } from '../../../shared/address.ts';
import { cuttingProxy } from './cutting-proxy.ts';
import { connected, identityOf, linkState, membersOf, openHost, pair, pairAll, sessionOn } from './hosts.ts';
import type { TestHost } from './hosts.ts';

const open: { close(): Promise<void> }[] = [];
const key = (execution: number, round = 0): MessageKey => ({ attempt: 0, execution, round });

async function host(name: string, options: Partial<LinksOptions> = {}): Promise<TestHost> {
  const opened = await openHost(name, options);
  open.push(opened.links);
  return opened;
}

async function linked(...names: string[]): Promise<TestHost[]> {
  const hosts = await Promise.all(names.map((name) => host(name)));
  pairAll(hosts);
  return hosts;
}

function bytes(length: number, seed: number): Buffer {
  return Buffer.alloc(length, Buffer.from([seed, seed + 1, seed * 3, 7, 11, 13, 17]));
}

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

describe('agreement on terms', () => {
  const cases = [
    { code: 'job-mismatch', other: { jobDigest: 'c'.repeat(64) } },
    { code: 'plan-mismatch', other: { planDigest: 'c'.repeat(64) } },
  ];
  test.each(cases)('$code ends the session at both, the other named', async ({ code, other }) => {
    const hosts = await linked('a', 'b');
    const [a, b] = [sessionOn(hosts[0]!, hosts), sessionOn(hosts[1]!, hosts, other)];
    const outcomes = await Promise.allSettled([a.ready(), b.ready()]);
    const errors = outcomes.map((each) =>
      each.status === 'rejected' ? (each.reason as { code: string; party: string }) : undefined,
    );
    expect(errors[0]).toMatchObject({ party: 'b' });
    expect(errors[1]).toMatchObject({ party: 'a' });
    // Whichever compares first tells the other the code.
    expect(errors.map((each) => each!.code)).toContain(code);
    for (const each of errors) expect([code, 'peer-aborted']).toContain(each!.code);
    await expect(a.receive('b', key(0), 1)).rejects.toMatchObject({ party: 'b' });
  });

  test('a party behind by an attempt is told so, and the one ahead waits for it', async () => {
    const hosts = await linked('a', 'b');
    const [behind, ahead] = [sessionOn(hosts[0]!, hosts), sessionOn(hosts[1]!, hosts, { attempt: 3 })];
    await expect(behind.ready()).rejects.toMatchObject({ code: 'attempt-over', party: 'b', attempt: 3 });
    const again = sessionOn(hosts[0]!, hosts, { attempt: 3 });
    await Promise.all([again.ready(), ahead.ready()]);
  });

  test('another role or name for the same key is refused', async () => {
    const hosts = await linked('a', 'b');
    const members = membersOf(hosts);
    const a = sessionOn(hosts[0]!, hosts);
    sessionOn(hosts[1]!, hosts, { members: { ...members, b: { ...members.b!, role: 'dealer' } } });
    await expect(a.ready()).rejects.toMatchObject({ party: 'b' });
    const again = sessionOn(hosts[0]!, hosts, { session: 'session-2' });
    const { a: memberA, b: memberB } = members;
    const renamed = sessionOn(hosts[1]!, hosts, {
      session: 'session-2',
      self: 'z',
      members: { a: memberA!, z: memberB! },
    });
    const outcomes = await Promise.allSettled([again.ready(), renamed.ready()]);
    expect(JSON.stringify(outcomes)).toContain('party-mismatch');
  });

  test('a party that has not opened the session is waited for, by name', async () => {
    const hosts = await linked('a', 'b');
    const a = sessionOn(hosts[0]!, hosts);
    await linkState(hosts[0]!, hosts[1]!, ({ state }) => state === 'connected');
    const early = a.receive('b', key(0), 3);
    const sent = a.send('b', key(0), bytes(3, 1));
    expect(a.waiting()).toEqual([
      { party: 'b', step: 'waiting for b to open the session', sinceMs: expect.any(Number) as number },
    ]);
    const b = sessionOn(hosts[1]!, hosts);
    await Promise.all([a.ready(), b.ready(), sent]);
    await b.send('a', key(0), bytes(3, 2));
    expect(Buffer.compare(await early, bytes(3, 2))).toBe(0);
    const next = b.receive('a', key(1), 1);
    expect(b.waiting()).toMatchObject([{ party: 'a', step: 'waiting for a: round 0 of execution 1, attempt 0' }]);
    await a.send('b', key(1), bytes(1, 1));
    await next;
    expect(b.waiting()).toEqual([]);
  });

  test('a session needs paired peers and is opened once', async () => {
    const [a, b] = [await host('a'), await host('b')];
    expect(() => sessionOn(a, [a, b])).toThrow(expect.objectContaining({ code: 'peer-not-pinned' }) as Error);
    pair(a, b);
    sessionOn(a, [a, b]);
    expect(() => sessionOn(a, [a, b])).toThrow(expect.objectContaining({ code: 'session-open' }) as Error);
  });
});

describe('lost connections', () => {
  test('everything arrives once and in full although the connection is cut again and again', async () => {
    const [a, b] = [await host('a'), await host('b')];
    const proxy = await cuttingProxy(b.address, 6_000_000);
    open.push(proxy);
    a.links.pin({ fingerprint: b.identity.fingerprint, name: 'b', addresses: [proxy.address] });
    b.links.pin({ fingerprint: a.identity.fingerprint, name: 'a', addresses: [] });
    const sessions = [sessionOn(a, [a, b]), sessionOn(b, [a, b])] as [Session, Session];
    const lengths = [3_000_000, 0, 17, 2_500_001, 1024 * 1024, 4_000_000, 1, 2_000_000];
    const exchange = async (self: Session, peer: string, seed: number) => {
      await Promise.all(lengths.map((length, index) => self.send(peer, key(index), bytes(length, seed + index))));
      for (const [index, length] of lengths.entries()) {
        const got = await self.receive(peer, key(index), length);
        expect(Buffer.compare(got, bytes(length, 100 - seed + index))).toBe(0);
      }
    };
    await Promise.all([exchange(sessions[0], 'b', 30), exchange(sessions[1], 'a', 70)]);
    expect(proxy.cuts).toBeGreaterThan(1);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    for (const [session, peer] of [
      [sessions[0], 'b'],
      [sessions[1], 'a'],
    ] as const) {
      expect(session.counters(peer)).toEqual({
        bytesSent: total,
        bytesReceived: total,
        messagesSent: lengths.length,
        messagesReceived: lengths.length,
      });
    }
  });

  test('many small rounds go on across cuts, three hosts', async () => {
    const hosts = [await host('a'), await host('b'), await host('c')] as const;
    const proxies = await Promise.all(hosts.map(({ address }) => cuttingProxy(address)));
    open.push(...proxies);
    for (const self of hosts) {
      for (const [index, peer] of hosts.entries()) {
        const { identity, name } = peer;
        if (peer !== self)
          self.links.pin({ fingerprint: identity.fingerprint, name, addresses: [proxies[index]!.address] });
      }
    }
    const sessions = hosts.map((each) => sessionOn(each, hosts));
    await Promise.all(sessions.map((session) => session.ready()));
    await Promise.all(
      sessions.map(async (session, party) => {
        for (let round = 0; round < 300; round += 1) {
          if (round % 75 === 74) proxies[party]!.cut();
          const payload = bytes(40, (round + 50 * party) % 200);
          const received = await Promise.all(
            session.peers.map(async (peer) => {
              await session.send(peer, key(1, round), payload);
              return session.receive(peer, key(1, round), 40);
            }),
          );
          for (const [index, peer] of session.peers.entries()) {
            const sender = hosts.findIndex(({ name }) => name === peer);
            expect(Buffer.compare(received[index]!, bytes(40, (round + 50 * sender) % 200))).toBe(0);
          }
        }
      }),
    );
    expect(proxies.some(({ cuts }) => cuts > 0)).toBe(true);
  });

  /** Two hosts with sessions, whose only way to each other the test can cut for good. */
  async function separable(patienceMs: number) {
    const [a, b] = [await host('a'), await host('b')];
    const proxy = await cuttingProxy(b.address);
    open.push(proxy);
    a.links.pin({ fingerprint: b.identity.fingerprint, name: 'b', addresses: [proxy.address] });
    b.links.pin({ fingerprint: a.identity.fingerprint, name: 'a', addresses: [] });
    // The patience counts from the opening of the session.
    await Promise.all([connected(a, b), connected(b, a)]);
    const sessions = [sessionOn(a, [a, b], { patienceMs }), sessionOn(b, [a, b])] as const;
    await Promise.all(sessions.map((session) => session.ready()));
    return { a, b, session: sessions[0], proxy };
  }

  test('a peer that stays away ends the session after the patience, with the step that failed', async () => {
    const { session, proxy } = await separable(3_000);
    await proxy.close();
    await expect(session.receive('b', key(0), 1)).rejects.toMatchObject({ code: 'peer-unreachable', party: 'b' });
  });

  test('a peer that lost its memory of the attempt is told from one that lost its connection', async () => {
    const { a, b, session, proxy } = await separable(60_000);
    await proxy.close();
    await linkState(a, b, ({ state }) => state === 'reconnecting');
    const again = await host('b', { book: b.book, identity: b.identity });
    sessionOn(again, [a, again]);
    a.links.pin({ fingerprint: b.identity.fingerprint, name: 'b', addresses: [again.address] });
    await expect(session.receive('b', key(0), 1)).rejects.toMatchObject({
      code: 'attempt-over',
      party: 'b',
      attempt: 1,
    });
  });

  test('what a session waits for names no address: other members are told of it', async () => {
    const [a, b] = [await host('a'), await host('b')];
    await b.links.close();
    a.links.pin({ fingerprint: b.identity.fingerprint, name: 'b', addresses: [b.address] });
    const session = sessionOn(a, [a, b]);
    const ended = expect(session.ready()).rejects.toMatchObject({ party: 'a' });
    await linkState(a, b, ({ state }) => state === 'unreachable');
    expect(session.waiting()).toMatchObject([{ party: 'b', step: 'waiting for b: peer-unreachable' }]);
    session.abort('cancelled');
    await ended;
  });

  test('a host that closes its links ends its sessions and says so', async () => {
    const hosts = [await host('a'), await host('b')];
    // Only one dials: a last word may be lost while two connections are being compared.
    pair(hosts[0]!, hosts[1]!, 'left');
    const [a, b] = [sessionOn(hosts[0]!, hosts), sessionOn(hosts[1]!, hosts)];
    await Promise.all([a.ready(), b.ready()]);
    const told = expect(a.receive('b', key(0), 1)).rejects.toMatchObject({ code: 'peer-aborted', party: 'b' });
    const ended = expect(b.receive('a', key(0), 1)).rejects.toMatchObject({ code: 'host-closed' });
    await hosts[1]!.links.close();
    await Promise.all([told, ended]);
  });

  test('a wrong key at the address ends a waiting session at once', async () => {
    const [a, b, mallory] = [await host('a'), await host('b'), await host('mallory')];
    a.links.pin({ fingerprint: b.identity.fingerprint, name: 'b', addresses: [mallory.address] });
    await expect(sessionOn(a, [a, b]).ready()).rejects.toMatchObject({ code: 'peer-key-mismatch', party: 'b' });
  });
});

describe('ending', () => {
  test('a party that aborts is named at the others, with its code', async () => {
    const hosts = await linked('a', 'b', 'c');
    const abort = new AbortController();
    const a = sessionOn(hosts[0]!, hosts, { signal: abort.signal });
    const [b, c] = [sessionOn(hosts[1]!, hosts), sessionOn(hosts[2]!, hosts)];
    await Promise.all([a, b, c].map((session) => session.ready()));
    const waits = [a.receive('b', key(0), 1), b.receive('c', key(0), 1), c.receive('a', key(0), 1)];
    const outcomes = Promise.allSettled(waits);
    abort.abort();
    const errors = (await outcomes).map((each) => (each.status === 'rejected' ? (each.reason as Error) : undefined));
    expect(errors[0]).toMatchObject({ code: 'session-aborted', party: 'a' });
    expect(errors[1]).toMatchObject({ code: 'peer-aborted' });
    expect(errors[2]).toMatchObject({ code: 'peer-aborted' });
    expect(errors.slice(1).map((each) => each!.message)).toContain('a ended the session: cancelled.');
  });

  test('a revoked peer’s session ends by name', async () => {
    const hosts = await linked('a', 'b');
    const [a, b] = [sessionOn(hosts[0]!, hosts), sessionOn(hosts[1]!, hosts)];
    await Promise.all([a.ready(), b.ready()]);
    const waiting = expect(a.receive('b', key(0), 1)).rejects.toMatchObject({ party: 'b' });
    hosts[0]!.links.revoke(hosts[1]!.identity.fingerprint);
    await waiting;
    await expect(b.receive('a', key(0), 1)).rejects.toMatchObject({ party: 'a' });
  });

  test('two sessions share a link and do not hear each other', async () => {
    const hosts = await linked('a', 'b');
    const first = hosts.map((each) => sessionOn(each, hosts));
    const second = hosts.map((each) => sessionOn(each, hosts, { session: 'session-2' }));
    await Promise.all([...first, ...second].map((session) => session.ready()));
    await first[0]!.send('b', key(0), bytes(9, 1));
    await second[0]!.send('b', key(0), bytes(9, 2));
    expect(Buffer.compare(await second[1]!.receive('a', key(0), 9), bytes(9, 2))).toBe(0);
    second[0]!.abort('cancelled');
    await expect(second[1]!.receive('a', key(1), 1)).rejects.toMatchObject({ code: 'peer-aborted' });
    expect(Buffer.compare(await first[1]!.receive('a', key(0), 9), bytes(9, 1))).toBe(0);
    expect(hosts[0]!.links.statuses()).toHaveLength(1);
  });

  test('an attempt may follow another on the same link', async () => {
    const hosts = await linked('a', 'b');
    for (const attempt of [0, 1, 2]) {
      const sessions = hosts.map((each) => sessionOn(each, hosts, { attempt }));
      await Promise.all(sessions.map((session) => session.ready()));
      await sessions[0]!.send('b', key(0), bytes(5, attempt));
      expect(Buffer.compare(await sessions[1]!.receive('a', key(0), 5), bytes(5, attempt))).toBe(0);
      if (attempt === 1) sessions[0]!.abort('rollback');
      await Promise.all(sessions.map((session) => session.close()));
    }
  });
});

describe('peers that misbehave', () => {
  /** A paired host `b` whose connection the test drives by hand. */
  async function puppet(
    onControl: (control: Control) => void = () => {},
    options: Partial<SessionOptions> = {},
  ): Promise<{ a: TestHost; session: Session; connection: Connection; greet(): Promise<void> }> {
    const a = await host('a');
    const identity = await identityOf('b');
    a.links.pin({ fingerprint: identity.fingerprint, name: 'b', addresses: [] });
    const target = { name: 'a', address: parseAddress(a.address), fingerprint: a.identity.fingerprint };
    const connection = await dialLink(target, identity, 'puppet', AbortSignal.timeout(60_000));
    open.push({ close: async () => connection.close() });
    const members = { ...membersOf([a]), b: { fingerprint: identity.fingerprint, role: 'compute' } };
    const session = sessionOn(a, [a], { members, ...options });
    const greet = async () => {
      const body = {
        session: 'session-1',
        attempt: 0,
        instance: '0'.repeat(32),
        party: 'b',
        role: 'compute',
        jobDigest: 'a'.repeat(64),
        planDigest: 'b'.repeat(64),
        received: { rounds: 0, material: 0 },
        answer: true,
      };
      connection.start({ onFrame: () => {}, onControl, onEnd: () => {} });
      connection.control({ name: 'session-hello', body });
      await session.ready();
    };
    return { a, session, connection, greet };
  }

  function frame(changes: Partial<FrameHeader>, payload = Buffer.alloc(0)): Buffer {
    const result = Buffer.alloc(FRAME_HEADER_BYTES + payload.byteLength);
    const header: FrameHeader = {
      type: 'data',
      lane: 'rounds',
      sessionTag: sessionTag('session-1', 0),
      sequence: 0,
      acknowledged: 0,
      attempt: 0,
      execution: 0,
      round: 0,
      chunk: 0,
      chunks: 1,
      totalBytes: payload.byteLength,
      ...changes,
    };
    writeFrameHeader(result, header);
    payload.copy(result, FRAME_HEADER_BYTES);
    return result;
  }

  const one = Buffer.from([1]);
  const cases = [
    { what: 'random bytes', frames: [Buffer.alloc(200, 0xa5)], code: 'frame-malformed' },
    { what: 'a short frame', frames: [Buffer.alloc(3)], code: 'frame-malformed' },
    { what: 'a wrong chunk length', frames: [frame({ totalBytes: 2 }, one)], code: 'frame-malformed' },
    { what: 'a giant length', frames: [frame({ totalBytes: 2 ** 40, chunks: 2 ** 20 }, one)], code: 'frame-malformed' },
    { what: 'a gap in the sequence', frames: [frame({ sequence: 1 }, one)], code: 'frame-out-of-order' },
    { what: 'a changed duplicate', frames: [frame({}, one), frame({}, Buffer.from([2]))], code: 'frame-changed' },
    {
      what: 'a key used twice',
      frames: [frame({}, one), frame({ sequence: 1 }, Buffer.from([2]))],
      code: 'message-key-reused',
    },
    {
      what: 'an acknowledgement of nothing sent',
      frames: [frame({ acknowledged: 5 }, one)],
      code: 'acknowledged-too-much',
    },
    { what: 'a frame of an unknown session', frames: [frame({ sessionTag: 42 }, one)], code: 'session-unknown' },
  ];
  test.each(cases)('$what ends the session, the peer named ($code)', async ({ frames, code }) => {
    const { session, connection, greet } = await puppet();
    await greet();
    for (const each of frames) connection.send(each);
    await expect(session.receive('b', key(9), 1)).rejects.toMatchObject({ code, party: 'b' });
  });

  test('an identical duplicate is dropped', async () => {
    const { session, connection, greet } = await puppet();
    await greet();
    for (const each of [
      frame({}, one),
      frame({}, one),
      frame({ sequence: 1 }, one),
      frame({ sequence: 2, round: 1 }, one),
    ]) {
      connection.send(each);
    }
    await session.receive('b', key(0, 1), 1);
    expect(session.counters('b')).toMatchObject({ messagesReceived: 1, bytesReceived: 1 });
    await session.receive('b', key(0), 1);
  });

  test('malformed control messages end the session too', async () => {
    const { session, connection, greet } = await puppet();
    await greet();
    connection.control({ name: 'session-end', body: { session: '', attempt: -1, code: 'Not A Code' } });
    await expect(session.receive('b', key(9), 1)).rejects.toMatchObject({ code: 'control-malformed', party: 'b' });
  });

  test('messages that nobody asked for, without waiting for room', async () => {
    const { session, connection, greet } = await puppet();
    await greet();
    const chunk = Buffer.alloc(CHUNK_BYTES);
    // As many as are held unread, and as many as may be on their way; the next one is too much.
    for (let sequence = 0; sequence < 2 * (MAX_BYTES_IN_FLIGHT / CHUNK_BYTES) + 2; sequence++) {
      connection.send(frame({ sequence, round: sequence }, chunk));
    }
    await expect(session.receive('b', key(9), 1)).rejects.toMatchObject({ code: 'window-exceeded', party: 'b' });
  });

  test('empty messages that nobody asked for take room too', async () => {
    const { session, connection, greet } = await puppet(undefined, { queueBytes: 64 * 1024 });
    await greet();
    for (let sequence = 0; sequence < 2 * MAX_FRAMES_IN_FLIGHT; sequence++)
      connection.send(frame({ sequence, round: sequence }));
    await expect(session.receive('b', key(9), 1)).rejects.toMatchObject({ code: 'window-exceeded', party: 'b' });
  });

  test('pings without end', async () => {
    const { session, connection, greet } = await puppet();
    await greet();
    for (let number = 0; number < 3_001; number++) connection.send(frame({ type: 'ping', sessionTag: 0, chunks: 0 }));
    await expect(session.receive('b', key(9), 1)).rejects.toMatchObject({ code: 'too-many-messages', party: 'b' });
  });

  test('whoever goes on with a session that has ended is told so once', async () => {
    const ends: Control[] = [];
    const answered = Promise.withResolvers<void>();
    const { session, connection, greet } = await puppet((control) => {
      if (control.name === 'session-end') ends.push(control);
      if (control.name === 'talk') answered.resolve();
    });
    await greet();
    session.abort('cancelled');
    for (let sequence = 0; sequence < 10; sequence++) connection.send(frame({ sequence, round: sequence }, one));
    // What is answered after them was answered later.
    connection.control({ name: 'talk', body: { what: 'question', number: 1, part: 0, parts: 1, text: '{}' } });
    await answered.promise;
    expect(ends).toHaveLength(2);
  });

  test('a message for which there is no memory', () => {
    const lane = new IncomingLane('rounds', new Inbox('b', () => {}), 1);
    const totalBytes = Number.MAX_SAFE_INTEGER;
    const header = { type: 'data', lane: 'rounds', sessionTag: 1, sequence: 0, acknowledged: 0, totalBytes } as const;
    const place = { attempt: 0, execution: 0, round: 0, chunk: 0, chunks: 2 };
    expect(lane.take({ ...header, ...place }, Buffer.alloc(FRAME_HEADER_BYTES))).toBe('message-too-large');
  });

  test('frames before the hello are not taken', async () => {
    const { session, connection, greet } = await puppet();
    connection.send(frame({}, one));
    await greet();
    connection.send(frame({}, Buffer.from([2])));
    expect([...(await session.receive('b', key(0), 1))]).toEqual([2]);
  });
});
