/**
 * Members between whom not all is well: one that nobody can dial, two that are not paired, hosts that are away, a grant that
 * hides how many rows there are, and a host that is gone before it can say that it has finished.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { MemberLink } from '../../../shared/api/project-calls.ts';
import { Organisation, pairByInvitation } from './organisations.ts';

const ROWS = 96;
const rows = Array.from({ length: ROWS }, (_, row) => row);

const JOB = (join: string): string => `name: small study
parties: { north: { data: north.csv }, south: { data: south.csv } }
dealer: registry
join: ${join}
features: { north: [x], south: [z] }
label: { south: outcome }
task: classification
model: { template: logistic }
train: { epochs: 1, batch: 32, optimizer: { name: sgd, lr: 0.3 }, test: 0.2, seed: 3 }
reveal: { model: [north], metrics: [north, south] }
`;

describe('a project whose members reach each other in part', () => {
  const north = new Organisation('Clinic North');
  const south = new Organisation('Clinic South');
  const registry = new Organisation('Registry');
  const all = [north, south, registry];
  let project = '';

  beforeAll(async () => {
    for (const one of all) await one.start();
    // Nobody can dial the registry: it dials them.
    await pairByInvitation(north, registry, []);
    await pairByInvitation(south, registry, []);
  });
  afterAll(() => Promise.all(all.map((one) => one.erase())));

  /** The links of the project as one sees them, once they satisfy the predicate. */
  async function links(one: Organisation, holds: (links: readonly MemberLink[]) => boolean): Promise<void> {
    const next = one.client.event('memberLinks.changed', (body) => body.project === project && holds(body.links));
    if (!holds(await one.client.call('projects.links', { id: project }))) await next;
  }
  const stands = (from: string, to: string, is: (link: MemberLink) => boolean) => (told: readonly MemberLink[]) =>
    told.some((link) => link.from === from && link.to === to && is(link));
  const works = (from: string, to: string) => stands(from, to, ({ state }) => state === 'connected');

  test('each member tells of its own links, and all see who is not paired', async () => {
    const { id } = await registry.client.call('projects.create', {
      name: 'Reach',
      purpose: '',
      self: { party: 'registry', roles: ['dealer'] },
      members: [
        { fingerprint: north.fingerprint, party: 'north', roles: ['data', 'compute', 'receiver'] },
        { fingerprint: south.fingerprint, party: 'south', roles: ['data', 'compute', 'receiver'] },
      ],
    });
    project = id;
    for (const one of [north, south]) {
      await one.project(project);
      await one.client.call('projects.answer', { id: project, answer: 'accepted', reason: '' });
    }
    const unpaired = (from: string, to: string) => stands(from, to, ({ state }) => state === 'unpaired');
    await links(registry, (told) => unpaired('north', 'south')(told) && unpaired('south', 'north')(told));
    await links(north, (told) => works('north', 'registry')(told) && works('registry', 'south')(told));
    await pairByInvitation(north, south);
    await links(registry, (told) => works('north', 'south')(told) && works('south', 'north')(told));
  });

  test('who cannot be dialled comes back by dialling; who is away is named with the step that fails', async () => {
    for (const one of [north, south]) {
      expect(one.slot.host!.store.peers.get(registry.fingerprint)?.addresses).toEqual([]);
    }
    await registry.stop();
    await links(north, (told) => !works('north', 'registry')(told) && !told.some(({ from }) => from === 'registry'));
    await registry.start();
    await links(north, (told) => works('north', 'registry')(told) && works('registry', 'south')(told));
    await south.stop();
    await links(
      registry,
      stands('north', 'south', ({ hop }) => hop === 'tcp'),
    );
    await links(
      north,
      stands('registry', 'south', ({ hop }) => hop === 'tcp'),
    );
    await south.start();
    await links(registry, works('north', 'south'));
    await links(north, works('south', 'registry'));
  });

  test('what a member tells of links is checked', async () => {
    const ask = (told: unknown) =>
      south.slot
        .host!.links.ask(north.fingerprint, { ask: 'links', project, links: told }, new AbortController().signal)
        .catch((error: unknown) => error);
    const told = { to: 'registry', state: 'refused', hop: 'key', forMs: 5 };
    for (const wrong of [[{ ...told, state: 'fine' }], [{ ...told, address: 'x:1' }], Array(40).fill(told)]) {
      expect(await ask(wrong)).toMatchObject({ code: 'question-invalid' });
    }
    // Of strangers and of itself it has nothing to tell. What its host tells by itself may come between.
    const heard = async (): Promise<readonly MemberLink[]> => {
      expect(await ask([told, { ...told, to: 'stranger' }, { ...told, to: 'south' }])).toBeNull();
      const held = await north.client.call('projects.links', { id: project });
      return held.filter(({ from }) => from === 'south');
    };
    await expect.poll(heard).toMatchObject([{ from: 'south', to: 'registry', hop: 'key' }]);
  });

  test('a grant can show more rows than there are, and only jobs that declare so many can use it', async () => {
    const x = rows.map((row) => (row * 7) % 11);
    const id = rows.map((row) => `p${row}`);
    const ids = {
      north: await north.addData('north.csv', { id, x }),
      south: await south.addData('south.csv', {
        id,
        z: rows.map((row) => row % 5),
        outcome: x.map((value) => (value > 5 ? 'yes' : 'no')),
      }),
    };
    const terms = { id: project, categories: true, magnitudes: false };
    const ofNorth = { ...terms, dataset: ids.north, uses: { id: 'id', x: 'feature' } } as const;
    const ofSouth = { ...terms, dataset: ids.south, uses: { id: 'id', z: 'feature', outcome: 'label' } } as const;
    expect((await north.client.failure('grants.preview', { ...ofNorth, rows: ROWS - 1 })).code).toBe(
      'grant-rows-too-few',
    );
    expect(await north.client.call('grants.preview', { ...ofNorth, rows: ROWS })).not.toHaveProperty('padded');
    const shown = { rows: 500, padded: true };
    expect(await north.client.call('grants.preview', { ...ofNorth, rows: 500 })).toMatchObject(shown);
    await north.client.call('grants.give', { ...ofNorth, rows: 500 });
    await south.client.call('grants.give', ofSouth);
    const { grants } = await south.project(project, (held) => held.grants.length === 2);
    expect(grants.find(({ party }) => party === 'north')).toMatchObject(shown);
    const issues = async (join: string) =>
      (await south.client.call('proposals.check', { id: project, text: JOB(join) })).issues.map(({ code }) => code);
    expect(await issues('{ how: rows }')).toEqual(['grant-padded']);
    expect(await issues('{ how: ids, on: id }')).toEqual(['grant-padded']);
    expect(await issues('{ how: ids, on: id, pad: { north: 400 } }')).toEqual(['join-more-rows']);
    expect(await issues('{ how: ids, on: id, pad: { north: 500 } }')).toEqual([]);
    await north.client.call('grants.give', ofNorth);
  });

  test('a host that is gone before it says that it has finished is waited for by name, can be left, and says so later', async () => {
    await south.project(project, ({ grants }) => grants.every(({ padded }) => padded !== true));
    const { projects, jobs } = south.slot.host!.store;
    const keep = projects.append.bind(projects);
    const dying = vi.spyOn(projects, 'append').mockImplementation((held) => {
      const { statement } = held.entry;
      if (statement.kind === 'ran' && statement.outcome !== 'started') throw new Error('The power fails.');
      keep(held);
    });
    const { id: draft } = await south.client.call('drafts.save', { text: JOB('{ how: rows }'), project });
    const { id: job } = await south.client.call('proposals.propose', { id: project, draft });
    const detail = (one: Organisation) => one.client.call('proposals.get', { id: project, job });
    const phase = (one: Organisation, wanted: string) =>
      one.project(project, (held) => held.jobs.some((each) => each.id === job && each.phase === wanted));
    for (const one of [north, registry]) {
      await one.project(project, (held) => held.jobs.some((each) => each.id === job));
      const { digest } = await detail(one);
      await one.client.call('proposals.vote', { id: project, job, digest, vote: 'yes', reason: '' });
    }
    const late = (held: { readonly waiting: readonly { readonly party: string; readonly step: string }[] }) =>
      held.waiting.map(({ party, step }) => `${party} ${step}`).join() === 'south finish';
    for (const one of [north, registry]) await one.project(project, (held) => held.jobs.some(late));
    expect(dying).toHaveBeenCalled();
    // As it would be had the power failed a moment earlier: the end was not noted here either.
    const [run] = await south.client.call('runs.list', {});
    await expect.poll(() => jobs.get(run!.id)?.state).toBe('done');
    jobs.setState(run!.id, 'running');
    await south.stop();

    await north.client.call('proposals.steer', { id: project, job, wish: 'cancel', reason: '' });
    await phase(registry, 'cancelled');
    const [own] = await north.client.call('runs.list', {});
    expect(own).toMatchObject({ state: 'done', job });
    const { files } = await north.client.call('runs.get', { id: own!.id });
    expect(files.map(({ name }) => name)).toContain('model.onnx');

    await south.start();
    for (const one of all) await phase(one, 'done');
    const said = (await detail(north)).runs.find(({ party }) => party === 'south');
    expect(said).toMatchObject({ outcome: 'done', received: ['metrics'] });
    const [back] = await south.client.call('runs.list', {});
    const found = await south.client.call('runs.get', { id: back!.id });
    expect(found).toMatchObject({ state: 'done' });
    expect(found.files.map(({ name }) => name)).toContain('metrics.json');
  });
});
