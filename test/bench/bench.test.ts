/** The benchmarks run to their end, and what is exact in them reaches its goal. Times are never looked at. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { alternately, isMet, median } from '../../main/bench/benchmark.ts';
import { benchmarks } from '../../main/bench/registry.ts';
import { valueText } from '../../main/cli/bench.ts';
import { fixedCrypto } from '../helpers/fixed-crypto.ts';
import { closingObject, runInProcess } from '../host/cli/run-in-process.ts';

interface Closing {
  machine: { cores: number; node: string };
  benchmarks: {
    name: string;
    figures: { name: string; value: number; unit: string; exact?: true; met: boolean; goal?: object }[];
  }[];
}

async function bench(name: string): Promise<Closing['benchmarks'][number]['figures']> {
  const { exitCode, stdout, stderr } = await runInProcess('bench', name, '--json');
  expect(exitCode, stderr).toBe(0);
  const closing = closingObject<Closing>(stdout);
  expect(closing.machine.node).toBe(process.versions.node);
  expect(closing.benchmarks.map((each) => each.name)).toEqual([name]);
  const figures = closing.benchmarks[0]?.figures ?? [];
  expect(figures.every(({ value }) => Number.isFinite(value))).toBe(true);
  return figures;
}

test.each(['relu', 'mlp-step', 'logistic'])('%s: exact figures reach their goals', async (name) => {
  const figures = await bench(name);
  const exact = figures.filter((figure) => figure.exact && figure.goal !== undefined);
  expect(exact.length).toBeGreaterThan(1);
  expect(exact.filter(({ met }) => !met)).toEqual([]);
});

test('accuracy on shares is that of the clear', async () => {
  // Rows on the verge fall to either side by chance: by the same one in every run.
  const drawn = vi.spyOn(nodeCrypto, 'randomBytes').mockImplementation(fixedCrypto().randomBytes);
  onTestFinished(() => drawn.mockRestore());
  const figures = await bench('accuracy');
  expect(drawn).toHaveBeenCalled();
  expect(figures.filter(({ met }) => !met)).toEqual([]);
});

test('kernels and links', async () => {
  for (const name of ['kernels', 'links']) expect((await bench(name)).length).toBeGreaterThan(1);
});

test('an unknown benchmark is refused with the nearest name and all names', async () => {
  expect(await runInProcess('bench', 'rely')).toMatchObject({
    exitCode: 2,
    stderr: `There is no benchmark "rely", did you mean "relu"? There are: ${Object.keys(benchmarks).join(', ')}.\n`,
  });
});

test('work is compared in turn', async () => {
  const order: string[] = [];
  const note = (what: string) => () => Promise.resolve(order.push(what));
  const { ratio } = await alternately(note('a'), note('b'), 3, new AbortController().signal);
  expect(order.join('')).toBe('abababab');
  expect(ratio).toBeGreaterThan(0);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
});

test('goals in both senses, and figures in their units', () => {
  const figure = { name: 'x', value: 5, unit: 'rounds' };
  expect(isMet(figure)).toBe(true);
  expect(isMet({ ...figure, goal: { sense: 'at most', value: 5 } })).toBe(true);
  expect(isMet({ ...figure, goal: { sense: 'at most', value: 4 } })).toBe(false);
  expect(isMet({ ...figure, goal: { sense: 'at least', value: 6 } })).toBe(false);
  expect([
    valueText(9.125, 'bytes'),
    valueText(2_800_000, 'bytes'),
    valueText(3.5e9, 'multiply-adds/s'),
    valueText(0.12, 'seconds'),
    valueText(1.75, 'times'),
    valueText(0.965, 'of the test rows'),
    valueText(1, 'rows of 114'),
  ]).toEqual(['9.13 B', '2.8 MB', '3.5 G multiply-adds/s', '120 ms', '1.75 x', '96.5 %', '1 rows of 114']);
});
