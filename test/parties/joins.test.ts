/** Jobs whose rows are joined privately, as a user runs them: processes, links, results, figures, exit code. */
import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeOnnx } from '../../engine/models/onnx/write.ts';
import { numberedLines, range, writeJoinedJob } from './joined-job.ts';
import { SlowLines } from '../helpers/slow-line.ts';
import { startTacitWith, tacit, withFolder } from './program.ts';
import type { Ended } from './program.ts';

interface Figures {
  readonly parties: readonly { readonly bytesSent: number; readonly predictedBytes: number }[];
  readonly metrics: {
    readonly accuracy: number;
    readonly loss: number;
    readonly baseline: { readonly accuracy: number; readonly loss: number };
  };
  readonly testRows: number;
  readonly join: { readonly rows: number; readonly matches?: number };
}

const clinics = async (how: string, parties: number): Promise<Figures> =>
  withFolder(async (folder) => {
    const flags = ['--join', how, '--parties', String(parties), '--folder', folder, '--json'];
    const { code, json, stderr } = await tacit('demo', 'logistic', ...flags);
    expect(stderr).not.toMatch(/\berror\b/i);
    expect(code).toBe(0);
    const figures = json as Figures;
    for (const party of figures.parties) expect(party.bytesSent).toBe(party.predictedBytes);
    return figures;
  });

test.each([2, 3])('%i clinics that share patients train as if they had shown them', async (parties) => {
  // The launcher joins in the clear too, and refuses a run that found other rows.
  const { metrics, testRows, join } = await clinics('ids', parties);
  expect(join.rows).toBeGreaterThan(450);
  expect(join.matches).toBe(join.rows);
  expect(testRows).toBe(Math.round(0.2 * join.rows));
  expect(metrics.loss).toBeCloseTo(metrics.baseline.loss, 2);
  // Other rows are tested in every run, and one that is on the verge may fall to either side.
  expect(Math.abs(metrics.accuracy - metrics.baseline.accuracy)).toBeLessThanOrEqual(3 / testRows + 1e-9);
});

test.each([
  { how: 'hidden', parties: 2 },
  { how: 'left', parties: 3 },
])(
  '$parties clinics train by a $how join as in the clear, and nobody learns who is in it',
  async ({ how, parties }) => {
    const { metrics, testRows, join } = await clinics(how, parties);
    expect(join).not.toHaveProperty('matches');
    expect(join.rows).toBeGreaterThan(parties * 500);
    expect(testRows).toBe(Math.round(0.2 * join.rows));
    expect(metrics.loss).toBeCloseTo(metrics.baseline.loss, 2);
    // At least a tenth of the slots count.
    expect(Math.abs(metrics.accuracy - metrics.baseline.accuracy)).toBeLessThanOrEqual(10 / testRows + 1e-9);
  },
);

interface Closing extends Pick<Figures, 'parties'> {
  readonly tables?: readonly { readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] }[];
}

async function run(
  files: Readonly<Record<string, readonly string[]>>,
  joined: string,
  changes: Readonly<Record<string, string | undefined>> = {},
): Promise<Ended & { readonly left: readonly string[] }> {
  return withFolder(async (folder) => {
    const file = await writeJoinedJob(folder, files, joined, changes);
    const ended = await tacit('run', file, '--local', join(folder, 'parties'), '--json');
    const left = await readdir(join(folder, 'parties'), { recursive: true });
    return { ...ended, left };
  });
}

test('keys of several columns match whatever their case, accents, width and notation; rows of one key become one', async () => {
  const people = [
    'Ada Lovelace',
    'José Núñez',
    'Zoë Müller',
    'Ægir',
    '李 明',
    'Σίσυφος',
    '😀',
    'O’Brien',
    'x',
    'Straße',
  ];
  const days = range(10, 20).map((day) => `1990-05-${day}`);
  const files = {
    a: ['name,born,u', ...people.map((name, i) => `${name},${days[i]},${i}`), 'Nobody,1990-05-10,5', ',1990-05-11,3'],
    b: [
      'who,day,v,y',
      ...people.flatMap((name, i) => {
        const [year, month, day] = days[i]!.split('-');
        const upper = name.normalize('NFD').toUpperCase().replace(' ', '  ');
        // two rows of one person, the second empty where numbers are averaged
        return [`" ${upper} ",${day}.${month}.${year},${i},${i % 2}`, `${upper},${day}/${month}/${year},,${i % 2}`];
      }),
      'Ada Lovelace,11.05.1990,1,1',
    ],
  };
  const { code, json } = await run(
    files,
    '{ how: ids, on: { a: [name, born], b: [who, day] }, duplicates: aggregate, floor: 5,' +
      ' rules: [{ kind: text, accents: strip }, { kind: date, dateOrder: dmy }] }',
  );
  expect(json).toMatchObject({ join: { rows: people.length, matches: people.length } });
  expect(code).toBe(0);
});

