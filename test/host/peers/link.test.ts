/** Links between real hosts on this machine: who is let in, who is refused and how that is put, reconnecting. */
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../../../shared/address.ts';
import { PROTOCOL_VERSION } from '../../../shared/wire.ts';
import { openSocket } from '../../../main/host/peers/dial-link.ts';
import { createIdentity } from '../../../main/host/peers/identity.ts';
import { packetParser } from '../../../main/host/peers/packets.ts';
import { LINK_PATH } from '../../../main/host/peers/paths.ts';
import { dialTls } from '../../../main/host/peers/tls-dial.ts';
import { freePort } from '../../helpers/free-port.ts';
import { connected, linkState, openHost, pair } from './hosts.ts';
import type { TestHost, identityOf } from './hosts.ts';
import type { LinksOptions } from '../../../main/host/peers/links.ts';

const open: { close(): Promise<void> }[] = [];

async function host(name: string, options: Partial<LinksOptions> = {}): Promise<TestHost> {
  const opened = await openHost(name, options);
  open.push(opened.links);
  return opened;
}

/** Opens a socket.io connection to the link door of a host with any identity and any hello. */
async function knock(target: TestHost, as: Awaited<ReturnType<typeof identityOf>>, hello: object) {
  const address = parseAddress(target.address);
  const { fingerprint } = target.identity;
  const tls = await dialTls({ name: target.name, address, fingerprint }, as, AbortSignal.timeout(60_000));
  const socket = openSocket(tls, LINK_PATH, { auth: hello, parser: packetParser });
  open.push({ close: async () => void socket.disconnect() });
  return new Promise<{ connected: boolean; error?: Error & { data?: unknown; description?: { message?: string } } }>(
    (resolve) => {
      socket.on('connect', () => resolve({ connected: true }));
      socket.on('connect_error', (error) => resolve({ connected: false, error }));
    },
  );
}

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

