import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../shared/canonical.ts';
import { InputError } from '../../shared/errors.ts';
import { describeModel, outputsFor } from '../../shared/job-model.ts';
import { dataParties, partyOrder } from '../../shared/job-roles.ts';
import { checkJob, jobDigest, parseJob, refusePaths, shareableJob } from '../../shared/job.ts';

const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());

const malignancy = () => ({
  name: 'malignancy',
  parties: { 'clinic-b': { data: 'clinic-b.csv' }, 'clinic-a': { data: 'clinic-a.csv' } } as Record<string, object>,
  dealer: 'registry',
  join: { how: 'ids', on: 'patient_id' } as object | undefined,
  features: { 'clinic-a': '*', 'clinic-b': ['mean_area', 'se_area'] } as unknown,
  label: { 'clinic-b': 'malignant' } as unknown,
  task: 'classification',
  model: { template: 'mlp', hidden: [128, 128], activation: 'relu' } as object,
  train: {
    epochs: 10,
    batch: 128,
    optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9 },
    test: 0.2,
    standardise: true,
    seed: 7,
  } as Record<string, unknown> | undefined,
  reveal: { model: ['clinic-a', 'clinic-b'], metrics: ['clinic-a', 'clinic-b'] } as object,
});
type Draft = ReturnType<typeof malignancy> & Record<string, unknown>;

const digits = () => ({
  ...malignancy(),
  join: { how: 'stack' },
  features: '*',
  label: 'digit',
  classes: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
});

function firstIssue(change: (job: Draft) => void, draft: object = malignancy()) {
  change(draft as Draft);
  const checked = checkJob(draft);
  if (checked.ok) throw new Error('the job was accepted');
  return checked.issues[0]!;
}

