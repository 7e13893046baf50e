/** Questions between the services of two hosts: answered once, refused by code, never left hanging. */
import { afterEach, expect, test } from 'vitest';
import { InputError } from '../../../shared/errors.ts';
import { TALK_PART_CHARACTERS } from '../../../shared/wire.ts';
import type { TalkPart } from '../../../shared/wire.ts';
import type { Connection } from '../../../main/host/peers/connection.ts';
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

/** What is said by hand. */
function connectionTo(a: TestHost, b: TestHost): Connection {
  const port = { session: 's', attempt: 0, onFrame: () => {}, onHello: () => {}, onAbsent: () => {}, onEnd: () => {} };
  return a.links.attach(b.identity.fingerprint, { ...port, onHostClosed: () => {} }).connection!;
}

const part = (changes: Partial<TalkPart>): TalkPart => ({
  what: 'question',
  number: 1,
  part: 0,
  parts: 1,
  text: '{}',
  ...changes,
});
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

const cases: readonly (readonly [string, readonly TalkPart[], string])[] = [
  ['parts out of order', [part({ part: 1, parts: 2 })], 'talk-malformed'],
  ['a part twice', [part({ parts: 3 }), part({ parts: 3 })], 'talk-malformed'],
  ['more begun at once than are kept', numbers(9).map((number) => part({ number, parts: 64 })), 'talk-malformed'],
  ['a question that is no JSON', [part({ text: '{' })], 'talk-malformed'],
  ['an answer that is none', [part({ what: 'answer', text: '{"reply' })], 'talk-malformed'],
  ['an answer of another shape', [part({ what: 'answer', text: '[]' })], 'talk-malformed'],
  ['questions without end', numbers(3_001).map((number) => part({ number })), 'talk-too-much'],
  ['a part that is too long', [part({ text: 'x'.repeat(TALK_PART_CHARACTERS + 1) })], 'control-malformed'],
  ['more parts than there may be', [part({ parts: 65 })], 'control-malformed'],
];

test.each(cases)('%s: the connection ends by name', async (_, parts, code) => {
  const [a, b] = await twoHosts();
  b.links.answerWith(() => 'answered');
  const connection = connectionTo(a, b);
  const lost = new Promise<void>((resolve) => {
    const unwatch = b.links.watch(({ failure }) => {
      if (failure?.message.includes(code) !== true) return;
      unwatch();
      resolve();
    });
  });
  for (const body of parts) connection.control({ name: 'talk', body });
  await lost;
});

test('an answer to nothing that was asked is passed over', async () => {
  const [a, b] = await twoHosts();
  b.links.answerWith(() => 'answered');
  const connection = connectionTo(a, b);
  connection.control({ name: 'talk', body: part({ what: 'answer', number: 77, text: '{"reply":1}' }) });
  expect(await a.links.ask(b.identity.fingerprint, {}, signal)).toBe('answered');
});