describe('links', () => {
  test('two hosts that both dial keep one link, and both say it is connected', async () => {
    const [a, b] = [await host('a'), await host('b')];
    pair(a, b);
    await Promise.all([connected(a, b), connected(b, a)]);
    const status = a.links.status(b.identity.fingerprint)!;
    expect(status).toMatchObject({ name: 'b', state: 'connected', software: 'tacit/test' });
    expect(status.step).toBeUndefined();
    expect(status.failure).toBeUndefined();
    expect(a.links.statuses()).toHaveLength(1);
  });

  test('a host without an address for its peer waits to be dialled and says so', async () => {
    const [a, b] = [await host('a'), await host('b')];
    b.links.pin({ fingerprint: a.identity.fingerprint, name: 'a', addresses: [] });
    expect(b.links.status(a.identity.fingerprint)).toMatchObject({
      state: 'awaited',
      step: 'waiting for a to connect',
    });
    pair(a, b, 'left');
    await Promise.all([connected(a, b), connected(b, a)]);
  });

  test('an address where another key answers is refused, the peer and the key named', async () => {
    const [a, b, mallory] = [await host('a'), await host('b'), await host('mallory')];
    a.links.pin({ fingerprint: b.identity.fingerprint, name: 'b', addresses: [mallory.address] });
    const status = await linkState(a, b, ({ state }) => state === 'refused');
    expect(status.failure).toMatchObject({ hop: 'key', code: 'peer-key-mismatch', final: true });
    expect(status.failure!.message).toContain('b is pinned with another key');
  });

  test('a peer that has not pinned this key refuses it before it reads anything', async () => {
    const [a, b] = [await host('a'), await host('b')];
    a.links.pin({ fingerprint: b.identity.fingerprint, name: 'b', addresses: [b.address] });
    const status = await linkState(a, b, ({ state }) => state === 'refused');
    expect(status.failure).toMatchObject({ hop: 'refused', code: 'key-unknown' });
    expect(b.links.statuses()).toEqual([]);
  });

  test('a revoked key is refused by name, and its live link ends', async () => {
    const [a, b] = [await host('a'), await host('b')];
    pair(a, b, 'left');
    await connected(b, a);
    b.links.revoke(a.identity.fingerprint);
    const status = await linkState(a, b, ({ failure }) => failure?.code === 'key-revoked');
    expect(status).toMatchObject({ failure: { hop: 'refused', final: true } });
    expect(status.failure!.message).toBe('b has revoked this organisation’s key.');
    expect(b.links.status(a.identity.fingerprint)).toBeUndefined();
  });

  test('a peer that no session expects is refused by name', async () => {
    const a = await host('a');
    const b = await host('b', { expects: () => false });
    pair(a, b, 'left');
    const status = await linkState(a, b, ({ state }) => state === 'refused');
    expect(status.failure).toMatchObject({ hop: 'refused', code: 'not-expected', final: false });
  });

  test('another protocol version, another claimed key and a malformed hello are refused by code', async () => {
    const a = await host('a');
    const identity = await createIdentity('b');
    a.links.pin({ fingerprint: identity.fingerprint, name: 'b', addresses: [] });
    const hello = { protocol: PROTOCOL_VERSION, software: 'tacit/other', fingerprint: identity.fingerprint };
    const newer = await knock(a, identity, { ...hello, protocol: PROTOCOL_VERSION + 1 });
    expect(newer.error?.data).toEqual({ code: 'version-mismatch', protocol: PROTOCOL_VERSION, software: 'tacit/test' });
    const other = await knock(a, identity, { ...hello, fingerprint: a.identity.fingerprint });
    expect(other.error?.data).toMatchObject({ code: 'peer-key-mismatch' });
    const malformed = await knock(a, identity, { hello: 'there' });
    expect(malformed.error?.data).toMatchObject({ code: 'hello-malformed' });
    expect(await knock(a, identity, hello)).toEqual({ connected: true });
  });

  test('an unpinned key reaches no packet parser at the link door', async () => {
    const a = await host('a');
    const stranger = await createIdentity('stranger');
    const outcome = await knock(a, stranger, {
      protocol: PROTOCOL_VERSION,
      software: 'x',
      fingerprint: stranger.fingerprint,
    });
    expect(outcome.connected).toBe(false);
    expect(outcome.error?.description?.message).toContain('response: 400');
  });

  test('TLS 1.2 and clients without a certificate are refused', async () => {
    const a = await host('a');
    const { host: name, port } = parseAddress(a.address);
    const old = connectTls({ host: name, port, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
    const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toMatch(/PROTOCOL_VERSION|ECONNRESET/);
    const nameless = connectTls({ host: name, port, rejectUnauthorized: false });
    await once(nameless, 'secureConnect');
    nameless.write(
      `GET ${LINK_PATH}?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    );
    const [answer] = (await once(nameless, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 40[03]/);
    nameless.destroy();
  });

  test('names the step that failed: dns, tcp, tls', async () => {
    const a = await host('a');
    const [dns, tcp, tls] = [await createIdentity('dns'), await createIdentity('tcp'), await createIdentity('tls')];
    const plain: Server = createServer((socket: Socket) => socket.end('HTTP/1.0 400 Bad Request\r\n\r\n'));
    plain.listen(0, '127.0.0.1');
    await once(plain, 'listening');
    open.push({ close: async () => void plain.close() });
    const { port } = plain.address() as { port: number };
    const cases = [
      { identity: dns, address: 'no-such-host.invalid:7443', hop: 'dns', code: 'peer-address-unknown' },
      { identity: tcp, address: `127.0.0.1:${await freePort()}`, hop: 'tcp', code: 'peer-unreachable' },
      { identity: tls, address: `127.0.0.1:${port}`, hop: 'tls', code: 'peer-tls-failed' },
    ];
    for (const { identity, address, hop, code } of cases) {
      a.links.pin({ fingerprint: identity.fingerprint, name: hop, addresses: [address] });
      const peer = { identity } as TestHost;
      const status = await linkState(a, peer, ({ state }) => state === 'unreachable');
      expect(status.failure).toMatchObject({ hop, code, final: false });
      expect(status.step).toContain(hop);
      expect(status.nextTryAtMs === undefined || status.nextTryAtMs > status.sinceMs).toBe(true);
    }
  });

  test('a host that comes back is linked again', async () => {
    const a = await host('a');
    const listen = { host: '127.0.0.1', port: await freePort() };
    const first = await openHost('b', { listen });
    pair(a, first, 'left');
    await connected(a, first);
    await first.links.close();
    await linkState(a, first, ({ state }) => state === 'reconnecting');
    const again = await host('b', { book: first.book, identity: first.identity, listen });
    await Promise.all([connected(a, again), connected(again, a)]);
  });

  test('a port in use is one clear error', async () => {
    const a = await host('a');
    await expect(openHost('b', { listen: parseAddress(a.address) })).rejects.toMatchObject({
      code: 'port-in-use',
      kind: 'machine',
    });
  });

  test('a certificate of another identity is refused at the start', async () => {
    const [one, other] = [await createIdentity('one'), await createIdentity('other')];
    await expect(openHost('x', { identity: { ...one, fingerprint: other.fingerprint } })).rejects.toMatchObject({
      code: 'identity-damaged',
    });
  });
});
