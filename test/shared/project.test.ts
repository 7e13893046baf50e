/** Charters, agreements from grants, and what the members' journals come to. */
import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import type { Agreement } from '../../shared/agreement.ts';
import { agreementDigest } from '../../shared/agreement.ts';
import { parseJob } from '../../shared/job.ts';
import type { Job } from '../../shared/job.ts';
import { NO_ENTRY, charterSchema, entryHash, projectHead, projectId } from '../../shared/project.ts';
import type { Charter, Entry, GrantedColumn, Statement } from '../../shared/project.ts';
import { agreementFor, grantIssues } from '../../shared/project-job.ts';
import { projectState } from '../../shared/project-state.ts';
import type { HeldEntry, ProjectState } from '../../shared/project-state.ts';

const { sha256 } = nodeCrypto;
const keys = { north: '1'.repeat(64), south: '2'.repeat(64), registry: '3'.repeat(64) };
type Name = keyof typeof keys;

const charter: Charter = {
  tacitProject: 1,
  name: 'Study',
  purpose: '',
  nonce: '0'.repeat(32),
  createdAtMs: 0,
  creator: keys.north,
  members: {
    north: { fingerprint: keys.north, roles: ['data', 'compute', 'receiver'] },
    south: { fingerprint: keys.south, roles: ['data', 'compute'] },
    registry: { fingerprint: keys.registry, roles: ['dealer'] },
  },
};
const id = projectId(charter, sha256);
const JOB_ID = `${keys.north.slice(0, 8)}-0123456789abcdef`;

/** Journals that grow by what members say; each statement is a moment later than the one before. */
class Members {
  readonly journals = new Map<string, HeldEntry[]>();
  #now = 0;

  say(name: Name, statement: Statement): this {
    const journal = this.journals.get(keys[name]) ?? [];
    const entry: Entry = {
      tacitEntry: 1,
      project: id,
      author: keys[name],
      sequence: journal.length + 1,
      previous: journal.at(-1)?.hash ?? NO_ENTRY,
      atMs: ++this.#now,
      statement: JSON.parse(JSON.stringify(statement)) as Statement,
    };
    this.journals.set(keys[name], [...journal, { entry, hash: entryHash(entry, sha256) }]);
    return this;
  }

  get state(): ProjectState {
    return projectState(id, charter, this.journals, sha256);
  }

  get job() {
    return this.state.jobs[0]!;
  }

  vote(name: Name, vote: 'yes' | 'no' | 'none', agreement = this.job.current.digest): this {
    return this.say(name, { kind: 'voted', agreement, vote, reason: `${name} says ${vote}` });
  }

  ran(name: Name, outcome: 'started' | 'done' | 'failed', generation = 1): this {
    const agreement = this.job.current.digest;
    return this.say(name, { kind: 'ran', agreement, generation, outcome, attempt: 1, received: [] });
  }

  steer(name: Name, wish: 'go' | 'pause' | 'cancel', generation = 1): this {
    return this.say(name, { kind: 'steered', agreement: this.job.current.digest, wish, generation, reason: '' });
  }
}

function joined(): Members {
  const members = new Members();
  for (const name of ['north', 'south', 'registry'] as const) {
    members.say(name, { kind: 'answered', answer: 'accepted', reason: '' });
  }
  const outcome: GrantedColumn = { name: 'outcome', type: 'category', categories: ['no', 'yes'], use: 'label' };
  return members
    .say('north', {
      kind: 'granted',
      dataset: 'n1',
      name: 'north.csv',
      rows: 50,
      columns: [
        { name: 'age', type: 'integer', use: 'feature' },
        { name: 'patient', type: 'text', use: 'id' },
      ],
    })
    .say('south', {
      kind: 'granted',
      dataset: 's1',
      name: 'south.csv',
      rows: 50,
      columns: [{ name: 'dose', type: 'number', use: 'feature' }, outcome],
    });
}

const jobOf = (change: object = {}): Job =>
  parseJob({
    name: 'job',
    parties: { north: { data: 'north.csv' }, south: { data: 's1' } },
    dealer: 'registry',
    join: { how: 'rows' },
    label: { south: 'outcome' },
    task: 'classification',
    model: { template: 'logistic' },
    train: { epochs: 1, batch: 'all', optimizer: { name: 'sgd', lr: 0.1 } },
    reveal: { model: ['north'] },
    ...change,
  });

