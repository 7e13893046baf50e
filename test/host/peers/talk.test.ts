/** Questions between the services of two hosts: answered once, refused by code, never left hanging. */
import { afterEach, expect, test } from 'vitest';
import { InputError } from '../../../shared/errors.ts';
import { TALK_PART_CHARACTERS } from '../../../shared/wire.ts';
import { connected, openHost, pair } from './hosts.ts';
import type { TestHost } from './hosts.ts';

const open: TestHost[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ links }) => links.close()));
});

const { signal } = new AbortController();

async function twoHosts(): Promise<[TestHost, TestHost]> {
  const hosts: [TestHost, TestHost] = [await openHost('a'), await openHost('b')];
  open.push(...hosts);
  // Only one dials: two connections at once would replace each other under a question.
  pair(...hosts, 'left');
  await Promise.all([connected(...hosts), connected(hosts[1], hosts[0])]);
  return hosts;
}

test('a question of many parts is answered in many parts, and the asker is known by its key', async () => {
  const [a, b] = await twoHosts();
  b.links.answerWith((fingerprint, question) => ({ from: fingerprint, question }));
  const long = '\u0001"ü'.repeat(TALK_PART_CHARACTERS);
  const answers = await Promise.all(
    [long, 'short', null].map((question) => a.links.ask(b.identity.fingerprint, { question }, signal)),
  );
  expect(answers).toEqual(
    [long, 'short', null].map((question) => ({ from: a.identity.fingerprint, question: { question } })),
  );
});

test('a refusal comes as the code alone, and what went wrong inside stays there', async () => {
  const [a, b] = await twoHosts();
  const ask = () => a.links.ask(b.identity.fingerprint, {}, signal);
  await expect(ask()).rejects.toMatchObject({ code: 'nobody-answers', party: 'b' });
  b.links.answerWith(() => {
    throw new InputError('not-today', 'The reason is ours.');
  });
  await expect(ask()).rejects.toMatchObject({ code: 'not-today', party: 'b' });
  b.links.answerWith(() => {
    throw new Error('secret');
  });
  const error = (await ask().catch((reason: unknown) => reason)) as Error;
  expect(error).toMatchObject({ code: 'failed' });
  expect(error.message).not.toContain('secret');
});

test('a link that is lost or absent ends the wait by name', async () => {
  const [a, b] = await twoHosts();
  await expect(a.links.ask('0'.repeat(64), {}, signal)).rejects.toMatchObject({ code: 'peer-not-linked' });
  b.links.answerWith(() => new Promise(() => {}));
  const waiting = a.links.ask(b.identity.fingerprint, {}, signal);
  const lost = expect(waiting).rejects.toMatchObject({ code: 'peer-away', party: 'b' });
  await b.links.close();
  await lost;
});

test('parts out of order end the connection', async () => {
  const [a, b] = await twoHosts();
  b.links.answerWith(() => 'never');
  const { connection } = a.links.attach(b.identity.fingerprint, {
    session: 's',
    attempt: 0,
    onFrame: () => {},
    onHello: () => {},
    onAbsent: () => {},
    onEnd: () => {},
    onHostClosed: () => {},
  });
  const lost = new Promise<void>((resolve) => {
    const unwatch = b.links.watch(({ failure }) => {
      if (failure?.message.includes('talk-malformed') !== true) return;
      unwatch();
      resolve();
    });
  });
  connection?.control({ name: 'talk', body: { what: 'question', number: 1, part: 1, parts: 2, text: '' } });
  await lost;
});
