/** What a member may make another member's host keep. Real store. */
import { expect, test } from 'vitest';
import { NO_ENTRY, entryHash } from '../../../shared/project.ts';
import type { Charter, Entry, Statement } from '../../../shared/project.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Journals } from '../../../main/host/projects/journals.ts';
import { codeOf, temporaryStore } from '../store/temporary.ts';

const [self, other] = ['a'.repeat(64), 'b'.repeat(64)];

/** Four megabytes of text: what a grant of very many columns may be. */
const grant: Statement = {
  kind: 'granted',
  dataset: 'wide',
  name: 'wide',
  rows: 10,
  columns: Array.from({ length: 160 }, (_, column) => ({
    name: `c${column}`,
    type: 'category',
    use: 'feature',
    categories: Array.from({ length: 100 }, (__, value) => `${column} ${value} `.padEnd(256, 'x')),
  })),
};

test('an author fills no host: over all its projects it may write so much, and what it wrote before stays', () => {
  const store = temporaryStore().projects;
  const journals = new Journals({ store, self, onEntry: () => {} });
  const codes: string[] = [];
  for (let founded = 0; founded < 3; founded++) {
    const charter: Charter = {
      tacitProject: 1,
      name: 'wide',
      purpose: '',
      nonce: `${founded}`.repeat(32),
      createdAtMs: 0,
      creator: other,
      members: { here: { fingerprint: self, roles: ['data'] }, there: { fingerprint: other, roles: ['data'] } },
    };
    const { id: project } = journals.receive(charter, other);
    let previous = NO_ENTRY;
    const take = (statement: Statement): void => {
      const sequence = journals.head(project, other).sequence + 1;
      const entry: Entry = { tacitEntry: 1, project, author: other, sequence, previous, atMs: 0, statement };
      journals.take(project, other, [entry]);
      previous = entryHash(entry, nodeCrypto.sha256);
    };
    take({ kind: 'answered', answer: 'accepted', reason: '' });
    for (let i = 0; i < 6; i++) codes.push(codeOf(() => take(grant)));
  }
  // 16 grants and their frames pass 64 Mi characters
  expect(codes).toEqual([...Array.from({ length: 16 }, () => 'none'), 'journal-too-long', 'journal-too-long']);
  // A host that starts anew counts what it held.
  const again = new Journals({ store, self, onEntry: () => {} });
  const [wide] = again.list().filter(({ id }) => again.head(id, other).sequence === 5);
  const head = again.head(wide!.id, other);
  const entry = { tacitEntry: 1, project: wide!.id, author: other, sequence: 6, previous: head.hash, atMs: 0 };
  expect(codeOf(() => again.take(wide!.id, other, [{ ...entry, statement: grant }]))).toBe('journal-too-long');
});