const agreed = (members: Members, version: number, change: object = {}): Agreement =>
  agreementFor(members.state, jobOf(change), { id: JOB_ID, version }, sha256);

function proposed(version = 1, members = joined(), change: object = {}): Members {
  return members.say('north', { kind: 'proposed', job: JOB_ID, version, agreement: agreed(members, version, change) });
}

test('a charter names each key and each name once, and its creator; its id covers all of it', () => {
  expect(charterSchema.safeParse(charter).success).toBe(true);
  const wrong: Partial<Charter>[] = [
    { creator: '9'.repeat(64) },
    { members: { north: charter.members['north']! } },
    { members: { ...charter.members, North: { fingerprint: '4'.repeat(64), roles: ['compute'] } } },
    { members: { ...charter.members, twin: { fingerprint: keys.south, roles: ['compute'] } } },
  ];
  for (const change of wrong) expect(charterSchema.safeParse({ ...charter, ...change }).success).toBe(false);
  expect(projectId({ ...charter, purpose: 'another' }, sha256)).not.toBe(id);
});

describe('an agreement from grants', () => {
  test('holds the columns that the job uses and no others, under the owner’s own id', () => {
    const { job, schemas, members, session } = agreed(joined(), 1);
    expect(job.features).toEqual({ north: ['age'], south: ['dose'] });
    expect(job.parties['north']?.data).toMatchObject({ id: 'n1' });
    expect(schemas['north']?.data).toEqual({ rows: 50, columns: [{ name: 'age', type: 'integer' }] });
    expect(members['registry']).toEqual({ fingerprint: keys.registry, role: 'dealer', addresses: [] });
    expect(session).toBe(`${id}.${JOB_ID}.1`);
  });

  const refusals: [what: string, change: object, code: string][] = [
    ['a column that was not granted', { features: { north: ['salary'], south: '*' } }, 'column-not-granted'],
    ['a column granted for another use', { features: { north: ['patient'], south: '*' } }, 'column-not-granted'],
    ['a feature as label', { label: { south: 'dose' } }, 'column-not-granted'],
    ['an unknown data set', { parties: { north: { data: 'x' }, south: { data: 's1' } } }, 'dataset-not-granted'],
    [
      'a stranger',
      { parties: { north: { data: 'north.csv' }, other: { data: 'a' } }, label: { other: 'a' } },
      'not-a-project-member',
    ],
    ['results for one that receives none', { reveal: { model: ['south'] } }, 'role-not-held'],
    [
      'a dealer that may not deal',
      { dealer: 'north', parties: { south: { data: 's1' }, registry: {} }, reveal: {} },
      'role-not-held',
    ],
  ];
  test.each(refusals)('is refused for %s', (_, change, code) => {
    expect(() => agreed(joined(), 1, change)).toThrow(expect.objectContaining({ code }));
  });

  test('is refused while a party has not joined', () => {
    const members = joined().say('south', { kind: 'answered', answer: 'left', reason: '' });
    expect(() => agreed(members, 1)).toThrow(expect.objectContaining({ code: 'member-not-joined' }));
  });

  test('is covered as long as the grants give the same, and the party is named where they do not', () => {
    const members = proposed();
    const { agreement } = members.job.current;
    expect(grantIssues(members.state, agreement)).toEqual([]);
    const narrower: Statement = {
      kind: 'granted',
      dataset: 's1',
      name: 'south.csv',
      rows: 49,
      columns: agreement.schemas['south']!.data.columns.map((column) => ({
        ...column,
        use: column.name === 'outcome' ? 'label' : 'feature',
      })),
    };
    members.say('south', narrower);
    expect(grantIssues(members.state, agreement)).toMatchObject([{ party: 'south', code: 'data-not-as-granted' }]);
    members.say('south', { kind: 'ungranted', dataset: 's1' });
    expect(grantIssues(members.state, agreement)).toMatchObject([{ party: 'south', code: 'dataset-not-granted' }]);
  });
});