test('five parties by keyed tags, with padding, compared by the dealer', async () => {
  const held = { a: [0, 60], b: [5, 70], c: [8, 64], e: [10, 90], f: [9, 55] } as const;
  const files = Object.fromEntries(
    Object.entries(held).map(([party, [from, to]]) => [
      party,
      numberedLines(`${party}x`, range(from, to).reverse(), party === 'f'),
    ]),
  );
  const { code, json } = await run(files, '{ how: ids, on: id, rules: number, form: keyed, pad: 128 }');
  expect(json).toMatchObject({ join: { rows: 45 } });
  expect(code).toBe(0);
});

test.each(['hidden', 'left'])('five parties train by a %s join as in the clear', async (how) => {
  const held = { a: [0, 60], b: [5, 70], c: [8, 64], e: [10, 90], f: [9, 55] } as const;
  const files = Object.fromEntries(
    Object.entries(held).map(([party, [from, to]]) => [
      party,
      numberedLines(`${party}x`, range(from, to).reverse(), party === 'f'),
    ]),
  );
  const keep = how === 'left' ? ', keep: f' : ', revealCount: true';
  const { code, json, stderr } = await run(files, `{ how: ${how}, on: id, rules: number, form: keyed${keep} }`);
  expect(code, stderr).toBe(0);
  const { metrics, join } = json as Figures;
  // A slot for every record of every party.
  expect(join.rows).toBe(60 + 65 + 56 + 80 + 46);
  expect(join.matches).toBe(how === 'hidden' ? 45 : undefined);
  expect(metrics.loss).toBeCloseTo(metrics.baseline.loss, 2);
});

test.each(['ids', 'hidden'])('disjoint sets end a run by %s cleanly, and leave no result', async (how) => {
  const files = { a: numberedLines('u', range(0, 30)), b: numberedLines('v', range(30, 60), true) };
  const { code, json, stderr, left } = await run(files, `{ how: ${how}, on: id, floor: 3 }`);
  expect(json).toMatchObject({ error: { kind: 'input', code: 'join-below-floor' } });
  expect(stderr.trim().split('\n').at(-1)).toMatch(/fewer than 3/);
  expect(code).toBe(2);
  expect(left.filter((path) => path.includes('results'))).toEqual([]);
});

test('stacked rows: the same records at several parties end the run, or are counted', async () => {
  const lines = (from: number) => ['id,u,y', ...range(from, from + 30).map((id) => `${id},${id % 5},${id % 2}`)];
  const stack = { a: lines(0), b: lines(26) };
  const refused = await run(stack, '{ how: stack, on: id }', { label: 'y' });
  expect(refused.json).toMatchObject({ error: { kind: 'input', code: 'join-repeats' } });
  expect(refused.stderr).toMatch(/4 records/);
  const allowed = await run(stack, '{ how: stack, on: id, repeats: allow }', { label: 'y' });
  expect(allowed.json).toMatchObject({ join: { repeats: 4 } });
  expect(allowed.code).toBe(0);
});