describe('a job file', () => {
  test('of the design parses, with defaults and shorthands written out', () => {
    const job = parseJob(malignancy());
    expect(partyOrder(job)).toEqual(['clinic-a', 'clinic-b']);
    expect(dataParties(job)).toEqual(['clinic-a', 'clinic-b']);
    expect(job.parties['clinic-a']?.data).toEqual(['clinic-a.csv']);
    expect(job.join).toEqual({
      how: 'ids',
      on: { 'clinic-a': ['patient_id'], 'clinic-b': ['patient_id'] },
      rules: [{ kind: 'text', case: 'fold', space: 'collapse', accents: 'keep' }],
      duplicates: 'refuse',
      unreadable: 'refuse',
      form: 'curve',
      matcher: 'none',
      floor: 10,
    });
    expect(job.precision).toEqual({ fractionBits: 16, bound: 54 });
    expect(job.train).toMatchObject({ metricsEvery: 'end', missing: 'refuse', optimizer: { weightDecay: 0 } });
    expect(job.reveal.predictions).toEqual([]);
  });

  test('stacks rows with one label and one list of classes for all', () => {
    const job = parseJob(digits());
    expect(job.label).toEqual({ 'clinic-a': 'digit', 'clinic-b': 'digit' });
    expect(job.classes).toEqual({ digit: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] });
    expect(job.features).toEqual({ 'clinic-a': '*', 'clinic-b': '*' });
  });

  test('has a test fraction of 0.2, or none where files are named', () => {
    const open = { ...malignancy(), join: { how: 'rows' } };
    delete open.train!['test'];
    expect(parseJob(open).train?.test).toBe(0.2);
    for (const party of Object.keys(open.parties))
      open.parties[party] = { data: `${party}.csv`, test: `${party}-t.csv` };
    expect(parseJob(open).train?.test).toBe(0);
  });

  test('is refused for a key nobody knows, naming it, its place and its neighbour', () => {
    const issue = firstIssue((job) => Object.assign(job.train!, { epoch: 10 }));
    expect(issue).toMatchObject({ code: 'job-unknown-key', path: ['train', 'epoch'] });
    expect(issue.message).toContain('did you mean "epochs"?');
    expect(firstIssue((job) => Object.assign(job, { parteis: {} })).message).toContain('"parties"');
    expect(firstIssue((job) => Object.assign(job.model, { hiden: [1] })).message).toContain('"hidden"');
    expect(firstIssue((job) => Object.assign(job, { colour: 1 })).message).toMatch(
      /^unknown key "colour"\. Known here: version, /,
    );
  });

  const refusals: [string, (job: Draft) => void][] = [
    ['job-missing-key', (job) => Reflect.deleteProperty(job, 'dealer')],
    ['job-missing-key', (job) => Reflect.deleteProperty(job, 'task')],
    ['job-missing-key', (job) => delete job.train!['epochs']],
    ['job-invalid-value', (job) => (job.task = 'clasification')],
    ['job-invalid-value', (job) => (job.train!['epochs'] = 'ten')],
    ['job-invalid-value', (job) => (job.train!['epochs'] = 1.5)],
    ['job-out-of-range', (job) => (job.train!['epochs'] = 0)],
    ['job-out-of-range', (job) => (job.train!['batch'] = 0)],
    ['job-invalid-value', (job) => (job.train!['batch'] = 'some')],
    ['job-out-of-range', (job) => (job.train!['test'] = 1)],
    ['job-out-of-range', (job) => (job.train!['test'] = -0.1)],
    ['job-out-of-range', (job) => (job.train!['optimizer'] = { name: 'sgd', lr: 0 })],
    ['job-out-of-range', (job) => (job.train!['optimizer'] = { name: 'sgd', lr: 0.1, momentum: 1 })],
    ['job-out-of-range', (job) => (job.model = { template: 'mlp', hidden: [0] })],
    ['job-out-of-range', (job) => (job.model = { template: 'mlp', hidden: [] })],
    ['job-invalid-value', (job) => (job.model = { template: 'mpl' })],
    ['job-invalid-value', (job) => (job.model = { template: 'mlp', hidden: [2], layers: [] })],
    ['job-invalid-value', (job) => (job.model = {})],
    ['job-invalid-value', (job) => (job.model = { layers: [{ kind: 'conv9' }] })],
    ['job-unknown-party', (job) => (job.label = { 'clinic-c': 'malignant' })],
    ['job-unknown-party', (job) => (job.features = { 'clinic-c': '*' })],
    ['job-unknown-party', (job) => (job.reveal = { model: ['clinic-c'] })],
    [
      'job-unknown-party',
      (job) => (job.join = { how: 'ids', on: { 'clinic-a': 'id', 'clinic-b': 'id', nobody: 'id' } }),
    ],
    ['job-dealer-has-no-part', (job) => (job.reveal = { model: ['registry'] })],
    ['job-receiver-twice', (job) => (job.reveal = { model: ['clinic-a', 'clinic-a'] })],
    ['job-party-without-data', (job) => ((job.parties['clinic-c'] = {}), (job.label = { 'clinic-c': 'y' }))],
    ['job-dealer-is-party', (job) => (job.dealer = 'clinic-a')],
    [
      'job-party-count',
      (job) => ((job.parties = { 'clinic-b': { data: 'b.csv' } }), (job.features = '*'), (job.reveal = {})),
    ],
    ['job-party-names-alike', (job) => (job.parties['Clinic-A'] = {})],
    ['job-invalid-name', (job) => (job.parties['../x'] = {})],
    [
      'job-without-data',
      (job) => ((job.parties = { a: {}, b: {} }), (job.features = '*'), (job.reveal = {}), (job.label = {})),
    ],
    ['job-without-join', (job) => (job.join = undefined)],
    ['job-join-without-id', (job) => (job.join = { how: 'ids' })],
    ['job-feature-twice', (job) => (job.features = { 'clinic-a': ['x', 'x'] })],
    ['job-label-is-feature', (job) => (job.features = { 'clinic-b': ['malignant'] })],
    ['job-id-is-feature', (job) => (job.features = { 'clinic-b': ['patient_id'] })],
    ['job-without-label', (job) => (job.label = undefined)],
    ['job-label-twice', (job) => (job.label = { 'clinic-a': 'm', 'clinic-b': 'm' })],
    ['job-one-class', (job) => (job.classes = ['only'])],
    ['job-class-twice', (job) => (job.classes = ['0', '1', 1])],
    ['job-logistic-classes', (job) => ((job.classes = [0, 1, 2]), (job.model = { template: 'logistic' }))],
    ['job-template-misfit', (job) => (job.model = { template: 'linear' })],
    ['job-label-unused', (job) => (job.task = 'statistics')],
    ['job-without-train', (job) => (job.train = undefined)],
    [
      'job-train-unused',
      (job) => (
        (job.task = 'inference'),
        (job.label = undefined),
        (job.model = { file: 'm.onnx' }),
        (job.reveal = { predictions: ['clinic-a'] })
      ),
    ],
    [
      'job-two-test-sets',
      (job) => {
        job.join = { how: 'rows' };
        for (const p of Object.keys(job.parties)) job.parties[p] = { data: 'd.csv', test: 't.csv' };
      },
    ],
    [
      'job-test-file-missing',
      (job) => {
        job.train!['test'] = 0;
        job.join = { how: 'rows' };
        job.parties['clinic-a'] = { data: 'd.csv', test: 't.csv' };
      },
    ],
    ['job-bound-too-small', (job) => (job['precision'] = { fractionBits: 24, bound: 50 })],
    ['job-out-of-range', (job) => (job['precision'] = { bound: 62 })],
  ];
  test.each(refusals)('is refused with %s (%#)', (code, change) => {
    const issue = firstIssue(change);
    expect(issue.code).toBe(code);
    expect(issue.message).not.toBe('');
  });

  test('stacked is refused where columns or labels differ', () => {
    expect(firstIssue((job) => (job.features = { 'clinic-a': ['x'], 'clinic-b': ['y'] }), digits()).code).toBe(
      'job-stack-features-differ',
    );
    expect(firstIssue((job) => (job.label = { 'clinic-a': 'x', 'clinic-b': 'y' }), digits()).code).toBe(
      'job-stack-label-differs',
    );
  });

  test('for inference or statistics says who receives what', () => {
    const bare = { train: undefined, label: undefined, join: { how: 'rows' } };
    expect(
      firstIssue((job) => Object.assign(job, bare, { task: 'inference', model: { file: 'm.onnx' }, reveal: {} })).code,
    ).toBe('job-reveals-nothing');
    expect(
      firstIssue((job) => Object.assign(job, bare, { task: 'statistics', model: undefined, reveal: {} })).code,
    ).toBe('job-without-aggregates');
    const job = parseJob({
      ...malignancy(),
      ...bare,
      task: 'inference',
      model: { file: 'm.onnx', owner: 'clinic-a' },
      reveal: { predictions: ['clinic-b'] },
    });
    expect(job.model).toEqual({ file: 'm.onnx', owner: 'clinic-a' });
  });

  test('raises the first issue with its place and the number of others', () => {
    const bad = { ...malignancy(), task: 'x', dealer: 7 };
    expect(() => parseJob(bad, 'job.yaml')).toThrow(/^job\.yaml: dealer: must be text, not 7\. \(and 1 more\)$/);
    expect(() => parseJob(7, 'job.yaml')).toThrow(InputError);
    expect(() => parseJob(null)).toThrow(InputError);
    expect(() => parseJob([])).toThrow(InputError);
  });
});

