/**
 * Whoever reaches a host's port, and whoever it dials, may send anything: the connection ends, and the host goes on. Real sockets,
 * with WebSocket messages written by hand. What peers with a session may do is in session.test.ts.
 */
import { afterEach, describe, test } from 'vitest';
import { INVITATION_PATH, LINK_PATH } from '../../../main/host/peers/paths.ts';
import type { LinksOptions } from '../../../main/host/peers/links.ts';
import { connected, identityOf, linkState, openHost, pair } from './hosts.ts';
import type { TestHost } from './hosts.ts';
import { dialRaw, listenRaw } from './raw-socket.ts';
import type { RawSocket } from './raw-socket.ts';

const open: { close(): Promise<void> }[] = [];
async function host(name: string, options: Partial<LinksOptions> = {}): Promise<TestHost> {
  const opened = await openHost(name, options);
  open.push(opened.links);
  return opened;
}
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** A peer links to the host as if nothing had happened. */
async function goesOn(a: TestHost): Promise<void> {
  const friend = await host('friend');
  pair(a, friend);
  await Promise.all([connected(a, friend), connected(friend, a)]);
}

const texts: readonly (readonly [string, readonly string[]])[] = [
  ['no packet of engine.io', ['x']],
  ['an empty message', ['']],
  ['no JSON', ['4{']],
  ['JSON that is no packet', ['4null']],
  ['an unknown type', ['4{"type":7,"nsp":"/"}']],
  ['another namespace', ['4{"type":0,"nsp":"/admin"}']],
  ['a greeting of null', ['4{"type":0,"nsp":"/","data":null}']],
  ['a greeting that is a number', ['4{"type":0,"nsp":"/","data":7}']],
  ['an event before the greeting', ['4{"type":2,"nsp":"/","data":["control",null]}']],
  ['two greetings', ['4{"type":0,"nsp":"/"}', '4{"type":0,"nsp":"/"}']],
  ['an event of another name', ['4{"type":0,"nsp":"/"}', '4{"type":2,"nsp":"/","data":["disconnect"]}']],
  ['an acknowledgement', ['4{"type":0,"nsp":"/"}', '4{"type":3,"nsp":"/"}']],
  ['an error', ['4{"type":0,"nsp":"/"}', '4{"type":4,"nsp":"/"}']],
  ['a ping of engine.io', ['2']],
  ['a message above the limit', [`4${'x'.repeat(2 << 20)}`]],
];

describe('strangers who dial', () => {
  test.each(texts)('%s', async (_, said) => {
    const a = await host('a');
    const socket = await dialRaw(a.address, await identityOf('stranger'), INVITATION_PATH);
    for (const text of said) socket.say(text);
    await socket.ended;
    await goesOn(a);
  });

  test('bytes where text belongs', async () => {
    const a = await host('a');
    const socket = await dialRaw(a.address, await identityOf('stranger'), INVITATION_PATH);
    socket.give(Buffer.alloc(100, 0xa5));
    await socket.ended;
    await goesOn(a);
  });
});

describe('peers who dial', () => {
  test.each(texts)('%s', async (_, said) => {
    const a = await host('a');
    const identity = await identityOf('b');
    a.links.pin({ fingerprint: identity.fingerprint, name: 'b', addresses: [] });
    const socket = await dialRaw(a.address, identity, LINK_PATH);
    for (const text of said) socket.say(text);
    await socket.ended;
    await goesOn(a);
  });
});

const OPENED = '0{"sid":"x","upgrades":[],"pingInterval":1000000,"pingTimeout":1000000,"maxPayload":1000000}';

/** What the host that is dialled says, in place of opening and greeting. */
const answers: readonly (readonly [string, readonly string[]])[] = [
  ['no packet of engine.io', ['x']],
  ['no JSON', ['0{']],
  ['an opening without a list', ['0{"sid":"x"}']],
  ['an opening of null', ['0null']],
  [
    'an opening with periods that are none',
    ['0{"sid":{},"upgrades":[],"pingInterval":"a","pingTimeout":[],"maxPayload":0}'],
  ],
  ['two openings', [OPENED, OPENED]],
  ['no packet of socket.io', [OPENED, '4{']],
  ['an error without a message', [OPENED, '4{"type":4,"nsp":"/"}']],
  ['an error of null', [OPENED, '4{"type":4,"nsp":"/","data":null}']],
  ['a greeting of null', [OPENED, '4{"type":0,"nsp":"/","data":null}']],
  ['an acknowledgement', [OPENED, '4{"type":0,"nsp":"/","data":{"sid":"y"}}', '4{"type":3,"nsp":"/"}']],
  ['pings of engine.io', [OPENED, '2', '2', '2']],
];

describe('peers who are dialled', () => {
  test.each(answers)('%s', async (_, said) => {
    const a = await host('a');
    const identity = await identityOf('b');
    const served = Promise.withResolvers<RawSocket>();
    const listener = await listenRaw(identity, (socket) => {
      for (const text of said) socket.say(text);
      served.resolve(socket);
    });
    open.push(listener);
    a.links.pin({ fingerprint: identity.fingerprint, name: 'b', addresses: [listener.address] });
    await (
      await served.promise
    ).ended;
    const b = { ...a, identity } as TestHost;
    await linkState(a, b, ({ failure }) => failure !== undefined);
    await goesOn(a);
  });
});
