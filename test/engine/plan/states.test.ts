/** Values kept between executions. */
import { expect, test } from 'vitest';
import { lower } from '../../../engine/plan/lower.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { privateInput, stateInput } from '../../../engine/tensor/tensor.ts';
import { TestJob } from '../../helpers/run-job.ts';

const options = { fractionBits: 16, assumedBound: 54, wordBits: 64 };

function signedWords(words: BigUint64Array | undefined): bigint[] {
  return [...(words ?? [])].map((word) => BigInt.asIntN(64, word));
}

test.each([false, true])('two states change places in one execution, masked: %s', async (masked) => {
  const setup = new Graph({ ...options, name: 'setup' });
  privateInput(setup, 'x', 'a', [3], 4).store('one', { masked });
  privateInput(setup, 'y', 'b', [3], 4).store('two', { masked });
  const swap = new Graph({ ...options, name: 'swap' });
  const [one, two] = ['one', 'two'].map((name) => stateInput(swap, name, [3], { bound: 20, masked }));
  one?.store('two', { masked });
  two?.store('one', { masked });
  const reveal = new Graph({ ...options, name: 'reveal' });
  const again = (name: string) => stateInput(reveal, name, [3], { bound: 20, masked });
  again('one').reveal('one', ['a']);
  // A masked state is still masked by what the dealer knows of it.
  again('two').mulRaw(again('two')).reveal('square of two', ['a']);
  const job = await TestJob.start([setup, swap, reveal]);
  await job.execute('setup', { inputs: { x: [1n, 2n, 3n], y: [10n, 20n, BigInt.asUintN(64, -30n)] } });
  await job.execute('swap');
  const { revealed } = await job.execute('reveal');
  await job.close();
  expect(signedWords(revealed.get('a')?.get('one'))).toEqual([10n, 20n, -30n]);
  expect(signedWords(revealed.get('a')?.get('square of two'))).toEqual([1n, 4n, 9n]);
});

test('the old value of a state may be kept after its new one is', async () => {
  const setup = new Graph({ ...options, name: 'setup' });
  privateInput(setup, 'x', 'a', [2], 4).store('now');
  const step = new Graph({ ...options, name: 'step' });
  const now = stateInput(step, 'now', [2], { bound: 20 });
  now.timesInteger(2n).store('now');
  now.store('before');
  const reveal = new Graph({ ...options, name: 'reveal' });
  for (const name of ['now', 'before']) stateInput(reveal, name, [2], { bound: 20 }).reveal(name, ['b']);
  const job = await TestJob.start([setup, step, reveal]);
  await job.execute('setup', { inputs: { x: [5n, 7n] } });
  await job.execute('step');
  await job.execute('step');
  const { revealed } = await job.execute('reveal');
  await job.close();
  expect(signedWords(revealed.get('b')?.get('now'))).toEqual([20n, 28n]);
  expect(signedWords(revealed.get('b')?.get('before'))).toEqual([10n, 14n]);
});

test('what is stored under a mask may be used further, for as long as the dealer likes', async () => {
  const setup = new Graph({ ...options, name: 'setup' });
  const x = privateInput(setup, 'x', 'a', [4], 4).mulRaw(privateInput(setup, 'y', 'b', [4], 4));
  x.store('kept', { masked: true });
  // Enough work of the dealer's that it lets go of buffers, and takes them again.
  let power = x;
  for (let i = 0; i < 8; i++) power = power.mul(x).relu();
  power.store('power');
  const reveal = new Graph({ ...options, name: 'reveal' });
  const kept = stateInput(reveal, 'kept', [4], { bound: 20, masked: true });
  kept.mulRaw(kept).reveal('square', ['a']);
  const job = await TestJob.start([setup, reveal]);
  await job.execute('setup', { inputs: { x: [1n, 2n, 3n, 4n], y: [5n, 6n, 7n, 8n] } });
  const { revealed } = await job.execute('reveal');
  await job.close();
  expect(signedWords(revealed.get('a')?.get('square'))).toEqual([25n, 144n, 441n, 1024n]);
});

test('an input of somebody who does not compute is refused', () => {
  const graph = new Graph({ ...options, name: 'test' });
  privateInput(graph, 'x', 'stranger', [2], 4).reveal('x', ['a']);
  expect(() => lower(graph, { parties: ['a', 'b'] })).toThrow(expect.objectContaining({ code: 'gadget-misuse' }));
});
