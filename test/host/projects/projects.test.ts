/** The road of a project between real hosts: members join, grant, propose, refuse, edit, approve; runs go on by themselves. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProjectJobDetail } from '../../../shared/api/project-calls.ts';
import type { RunView } from '../../../shared/api/run-calls.ts';
import { entryHash } from '../../../shared/project.ts';
import type { Entry, Statement } from '../../../shared/project.ts';
import { readModelFile } from '../../../main/host/models/model-files.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { PAUSE_MS, slowDown } from '../../helpers/slow-links.ts';
import { Organisation, pairByInvitation } from './organisations.ts';

const ROWS = 160;
const rows = Array.from({ length: ROWS }, (_, row) => row);
const { signal } = new AbortController();

const JOB = (epochs: number, features = '"*"'): string => `name: outcome study
# who brings what
parties:
  north: { data: north.csv }
  south: { data: south.csv }
  lab: { data: lab.csv }
dealer: registry
join: { how: rows }
features: ${features}
label: { south: outcome }
task: classification
model: { template: logistic }
train: { epochs: ${epochs}, batch: 32, optimizer: { name: sgd, lr: 0.3 }, test: 0.2, seed: 3, metricsEvery: 5 }
reveal: { model: [north], metrics: [north, south] }
`;

describe('three organisations and a dealer', () => {
  const north = new Organisation('Clinic North');
  const south = new Organisation('Clinic South');
  const lab = new Organisation('City Lab');
  const registry = new Organisation('Registry');
  const all = [north, south, lab, registry];
  let project = '';
  let draft = '';
  let job = '';

  beforeAll(async () => {
    for (const one of all) await one.start();
    for (const [index, one] of all.entries()) {
      for (const other of all.slice(index + 1)) await pairByInvitation(one, other);
    }
  });
  afterAll(() => Promise.all(all.map((one) => one.erase())));

  const detail = (one: Organisation): Promise<ProjectJobDetail> =>
    one.client.call('proposals.get', { id: project, job });
  /** Waits until all hosts hold what each of them has said. */
  const delivered = async (): Promise<void> => {
    for (const one of all) {
      await one.project(project, ({ members, entries }) =>
        members.every(({ isSelf, delivered: held }) => isSelf || held === entries),
      );
    }
  };
  /** Waits until an organisation's host holds the version of the job. */
  const version = (one: Organisation, number: number) =>
    one.project(project, ({ jobs }) => jobs.some(({ id, version: held }) => id === job && held === number));
  const phase = (one: Organisation, wanted: string) =>
    one.project(project, ({ jobs }) => jobs.some((each) => each.id === job && each.phase === wanted));
  const vote = async (one: Organisation, decision: 'yes' | 'no', reason = ''): Promise<ProjectJobDetail> => {
    const { digest } = await detail(one);
    return one.client.call('proposals.vote', { id: project, job, digest, vote: decision, reason });
  };

  test('a project is offered to its members, who join it; nobody else learns of it', async () => {
    const made = await north.client.call('projects.create', {
      name: 'Outcome',
      purpose: 'Which patients recover?',
      self: { party: 'north', roles: ['data', 'compute', 'receiver'] },
      members: [
        { fingerprint: south.fingerprint, party: 'south', roles: ['data', 'compute', 'receiver'] },
        { fingerprint: lab.fingerprint, party: 'lab', roles: ['data', 'compute'] },
        { fingerprint: registry.fingerprint, party: 'registry', roles: ['dealer'] },
      ],
    });
    project = made.id;
    expect(made.members.map(({ party, standing }) => [party, standing])).toEqual([
      ['lab', 'asked'],
      ['north', 'accepted'],
      ['registry', 'asked'],
      ['south', 'asked'],
    ]);
    for (const one of [south, lab, registry]) {
      const offered = await one.project(project);
      expect(offered).toMatchObject({ name: 'Outcome', creator: 'north', purpose: 'Which patients recover?' });
      await one.client.call('projects.answer', { id: project, answer: 'accepted', reason: '' });
    }
    for (const one of all) {
      await one.project(project, ({ members }) => members.every(({ standing }) => standing === 'accepted'));
    }
    expect((await south.client.failure('projects.answer', { id: project, answer: 'accepted', reason: '' })).code).toBe(
      'already-answered',
    );
  });

  test('what peers would see is shown before it is granted, and only that reaches them', async () => {
    const column = (factor: number, modulus: number) => rows.map((row) => (row * factor) % modulus);
    const x = column(7, 11);
    const ids = {
      north: await north.addData('north.csv', { x, y: column(3, 13), salary: column(5, 17) }),
      south: await south.addData('south.csv', {
        z: column(1, 5),
        outcome: x.map((value) => (value > 5 ? 'yes' : 'no')),
      }),
      lab: await lab.addData('lab.csv', { ward: rows.map((row) => 'abc'[row % 3]!) }),
    };
    const terms = { id: project, categories: true, magnitudes: false };
    const preview = await north.client.call('grants.preview', {
      ...terms,
      dataset: ids.north,
      uses: { x: 'feature', y: 'feature' },
    });
    expect(preview).toMatchObject({ name: 'north.csv', rows: ROWS });
    expect(preview.columns).toEqual([
      { name: 'x', type: 'integer', use: 'feature' },
      { name: 'y', type: 'integer', use: 'feature' },
    ]);
    expect((await south.project(project)).grants).toEqual([]);
    await north.client.call('grants.give', { ...terms, dataset: ids.north, uses: { x: 'feature', y: 'feature' } });
    await south.client.call('grants.give', { ...terms, dataset: ids.south, uses: { z: 'feature', outcome: 'label' } });
    await lab.client.call('grants.give', { ...terms, dataset: ids.lab, uses: { ward: 'feature' } });
    for (const one of all) {
      const summaries = await one.project(project, (held) => held.grants.length === 3);
      // The event that tells of every change has no columns: there may be tens of thousands.
      expect(summaries.grants.map(({ columns }) => columns)).toEqual([1, 2, 2]);
      const grants = await one.client.call('grants.list', { id: project });
      const text = JSON.stringify(grants);
      expect(text).not.toContain('salary');
      expect(grants.find(({ party }) => party === 'lab')?.columns[0]).toEqual({
        name: 'ward',
        type: 'category',
        categories: ['a', 'b', 'c'],
        use: 'feature',
      });
    }
    const unknown = { ...terms, dataset: ids.north, uses: { nothing: 'feature' as const } };
    expect((await north.client.failure('grants.preview', unknown)).code).toBe('dataset-unknown-column');
  });

  test('a job that asks for what was not granted, or of whom, is refused by name before it is proposed', async () => {
    const issues = async (text: string) => (await north.client.call('proposals.check', { id: project, text })).issues;
    expect(await issues(JOB(2))).toEqual([]);
    const salary = await issues(JOB(2, '{ north: [salary], south: "*", lab: "*" }'));
    expect(salary).toMatchObject([{ code: 'column-not-granted' }]);
    expect(salary[0]?.message).toContain('north has not granted the column "salary"');
    expect(await issues(JOB(2).replace('data: lab.csv', 'data: other.csv'))).toMatchObject([
      { code: 'dataset-not-granted' },
    ]);
    expect(await issues(JOB(2).replace('model: [north]', 'model: [lab]'))).toMatchObject([{ code: 'role-not-held' }]);
    expect(await issues(JOB(2).replaceAll('registry', 'stranger'))).toMatchObject([{ code: 'not-a-project-member' }]);
    expect(await issues(JOB(2).replace('epochs: 2', 'epochs: many'))).toMatchObject([{ line: 13 }]);
  });

  test('a proposal reaches all with one digest; one refuses with its reason', async () => {
    const saved = await north.client.call('drafts.save', { text: JOB(2), project });
    draft = saved.id;
    job = (await north.client.call('proposals.propose', { id: project, draft })).id;
    const digests = new Set<string>();
    for (const one of all) {
      await version(one, 1);
      digests.add((await detail(one)).digest);
    }
    expect(digests.size).toBe(1);
    expect((await detail(north)).draft).toBe(draft);
    expect((await detail(south)).waiting.map(({ party, step }) => [party, step])).toEqual([
      ['lab', 'vote'],
      ['registry', 'vote'],
      ['south', 'vote'],
    ]);
    await vote(lab, 'yes');
    await vote(south, 'no', 'Two epochs are too few.');
    for (const one of all) await phase(one, 'refused');
    const refused = (await detail(north)).votes.find(({ party }) => party === 'south');
    expect(refused).toMatchObject({ vote: 'no', reason: 'Two epochs are too few.' });
  });

  test('only the proposer edits; an edit is a new version and voids the votes in sight of all', async () => {
    const edit = await south.client.call('drafts.save', { text: JOB(40), project });
    expect((await south.client.failure('proposals.withdraw', { id: project, job, reason: '' })).code).toBe(
      'not-the-proposer',
    );
    expect(edit.job).toBeUndefined();
    const { digest: outdated } = await detail(south);
    await north.client.call('drafts.save', { id: draft, text: JOB(30) });
    expect((await north.client.call('proposals.propose', { id: project, draft })).id).toBe(job);
    for (const one of all) {
      await version(one, 2);
      const held = await detail(one);
      expect(held.votes.filter(({ party }) => party !== 'north').map((each) => each.vote)).toEqual([
        'none',
        'none',
        'none',
      ]);
      await one.project(project, () => true);
    }
    const seen = await detail(registry);
    expect(seen.voidVotes.map(({ party, vote: was, version: number }) => [party, was, number])).toEqual([
      ['lab', 'yes', 1],
      ['north', 'yes', 1],
      ['south', 'no', 1],
    ]);
    const late = { id: project, job, digest: outdated, vote: 'yes' as const, reason: '' };
    expect((await south.client.failure('proposals.vote', late)).code).toBe('vote-outdated');
  });

  test('a yes that the own grants do not cover is refused by name, and a narrower grant takes a yes back', async () => {
    const [dataset] = await lab.client.call('datasets.list', {});
    await vote(lab, 'yes');
    await lab.client.call('grants.takeBack', { id: project, dataset: dataset!.id });
    const { votes, issues } = await detail(lab);
    expect(votes.find(({ party }) => party === 'lab')).toMatchObject({ vote: 'none' });
    expect(issues).toMatchObject([{ party: 'lab', code: 'dataset-not-granted' }]);
    const { digest } = await detail(lab);
    const refused = await lab.client.failure('proposals.vote', { id: project, job, digest, vote: 'yes', reason: '' });
    expect(refused.code).toBe('dataset-not-granted');
    const terms = { id: project, dataset: dataset!.id, categories: true, magnitudes: false };
    await lab.client.call('grants.give', { ...terms, uses: { ward: 'feature' } });
    expect((await detail(lab)).issues).toEqual([]);
  });

  test('what a member did not write, or wrote twice, is refused by name and changes nothing', async () => {
    await delivered();
    const { links, store } = lab.slot.host!;
    const ask = (to: Organisation, question: object) =>
      links.ask(to.fingerprint, { project, ...question }, signal).catch((error: unknown) => error);
    const entry = (author: string, sequence: number, previous: string, statement: Statement): Entry => ({
      tacitEntry: 1,
      project,
      author,
      sequence,
      previous,
      atMs: 1,
      statement,
    });
    const [own, theirs] = [lab, south].map(({ fingerprint }) => store.projects.entries(project, fingerprint));
    const { digest } = await detail(lab);
    const yes: Statement = { kind: 'voted', agreement: digest, vote: 'yes', reason: '' };
    const head = own!.at(-1)!;
    const before = await north.project(project);

    // A replayed vote of another member, one in another's name, an entry changed, a journal cut and continued otherwise.
    const replayed = await ask(north, { ask: 'take', entries: [theirs!.at(-1)!.entry] });
    expect(replayed).toMatchObject({ code: 'not-the-author', party: 'Clinic North' });
    const forged = entry(south.fingerprint, theirs!.length + 1, theirs!.at(-1)!.hash, yes);
    expect(await ask(north, { ask: 'take', entries: [forged] })).toMatchObject({ code: 'not-the-author' });
    const altered = { ...head.entry, atMs: head.entry.atMs + 1 };
    expect(await ask(north, { ask: 'take', entries: [altered] })).toMatchObject({ code: 'journal-forked' });
    const skipped = entry(lab.fingerprint, own!.length + 2, entryHash(altered, nodeCrypto.sha256), yes);
    expect(await ask(north, { ask: 'take', entries: [skipped] })).toMatchObject({ code: 'journal-gap' });
    const split = entry(lab.fingerprint, own!.length + 1, own![0]!.hash, yes);
    expect(await ask(north, { ask: 'take', entries: [split] })).toMatchObject({ code: 'journal-forked' });
    // An altered proposal: another's job, other keys.
    const proposed = store.projects
      .entries(project, north.fingerprint)
      .map((held) => held.entry.statement)
      .findLast((statement) => statement.kind === 'proposed');
    const stolen = entry(lab.fingerprint, own!.length + 1, head.hash, proposed!);
    expect(await ask(north, { ask: 'take', entries: [stolen] })).toMatchObject({ code: 'proposal-version' });
    const foreign = entry(lab.fingerprint, own!.length + 1, head.hash, { ...proposed!, version: 1 });
    expect(await ask(north, { ask: 'take', entries: [foreign] })).toMatchObject({ code: 'proposal-foreign' });
    // Sent again as it was: passed over.
    expect(await ask(north, { ask: 'take', entries: own!.map((held) => held.entry) })).toEqual({ held: own!.length });
    expect(await north.project(project)).toEqual(before);
  });

  test('a host that has no part in a project learns nothing of it', async () => {
    const stranger = await new Organisation('Stranger').start();
    try {
      await pairByInvitation(north, stranger);
      const ask = (question: object) =>
        stranger.slot.host!.links.ask(north.fingerprint, question, signal).catch((error: unknown) => error);
      for (const question of [{ ask: 'heads' }, { ask: 'held' }, { ask: 'take', entries: [{}] }]) {
        expect(await ask({ project, ...question })).toMatchObject({ code: 'not-a-member' });
      }
      const { charter } = north.slot.host!.store.projects.list()[0]!;
      expect(await ask({ ask: 'join', charter })).toMatchObject({ held: 0 });
      expect(await ask({ ask: 'join', charter: { ...charter, name: 'Other' } })).toMatchObject({
        code: 'not-the-author',
      });
      expect(await ask({ ask: 'nothing' })).toMatchObject({ code: 'question-invalid' });
      expect(await stranger.client.call('projects.list', {})).toEqual([]);
    } finally {
      await stranger.erase();
    }
  });

  test('once all approve it runs by itself, is paused and goes on, survives a host that goes away, and ends', async () => {
    const runs: RunView[] = [];
    north.client.socket.on('event', (name: string, run: RunView) => {
      if (name === 'runs.changed') runs.push(run);
    });
    // In the middle of training the line to the lab is slow: there is time to pause the run, and to take the lab's host away.
    let isSlow = true;
    let onSlow: (attempt: number) => void = () => {};
    const slowAfter = (attempt: number): Promise<number> =>
      new Promise((resolve) => (onSlow = (now) => (now > attempt ? resolve(now) : undefined)));
    slowDown(lab.slot.host!.links, {
      ...{ from: 40, pauseMs: PAUSE_MS, isMended: () => !isSlow },
      onSlow: (attempt) => onSlow(attempt),
    });
    const begun = north.client.event('runs.changed', ({ progress }) =>
      progress.some(({ party, phase: step, done = 0 }) => party === 'south' && step === 'training' && done > 20),
    );
    await vote(south, 'yes');
    await vote(registry, 'yes');
    await vote(lab, 'yes');
    await begun;
    const first = await slowAfter(0);
    const steer = (one: Organisation, wish: 'go' | 'pause' | 'cancel') =>
      one.client.call('proposals.steer', { id: project, job, wish, reason: '' });
    await steer(south, 'pause');
    for (const one of all) await phase(one, 'paused');
    expect((await detail(north)).waiting).toMatchObject([{ party: 'south', step: 'go-on' }]);
    expect((await north.client.failure('proposals.steer', { id: project, job, wish: 'go', reason: '' })).code).toBe(
      'run-held',
    );
    const again = slowAfter(first);
    await steer(south, 'go');
    await again;
    await lab.stop();
    isSlow = false;
    await lab.start();
    for (const one of all) await phase(one, 'done');

    const [own] = (await north.client.call('runs.list', {})).filter(({ kind }) => kind === 'session');
    expect(own).toMatchObject({ state: 'done', project, job, hasInsights: true });
    expect(own!.attempts).toBeGreaterThan(2);
    const { files } = await north.client.call('runs.get', { id: own!.id });
    expect(files.map(({ party, name }) => `${party}/${name}`)).toContain('north/model.onnx');
    const labRun = (await lab.client.call('runs.list', {}))[0]!;
    const names = (await lab.client.call('runs.get', { id: labRun.id })).files.map(({ name }) => name);
    expect(names).not.toContain('model.onnx');
    expect(names).not.toContain('metrics.json');
    expect(labRun.quality).toEqual([]);
    expect(
      runs.some(({ progress }) => progress.some(({ epoch, layer }) => epoch !== undefined && layer !== undefined)),
    ).toBe(true);
    // The journals say that a run is done before the last of its own events is here.
    await expect.poll(() => runs.at(-1)!.quality.map(({ epoch }) => epoch)).toEqual([5, 10, 15, 20, 25, 30]);
    const { quality, progress } = runs.at(-1)!;
    expect(quality.at(-1)?.accuracy).toBeGreaterThan(0.8);
    expect(progress.map(({ party }) => party).sort()).toEqual(['lab', 'north', 'registry', 'south']);
    const { runs: told } = await detail(south);
    expect(told.map(({ party, received }) => [party, received])).toEqual([
      ['lab', []],
      ['north', ['model', 'metrics']],
      ['registry', []],
      ['south', ['metrics']],
    ]);
    expect((await north.client.failure('proposals.steer', { id: project, job, wish: 'go', reason: '' })).code).toBe(
      'run-not-steerable',
    );
  });

  test('the model that came of it answers rows privately: its owner proposes, another receives', async () => {
    const [own] = await north.client.call('runs.list', {});
    const file = join(north.folder, 'data/runs', own!.id, 'results/model.onnx');
    const text = (path: string, owner: string): string => `name: answers
parties: { north: { data: north.csv }, south: { data: south.csv }, lab: { data: lab.csv } }
dealer: registry
join: { how: rows }
features: "*"
task: inference
prepare: { scale: 4 }
model: { file: ${JSON.stringify(path)}, owner: ${owner} }
reveal: { predictions: [south] }
`;
    const issues = async (one: string) =>
      (await north.client.call('proposals.check', { id: project, text: one })).issues;
    expect(await issues(text(file, 'south'))).toMatchObject([{ code: 'model-not-yours' }]);
    expect(await issues(text('model.onnx', 'north'))).toMatchObject([{ code: 'model-path-relative' }]);
    expect(await issues(text(file, 'north'))).toEqual([]);
    const predicted = await north.client.call('proposals.cost', { id: project, text: text(file, 'north') });
    const { id: answers } = await north.client.call('drafts.save', { text: text(file, 'north'), project });
    job = (await north.client.call('proposals.propose', { id: project, draft: answers })).id;
    const seen = [];
    for (const one of [south, lab, registry]) {
      await version(one, 1);
      if (one === south) seen.push(await south.client.call('proposals.cost', { id: project, job }));
      await vote(one, 'yes');
    }
    for (const one of all) await phase(one, 'done');
    expect(seen).toMatchObject([{ planDigest: predicted.planDigest, rounds: predicted.rounds }]);
    const { digest, text: agreed } = await south.client.call('proposals.text', { id: project, job });
    expect(digest).toBe((await detail(south)).digest);
    expect(agreed).not.toContain(north.folder);
    const run = (await south.client.call('runs.list', {})).find((one) => one.job === job);
    const { files } = await south.client.call('runs.get', { id: run!.id });
    const predictions = files.find(({ name }) => name.startsWith('predictions'));
    expect(predictions?.bytes).toBeGreaterThan(0);
    expect(JSON.stringify(files)).not.toContain('model.onnx');
  });

  test('the same model is trained further between the organisations, from weights that only its owner has', async () => {
    const [own] = (await north.client.call('runs.list', {})).filter(({ name }) => name.startsWith('outcome'));
    const file = join(north.folder, 'data/runs', own!.id, 'results/model.onnx');
    const text = JOB(1).replace('{ template: logistic }', `{ file: ${JSON.stringify(file)}, owner: north }`);
    const { id: further } = await north.client.call('drafts.save', { text, project });
    job = (await north.client.call('proposals.propose', { id: project, draft: further })).id;
    for (const one of [south, lab, registry]) {
      await version(one, 1);
      await vote(one, 'yes');
    }
    for (const one of all) await phase(one, 'done');
    const run = (await north.client.call('runs.list', {})).find((one) => one.job === job);
    const [before, after] = [own, run].map((one) =>
      readModelFile(join(north.folder, 'data/runs', one!.id, 'results/model.onnx')),
    );
    expect(after?.description).toEqual(before?.description);
    const [first, last] = [before, after].map((model) =>
      [...(model?.weights.values() ?? [])].flatMap(({ data }) => [...data]),
    );
    const moved = Math.max(...(first ?? []).map((value, i) => Math.abs(value - (last?.[i] ?? NaN))));
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(0.5 * Math.max(...(first ?? []).map(Math.abs)));
  });

  test('all hold the same journals, and the audit log has every decision', async () => {
    await delivered();
    const compared = await Promise.all(all.map((one) => one.client.call('projects.compareHeads', { id: project })));
    for (const { members } of compared)
      expect(members.map(({ verdict }) => verdict)).toEqual(['match', 'match', 'match']);
    expect(new Set(compared.flatMap(({ head, members }) => [head, ...members.map((one) => one.head)])).size).toBe(1);
    const { entries } = await south.client.call('activity.list', { limit: 500 });
    const kinds = new Set(entries.map(({ kind }) => kind));
    for (const kind of ['project-answered', 'grant-given', 'job-proposed', 'job-voted', 'run-steered', 'run-told']) {
      expect(kinds).toContain(kind);
    }
    const text = JSON.stringify(entries);
    expect(text).not.toContain('Two epochs are too few');
    expect(text).not.toContain('ward');
    expect(await south.client.call('activity.verify', {})).toEqual({ intact: true });
  });
});