describe('what journals come to', () => {
  test('all parties and the dealer have to vote yes, on the digest as it is', () => {
    const members = proposed().vote('north', 'yes').vote('south', 'yes');
    expect(members.job.phase).toBe('proposed');
    members.vote('registry', 'yes', 'f'.repeat(64));
    expect(members.job.phase).toBe('proposed');
    expect(members.vote('registry', 'no').job).toMatchObject({ phase: 'refused' });
    expect(members.vote('registry', 'yes').job).toMatchObject({ phase: 'starting' });
    expect(members.vote('south', 'none').job).toMatchObject({ phase: 'proposed' });
  });

  test('an edit voids votes in sight, a withdrawal ends it, another edit revives it', () => {
    const members = proposed().vote('north', 'yes').vote('south', 'no');
    const first = members.job.current.digest;
    proposed(2, members, { name: 'edited' });
    expect(members.job.votes.map(({ vote }) => vote)).toEqual(['none', 'none', 'none']);
    expect(members.job.voidVotes.map(({ party, vote, version }) => [party, vote, version])).toEqual([
      ['north', 'yes', 1],
      ['south', 'no', 1],
    ]);
    members.vote('south', 'yes', first);
    expect(members.job.votes.map(({ vote }) => vote)).toEqual(['none', 'none', 'none']);
    members.say('south', { kind: 'withdrawn', job: JOB_ID, reason: '' });
    expect(members.job.phase).toBe('proposed');
    members.say('north', { kind: 'withdrawn', job: JOB_ID, reason: 'later' });
    expect(members.job.phase).toBe('withdrawn');
    expect(proposed(3, members).job.phase).toBe('proposed');
  });

  test('a run is held by whoever pauses or ends it, fails at one, starts anew, and is done when all are', () => {
    const members = proposed();
    for (const name of ['north', 'south', 'registry'] as const) members.vote(name, 'yes');
    expect(members.ran('north', 'started').job.phase).toBe('running');
    expect(members.steer('south', 'pause').job.phase).toBe('paused');
    expect(members.steer('north', 'go').job.phase).toBe('paused');
    expect(members.steer('south', 'go').job.phase).toBe('running');
    expect(members.ran('south', 'failed').job.phase).toBe('failed');
    expect(members.steer('north', 'go', 2).job).toMatchObject({ phase: 'starting', generation: 2 });
    expect(members.ran('south', 'failed', 1).job.phase).toBe('starting');
    expect(members.steer('registry', 'cancel', 2).job.phase).toBe('cancelled');
    expect(members.steer('registry', 'go', 3).job.phase).toBe('starting');
    members.ran('north', 'done', 3).ran('south', 'done', 3);
    expect(members.job.phase).toBe('running');
    expect(members.ran('registry', 'done', 3).job.phase).toBe('done');
    expect(members.vote('south', 'no').steer('south', 'cancel', 3).job.phase).toBe('done');
  });

  test('who leaves has no vote and ends runs', () => {
    const members = proposed();
    for (const name of ['north', 'south', 'registry'] as const) members.vote(name, 'yes');
    members.say('south', { kind: 'answered', answer: 'left', reason: 'over' });
    expect(members.job.phase).toBe('proposed');
    expect(members.job.runs.find(({ party }) => party === 'south')?.wish).toBe('cancel');
  });

  test('the digest and the head do not depend on whose entries came first', () => {
    const members = proposed().vote('south', 'yes').vote('north', 'yes');
    const reversed = new Map([...members.journals].reverse());
    expect(projectState(id, charter, reversed, sha256)).toEqual(members.state);
    const heads = (state: ProjectState) =>
      Object.fromEntries(state.members.map(({ fingerprint, head }) => [fingerprint, head]));
    const head = projectHead(heads(members.state), sha256);
    expect(projectHead(heads(projectState(id, charter, reversed, sha256)), sha256)).toBe(head);
    expect(projectHead(heads(members.vote('south', 'no').state), sha256)).not.toBe(head);
    expect(agreementDigest(members.job.current.agreement, sha256)).toBe(members.job.current.digest);
  });
});
