/**
 * What every Transport must do, whatever carries it. Knows nothing of the implementations; see the tests beside it.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { MessageKey, Transport } from '../../../engine/runtime/transport.ts';

export interface Network {
  readonly transports: ReadonlyMap<string, Transport>;
  /** Ends everything that was opened for it; called after the transports are closed. */
  close(): Promise<void>;
}

export interface NetworkOptions {
  /** Bytes on their way or unread per direction above which `send` may wait. */
  readonly queueBytes?: number;
}

export type MakeNetwork = (parties: readonly string[], options?: NetworkOptions) => Promise<Network>;

const key = (execution: number, round = 0, attempt = 0): MessageKey => ({ attempt, execution, round });

/** Bytes that depend on the seed and the position; any two seeds below 251 differ. */
function bytes(length: number, seed: number): Uint8Array {
  const result = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) result[index] = (seed + index * 7 + (index >>> 8)) % 251;
  return result;
}

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.byteLength).toBe(expected.byteLength);
  expect(Buffer.compare(actual, expected)).toBe(0);
}

export function transportCompliance(name: string, makeNetwork: MakeNetwork): void {
  describe(`transport: ${name}`, () => {
    let network: Network | undefined;

    async function open(parties: readonly string[], options?: NetworkOptions): Promise<Transport[]> {
      network = await makeNetwork(parties, options);
      return parties.map((party) => network!.transports.get(party)!);
    }

    afterEach(async () => {
      const opened = network;
      network = undefined;
      if (opened === undefined) return;
      await Promise.all([...opened.transports.values()].map((transport) => transport.close()));
      await opened.close();
    });

    test('names itself and its peers', async () => {
      const [a, b] = await open(['a', 'b', 'c']);
      expect(a!.self).toBe('a');
      expect([...a!.peers].sort()).toEqual(['b', 'c']);
      expect([...b!.peers].sort()).toEqual(['a', 'c']);
    });

    test('a receiver may come before or after its message', async () => {
      const [a, b] = await open(['a', 'b']);
      const early = b!.receive('a', key(0), 5);
      await a!.send('b', key(0), bytes(5, 1));
      expectSame(await early, bytes(5, 1));
      await a!.send('b', key(1), bytes(6, 2));
      await a!.send('b', key(2), bytes(7, 3));
      expectSame(await b!.receive('a', key(1), 6), bytes(6, 2));
      expectSame(await b!.receive('a', key(2), undefined), bytes(7, 3));
    });

    test('receivers of many keys at once each get their own message', async () => {
      const [a, b] = await open(['a', 'b']);
      const rounds = [...Array(50).keys()];
      const received = rounds.map((round) => b!.receive('a', key(3, round), round));
      await Promise.all(rounds.reverse().map((round) => a!.send('b', key(3, round), bytes(round, round))));
      for (const [round, payload] of (await Promise.all(received)).entries()) expectSame(payload, bytes(round, round));
    });

    test('the bytes received are the receiver’s own', async () => {
      const [a, b, c] = await open(['a', 'b', 'c']);
      const payload = bytes(64, 9);
      await Promise.all([a!.send('b', key(0), payload), a!.send('c', key(0), payload)]);
      const atB = await b!.receive('a', key(0), 64);
      atB.fill(0);
      expectSame(await c!.receive('a', key(0), 64), bytes(64, 9));
      expectSame(payload, bytes(64, 9));
    });

    test('a Buffer may be sent and changed as soon as it was accepted', async () => {
      const [a, b] = await open(['a', 'b']);
      const buffer = Buffer.from(bytes(64, 3));
      await a!.send('b', key(0), buffer);
      buffer.fill(0);
      expectSame(await b!.receive('a', key(0), 64), bytes(64, 3));
    });

    test('sends a part of a larger, shared memory', async () => {
      const [a, b] = await open(['a', 'b']);
      const shared = new Uint8Array(new SharedArrayBuffer(4096));
      shared.set(bytes(4096, 5));
      await a!.send('b', key(0), shared.subarray(13, 1013));
      expectSame(await b!.receive('a', key(0), 1000), bytes(4096, 5).subarray(13, 1013));
    });

    test('a message of another length is refused and the peer named', async () => {
      const [a, b] = await open(['a', 'b']);
      await a!.send('b', key(0), bytes(8, 1));
      await expect(b!.receive('a', key(0), 16)).rejects.toMatchObject({ code: 'message-length', party: 'a' });
      const waiting = expect(b!.receive('a', key(1), 16)).rejects.toMatchObject({ code: 'message-length', party: 'a' });
      await a!.send('b', key(1), bytes(17, 1));
      await waiting;
    });

    test('the same bytes under the same key are a resend and arrive once', async () => {
      const [a, b] = await open(['a', 'b']);
      await a!.send('b', key(0), bytes(32, 1));
      await a!.send('b', key(0), bytes(32, 1));
      expectSame(await b!.receive('a', key(0), 32), bytes(32, 1));
      await a!.send('b', key(0), bytes(32, 1));
      await a!.send('b', key(1), bytes(8, 2));
      expectSame(await b!.receive('a', key(1), 8), bytes(8, 2));
      expect(a!.counters('b')).toMatchObject({ bytesSent: 40, messagesSent: 2 });
      expect(b!.counters('a')).toMatchObject({ bytesReceived: 40, messagesReceived: 2 });
    });

    test('other bytes under a used key are refused', async () => {
      const [a, b] = await open(['a', 'b']);
      await a!.send('b', key(0), bytes(32, 1));
      await expect(a!.send('b', key(0), bytes(32, 2))).rejects.toMatchObject({
        code: 'message-key-reused',
        party: 'b',
      });
      await expect(a!.send('b', key(0), bytes(31, 1))).rejects.toMatchObject({ code: 'message-key-reused' });
      expectSame(await b!.receive('a', key(0), 32), bytes(32, 1));
      await expect(a!.send('b', key(0), bytes(32, 3))).rejects.toMatchObject({ code: 'message-key-reused' });
      expect(a!.counters('b')).toMatchObject({ bytesSent: 32, messagesSent: 1 });
    });

    test('attempt, execution and round all tell keys apart', async () => {
      const [a, b] = await open(['a', 'b']);
      const keys = [
        key(0, 0, 0),
        key(1, 0, 0),
        key(0, 1, 0),
        key(0, 0, 1),
        key(0, -1, 0),
        key(0xffff_ffff, 0x7fff_ffff, 0xffff_ffff),
      ];
      for (const [index, each] of keys.entries()) await a!.send('b', each, bytes(4, index));
      for (const [index, each] of keys.entries()) expectSame(await b!.receive('a', each, 4), bytes(4, index));
    });

    test('a key that cannot be written on the wire is refused', async () => {
      const [a] = await open(['a', 'b']);
      for (const bad of [key(-1), key(0.5), key(0, 2 ** 31), key(2 ** 32), key(0, 0, -1), key(Number.NaN)]) {
        await expect(a!.send('b', bad, bytes(1, 0))).rejects.toMatchObject({ code: 'message-key-invalid' });
      }
    });

    test('an unknown party is refused', async () => {
      const [a] = await open(['a', 'b']);
      await expect(a!.send('z', key(0), bytes(1, 0))).rejects.toMatchObject({ code: 'transport-peer-unknown' });
      await expect((async () => a!.receive('a', key(0), 1))()).rejects.toMatchObject({
        code: 'transport-peer-unknown',
      });
      expect(() => a!.counters('z')).toThrow(expect.objectContaining({ code: 'transport-peer-unknown' }) as Error);
    });

    test('a waiting receiver ends with the reason of its signal, others go on', async () => {
      const [a, b] = await open(['a', 'b']);
      const abort = new AbortController();
      const reason = new Error('cancelled by a person');
      const cancelled = expect(b!.receive('a', key(0), 4, abort.signal)).rejects.toThrow('cancelled by a person');
      const patient = b!.receive('a', key(1), 4);
      abort.abort(reason);
      await cancelled;
      await expect(b!.receive('a', key(2), 4, abort.signal)).rejects.toThrow('cancelled by a person');
      await expect(b!.send('a', key(2), bytes(4, 1), abort.signal)).rejects.toThrow('cancelled by a person');
      await a!.send('b', key(1), bytes(4, 1));
      expectSame(await patient, bytes(4, 1));
      await a!.send('b', key(0), bytes(4, 2));
      expectSame(await b!.receive('a', key(0), 4), bytes(4, 2));
    });

    test('a sender that runs ahead waits for its receiver, and nothing is lost', async () => {
      const queueBytes = 1024 * 1024;
      const [a, b] = await open(['a', 'b'], { queueBytes });
      const messages = 24;
      const length = 512 * 1024;
      let accepted = 0;
      const sent = [...Array(messages).keys()].map((index) =>
        a!.send('b', key(index, -1), bytes(length, index)).then(() => {
          accepted += 1;
        }),
      );
      // A round of its own passes a full lane of material, in both directions.
      await Promise.all([a!.send('b', key(0), bytes(9, 1)), b!.send('a', key(0), bytes(9, 2))]);
      expectSame(await b!.receive('a', key(0), 9), bytes(9, 1));
      expectSame(await a!.receive('b', key(0), 9), bytes(9, 2));
      expect(accepted).toBeLessThan(messages);
      for (let index = 0; index < messages; index += 1) {
        expectSame(await b!.receive('a', key(index, -1), length), bytes(length, index));
      }
      await Promise.all(sent);
      expect(accepted).toBe(messages);
    });

    test('a sender that waits for room ends with the reason of its signal', async () => {
      const [a, b] = await open(['a', 'b'], { queueBytes: 64 * 1024 });
      const abort = new AbortController();
      const sends = [...Array(40).keys()].map((index) =>
        a!.send('b', key(index), bytes(64 * 1024, index), abort.signal),
      );
      const outcomes = Promise.allSettled(sends);
      await sends[0];
      await b!.receive('a', key(0), 64 * 1024);
      abort.abort(new Error('enough'));
      const reasons = (await outcomes).flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : []));
      expect(reasons.length).toBeGreaterThan(0);
      for (const reason of reasons) expect(reason).toContain('enough');
    });

    test('empty messages', async () => {
      const [a, b] = await open(['a', 'b']);
      const early = b!.receive('a', key(0), 0);
      await a!.send('b', key(0), new Uint8Array(0));
      expect((await early).byteLength).toBe(0);
      await expect(a!.send('b', key(0), bytes(1, 0))).rejects.toMatchObject({ code: 'message-key-reused' });
      expect(a!.counters('b')).toMatchObject({ bytesSent: 0, messagesSent: 1 });
      expect(b!.counters('a')).toMatchObject({ bytesReceived: 0, messagesReceived: 1 });
    });

    test('one large message each way at the same time, larger than the queue', async () => {
      const [a, b] = await open(['a', 'b'], { queueBytes: 1024 * 1024 });
      const length = 20_000_003;
      const [fromA, fromB] = [bytes(length, 1), bytes(length, 2)];
      const [, , atA, atB] = await Promise.all([
        a!.send('b', key(0), fromA),
        b!.send('a', key(0), fromB),
        a!.receive('b', key(0), length),
        b!.receive('a', key(0), length),
      ]);
      expectSame(atA, fromB);
      expectSame(atB, fromA);
    });

    test.each([2, 3, 4])('%i parties exchange many small rounds, counters exact', async (parties) => {
      const names = ['a', 'b', 'c', 'd'].slice(0, parties);
      const transports = await open(names);
      const rounds = 200;
      const length = 96;
      await Promise.all(
        transports.map(async (transport, party) => {
          for (let round = 0; round < rounds; round += 1) {
            const payload = bytes(length, party * 61 + (round % 60));
            const [, received] = await Promise.all([
              Promise.all(transport.peers.map((peer) => transport.send(peer, key(7, round), payload))),
              Promise.all(transport.peers.map((peer) => transport.receive(peer, key(7, round), length))),
            ]);
            for (const [index, peer] of transport.peers.entries()) {
              expectSame(received[index]!, bytes(length, names.indexOf(peer) * 61 + (round % 60)));
            }
          }
        }),
      );
      for (const transport of transports) {
        for (const peer of transport.peers) {
          expect(transport.counters(peer)).toEqual({
            bytesSent: rounds * length,
            bytesReceived: rounds * length,
            messagesSent: rounds,
            messagesReceived: rounds,
          });
        }
      }
    });

    test('what was accepted still arrives after the sender has closed; further receivers are told who left', async () => {
      const [a, b] = await open(['a', 'b']);
      await a!.send('b', key(0), bytes(300_000, 4));
      const never = expect(b!.receive('a', key(1), 4)).rejects.toMatchObject({ code: 'peer-closed', party: 'a' });
      await a!.close();
      expectSame(await b!.receive('a', key(0), 300_000), bytes(300_000, 4));
      await never;
      await expect(b!.receive('a', key(2), 4)).rejects.toMatchObject({ code: 'peer-closed', party: 'a' });
      await expect(a!.send('b', key(3), bytes(1, 1))).rejects.toMatchObject({ code: 'session-closed' });
      await expect(a!.receive('b', key(3), 1)).rejects.toMatchObject({ code: 'session-closed' });
    });
  });
}
