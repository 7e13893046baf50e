import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dataFiles, parseJobText, readJobFile } from '../../../main/host/jobs/job-file.ts';
import { InputError } from '../../../shared/errors.ts';

const yaml = `name: malignancy
parties:
  clinic-a: { data: clinic-a.csv }
  clinic-b: { data: clinic-b.csv }
dealer: registry   # a party without data
join: { how: rows }
label: { clinic-b: malignant }
task: classification
model: { template: logistic }
train:
  epochs: 10
  batch: all
  optimizer: { name: sgd, lr: 0.1, momentum: 0.9 }
reveal:
  model: [clinic-a]
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tacit-job-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const failure = (text: string): InputError => {
  try {
    parseJobText(text, 'job.yaml');
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error('the job was accepted');
};

test('YAML and JSON give the same job', async () => {
  const fromYaml = parseJobText(yaml, 'job.yaml');
  expect(parseJobText(JSON.stringify(fromYaml), 'job.json')).toEqual(fromYaml);
  const path = join(folder, 'job.yaml');
  await writeFile(path, yaml);
  const read = await readJobFile(path);
  expect(read).toEqual({ job: fromYaml, directory: folder });
  expect(dataFiles(read.job.parties['clinic-a']!.data!, read.directory)).toEqual([join(folder, 'clinic-a.csv')]);
});

test('errors name the line of the key', () => {
  expect(failure(yaml.replace('epochs', 'epoch')).message).toMatch(
    /^job\.yaml:11: train\.epoch: unknown key "epoch", did you mean "epochs"\?/,
  );
  expect(failure(yaml.replace('dealer: registry', 'dealer: clinic-a')).message).toMatch(
    /^job\.yaml:5: dealer: "clinic-a" is also a party/,
  );
  expect(failure(yaml.replace('[clinic-a]', '[clinic-a, nobody]')).message).toMatch(
    /^job\.yaml:15: reveal\.model\[1\]: "nobody"/,
  );
  expect(failure(yaml.replace('  epochs: 10\n', '')).message).toMatch(
    /^job\.yaml:10: train\.epochs: the key "epochs" is missing/,
  );
  expect(failure(yaml.replace('lr: 0.1', 'lr: fast')).message).toMatch(
    /^job\.yaml:13: train\.optimizer\.lr: must be a number, not "fast"/,
  );
});

test('what is not a job is refused with its own code', () => {
  expect(failure('').code).toBe('job-empty');
  expect(failure('name: [').code).toBe('job-syntax');
  expect(failure(`${yaml}name: again\n`)).toMatchObject({ code: 'job-syntax' });
  expect(failure(`${yaml}name: again\n`).message).toMatch(/^job\.yaml:16: /);
  expect(failure('- 1\n- 2\n').message).toContain('must be a group of keys, not a list');
  expect(failure('name: *nobody\n').code).toMatch(/^job-(syntax|aliases)$/);
  const bomb = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...'bcdefgh'.split('').map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefgh'[i]}`).join()}]`),
  ];
  expect(failure(bomb.join('\n')).code).toBe('job-aliases');
});

test('a file that cannot be a job is refused', async () => {
  await expect(readJobFile(join(folder, 'none.yaml'))).rejects.toThrow(/is not there/);
  await expect(readJobFile(folder)).rejects.toThrow(/is a folder/);
  const path = join(folder, 'binary.yaml');
  await writeFile(path, Buffer.from([0xff, 0xfe, 0x00, 0x80]));
  await expect(readJobFile(path)).rejects.toMatchObject({ code: 'job-not-text' });
  await writeFile(path, Buffer.alloc((1 << 20) + 1, 0x20));
  await expect(readJobFile(path)).rejects.toMatchObject({ code: 'job-too-large' });
});
