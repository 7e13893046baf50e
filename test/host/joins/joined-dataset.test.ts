/** Rows in a joined order, what an outcome looks like on disk, and the sample that joins are shown with. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { writeClinics } from '../../../main/host/datasets/clinic-sample.ts';
import { openDataset } from '../../../main/host/datasets/dataset.ts';
import { prepareLocal } from '../../../main/host/datasets/prepare.ts';
import { joinedDataset, orderOf } from '../../../main/host/joins/joined-dataset.ts';
import { packOutcome, unpackOutcome } from '../../../main/host/joins/join-outcome.ts';
import { samplesFolder } from '../../../main/paths.ts';
import type { ColumnPlan } from '../../../shared/resolve-job.ts';
import { codeOf, temporaryStore } from '../store/temporary.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-joined-'));
afterAll(() => rmSync(folder, { recursive: true }));

const plan: ColumnPlan = {
  features: [
    { column: 'x', encode: 'number', power: undefined },
    { column: 'c', encode: 'oneHot', categories: ['p', 'q'] },
    { column: 's', encode: 'boolean' },
  ],
  label: { column: 'y', encode: 'class', classes: ['no', 'yes'] },
  missing: 'refuse',
  standardise: 'none',
};

async function dataset(lines: readonly string[]) {
  const path = join(folder, 'rows.csv');
  writeFileSync(path, `x,c,s,y\n${lines.join('\n')}\n`);
  return openDataset([path]);
}

test('rows stand in the order of the join, and those of one identifier become one', async () => {
  const data = await dataset(['1,p,true,no', '2,q,true,yes', '3,p,false,no', '7,q,true,yes', ',q,false,yes']);
  // identifiers: {0}, {1, 3, 4}, {2}
  const groups = { rows: Uint32Array.of(0, 1, 3, 4, 2), starts: Uint32Array.of(0, 1, 4, 5) };
  const joined = joinedDataset(data, orderOf(groups, Uint32Array.of(2, 1)), plan);
  expect(joined.rows).toBe(2);
  const { matrix, labels } = await prepareLocal(joined, undefined, plan, Uint32Array.of(0, 1));
  expect([...matrix]).toEqual([3, 1, 0, 0, 4.5, 0, 1, 1]);
  expect([...labels!]).toEqual([0, 1]);
});

test('what is wrong names the row of the file; classes of one identifier have to agree', async () => {
  const data = await dataset(['1,p,true,no', ',q,true,yes', '3,p,false,yes']);
  const single = { rows: Uint32Array.of(2, 1), starts: Uint32Array.of(0, 1, 2) };
  const all = Uint32Array.of(0, 1);
  await expect(prepareLocal(joinedDataset(data, single, plan), undefined, plan, all)).rejects.toMatchObject({
    code: 'dataset-cell-missing',
    message: expect.stringContaining('row 2') as string,
  });
  const group = { rows: Uint32Array.of(0, 2), starts: Uint32Array.of(0, 2) };
  await expect(
    prepareLocal(joinedDataset(data, group, plan), undefined, plan, Uint32Array.of(0)),
  ).rejects.toMatchObject({ code: 'join-label-differs' });
});

test('an outcome is kept sealed, for the last attempt, and opens only where it belongs', () => {
  const { jobs, joins } = temporaryStore();
  for (const id of ['one', 'two']) jobs.add({ id, project: undefined, name: id, canonical: '{}' });
  const key = (): SecretKey => new SecretKey(new Uint8Array(32).fill(7));
  const outcome = {
    rows: 9,
    matches: 3,
    own: {
      order: { rows: Uint32Array.of(5, 2, 1), starts: Uint32Array.of(0, 1, 3) },
      slots: Uint32Array.of(8, 0),
      contentDigest: 'abc',
    },
  };
  expect(joins.attemptOf('one')).toBeUndefined();
  expect(joins.load('one', key())).toBeUndefined();
  joins.save('one', 1, packOutcome({ repeats: 2 }), key());
  joins.save('one', 4, packOutcome(outcome), key());
  expect(joins.attemptOf('one')).toBe(4);
  expect(unpackOutcome(joins.load('one', key())!)).toEqual(outcome);
  expect(joins.load('two', key())).toBeUndefined();
  expect(codeOf(() => joins.load('one', new SecretKey(nodeCrypto.randomBytes(32))))).toBe('join-damaged');
});

test('the sample of two clinics is what the script makes of wdbc.csv', async () => {
  const sample = await openDataset([join(samplesFolder, 'wdbc.csv')]);
  const names = ['a', 'b'].map((clinic) => `wdbc-clinic-${clinic}.csv`);
  await writeClinics(
    sample,
    names.map((name) => join(folder, name)),
  );
  for (const name of names) {
    expect(readFileSync(join(folder, name), 'utf8')).toBe(readFileSync(join(samplesFolder, name), 'utf8'));
  }
});