describe('the shareable form', () => {
  const reference = { id: 'd1', schema: 'ab'.repeat(32) };
  const references = { 'clinic-a': { data: reference }, 'clinic-b': { data: reference } };

  test('has references in place of paths, and parses to itself', () => {
    const local = parseJob(malignancy());
    expect(() => jobDigest(local, sha256)).toThrow(/names a file/);
    const shared = shareableJob(local, references);
    refusePaths(shared);
    const text = canonicalJson(shared);
    expect(text).not.toContain('.csv');
    expect(canonicalJson(parseJob(JSON.parse(text)))).toBe(text);
  });

  test('has one digest however it was written, and another when anything changes', () => {
    const digest = (value: object) => jobDigest(shareableJob(parseJob(value), references), sha256);
    const first = malignancy();
    const reordered = Object.fromEntries(Object.entries(malignancy()).reverse());
    expect(digest(reordered)).toBe(digest(first));
    expect(digest({ ...first, join: { how: 'ids', on: { 'clinic-a': 'patient_id', 'clinic-b': 'patient_id' } } })).toBe(
      digest(first),
    );
    expect(digest({ ...first, dealer: 'other' })).not.toBe(digest(first));
    expect(digest(first)).toMatch(/^[0-9a-f]{64}$/);
  });

  test('does not exist for unregistered data or an unopened model', () => {
    expect(() => shareableJob(parseJob(malignancy()), {})).toThrow(/clinic/);
    const job = parseJob({ ...malignancy(), model: { file: 'start.onnx' } });
    expect(() => shareableJob(job, references)).toThrow(/architecture/);
    expect(shareableJob(job, references, 'cd'.repeat(32)).model).toEqual({
      architecture: 'cd'.repeat(32),
      owner: undefined,
    });
  });
});

describe('the model of a job', () => {
  test('fills in the sizes of listed layers', () => {
    const { model } = parseJob({
      ...malignancy(),
      model: {
        layers: [{ kind: 'dense', units: 4 }, { kind: 'relu' }, { kind: 'dense', units: 1 }, { kind: 'sigmoid' }],
      },
    });
    const description = describeModel(model!, [30], outputsFor('classification', 2), 'classification');
    expect(description.layers.map((layer) => layer.name)).toEqual(['dense1', 'relu1', 'dense2', 'sigmoid1']);
    expect(description.layers[2]).toMatchObject({ inputs: 4, outputs: 1 });
    expect(() => describeModel(model!, [30], 10, 'classification')).toThrow(/needs 10/);
  });
});