test('a party is killed while identifiers are joined and again in training: no order is used beside another', async () => {
  await withFolder(async (folder) => {
    const files = { a: numberedLines('u', range(0, 12_000)), b: numberedLines('v', range(6_000, 18_000), true) };
    const file = await writeJoinedJob(folder, files, '{ how: ids, on: id }', {
      train: '{ epochs: 8, batch: 64, optimizer: { name: sgd, lr: 0.05 }, test: 0.2 }',
    });
    // Identifiers are joined under the number of the first execution, in few frames.
    const lines = new SlowLines(folder, { b: 0, a: 30 }, 600_000);
    const running = startTacitWith(lines.environment, 'run', file, '--local', join(folder, 'parties'), '--json');
    await running.said(/a: joining identifiers/);
    process.kill(await lines.slowed('b'), 'SIGKILL');
    lines.mend('b');
    await lines.slowed('a');
    await running.said(/a: connecting, attempt 2[^]*a: training/);
    const { pid } = JSON.parse(readFileSync(join(folder, 'parties', 'd', 'owner.json'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    lines.mend('a');
    const { code, json, stderr } = await running.ended;
    expect(code).toBe(0);
    expect(json).toMatchObject({ attempt: 3, join: { rows: 6_000 } });
    const [, first = '', second = '', third = ''] = stderr.split(/^a: connecting.*$/m);
    expect(first).toMatch(/a: reading identifiers/);
    expect(second).toMatch(/a: reading identifiers/);
    expect(third).not.toMatch(/a: reading identifiers/);
    expect(third).toMatch(/a: joined: 6000 records/);
  });
});

test('a party is killed while slots are trained on: the others wait, and the model is that of the intersection', async () => {
  await withFolder(async (folder) => {
    const files = { a: numberedLines('u', range(0, 1500)), b: numberedLines('v', range(500, 2000), true) };
    const file = await writeJoinedJob(folder, files, '{ how: hidden, on: id, form: keyed, revealCount: true }', {
      train: '{ epochs: 4, batch: 64, optimizer: { name: sgd, lr: 0.05 }, test: 0.2, metricsEvery: 2 }',
    });
    const lines = new SlowLines(folder, { b: 60 });
    const running = startTacitWith(lines.environment, 'run', file, '--local', join(folder, 'parties'), '--json');
    process.kill(await lines.slowed('b'), 'SIGKILL');
    lines.mend('b');
    const { code, json, stderr } = await running.ended;
    expect(code, stderr).toBe(0);
    expect(json).toMatchObject({ attempt: 2, join: { rows: 3000, matches: 1000 } });
    const { metrics } = json as Figures;
    expect(metrics.loss).toBeCloseTo(metrics.baseline.loss, 2);
  });
});

const untrained = { label: '{}', classes: undefined, model: undefined, train: undefined };

test.each(['hidden', 'left'])(
  'statistics by a %s join are of the rows that count, and of no fewer than asked for',
  async (how) => {
    const files = {
      a: numberedLines('x', range(0, 60)),
      b: ['id,z', ...range(20, 90).map((id) => `${id},${(id * 5) % 13}`)],
    };
    const joined = `{ how: ${how}, on: id, rules: number${how === 'left' ? ', keep: b' : ''} }`;
    const changes = {
      ...untrained,
      task: 'statistics',
      aggregates: '[count, sum, mean]',
      reveal: '{ aggregates: [a] }',
    };
    const { code, json, stderr, left } = await run(files, joined, changes);
    expect(code, stderr).toBe(0);
    const { tables, parties } = json as Closing;
    for (const party of parties) expect(party.bytesSent).toBe(party.predictedBytes);
    const x = range(20, 60).map((id) => (id * 7) % 11);
    const z = range(20, how === 'hidden' ? 60 : 90).map((id) => (id * 5) % 13);
    const figures = [x, z].map((values) => {
      const sum = values.reduce((total, value) => total + value, 0);
      return { count: values.length, sum, mean: sum / values.length };
    });
    expect(tables?.[0]?.columns).toEqual(['column', 'count', 'sum', 'mean']);
    tables?.[0]?.rows.forEach(([, count, sum, mean], i) => {
      expect(count).toBe(figures[i]!.count);
      expect(Math.abs(Number(sum) - figures[i]!.sum)).toBeLessThan(0.1);
      expect(Math.abs(Number(mean) - figures[i]!.mean)).toBeLessThan(1e-3);
    });
    expect(left).toContain(join('a', 'results', 'aggregates.csv'));
    expect(left).not.toContain(join('b', 'results', 'aggregates.csv'));

    const tooFew = await run(files, joined, { ...changes, minimumRows: '41' });
    expect(tooFew.code).toBe(2);
    expect(tooFew.stderr).toContain('fewer than 41 records in common');
    expect(tooFew.left.filter((path) => path.endsWith('aggregates.csv'))).toEqual([]);
  },
);

test('a model answers the rows of a left join to the party that is kept, by the rows of its file', async () => {
  await withFolder(async (folder) => {
    const files = {
      a: numberedLines('x', range(0, 40)),
      b: [
        'id,z',
        ...range(20, 70)
          .reverse()
          .map((id) => `${id},${id % 5}`),
      ],
    };
    const file = await writeJoinedJob(folder, files, '{ how: left, on: id, rules: number, keep: b }', {
      ...untrained,
      task: 'inference',
      model: '{ file: model.onnx, owner: a }',
      reveal: '{ predictions: [b] }',
    });
    const kernel = { shape: [3, 1], data: Float64Array.from([1, 10, 100]) };
    await writeFile(
      join(folder, 'model.onnx'),
      writeOnnx({
        description: {
          inputShape: [3],
          layers: [{ kind: 'dense', name: 'sum', inputs: 3, outputs: 1, useBias: false }],
        },
        weights: new Map([['sum/kernel', kernel]]),
      }),
    );
    const { code, json, stderr } = await tacit('run', file, '--local', join(folder, 'parties'), '--json');
    expect(code, stderr).toBe(0);
    for (const party of (json as Closing).parties) expect(party.bytesSent).toBe(party.predictedBytes);
    const text = readFileSync(join(folder, 'parties', 'b', 'results', 'predictions.csv'), 'utf8');
    const [heading, ...lines] = text.trim().split('\n');
    expect(heading).toBe('row,answer');
    const byRow = new Map(lines.map((line) => line.split(',').map(Number) as [number, number]));
    expect(byRow.size).toBe(50);
    range(20, 70)
      .reverse()
      .forEach((id, row) => {
        // x of a where a has the record; its flag is the last column.
        const exact = (id < 40 ? (id * 7) % 11 : 0) + 10 * (id % 5) + (id < 40 ? 100 : 0);
        expect(Math.abs(byRow.get(row + 1)! - exact)).toBeLessThan(0.02);
      });
    expect(await readdir(join(folder, 'parties'), { recursive: true })).not.toContain(
      join('a', 'results', 'predictions.csv'),
    );
  });
});
