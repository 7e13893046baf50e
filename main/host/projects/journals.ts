/**
 * The projects of this host and the journals of their members: writes this organisation's own, checks and keeps those of the
 * others, and says where each project stands. Knows nothing of links.
 *
 * Invariant: what is kept was checked, so that every kept journal can be read by whoever comes later; what does not continue
 * a journal is refused and changes nothing.
 */
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { InputError } from '../../../shared/errors.ts';
import {
  NO_ENTRY,
  charterSchema,
  entryHash,
  entrySchema,
  partyOf,
  projectId,
  readProposal,
} from '../../../shared/project.ts';
import type { Charter, Entry, JournalHead, Statement } from '../../../shared/project.ts';
import { projectState } from '../../../shared/project-state.ts';
import type { HeldEntry, ProjectState, ProposalCache } from '../../../shared/project-state.ts';
import type { ProjectStore } from '../store/projects.ts';

const { sha256 } = nodeCrypto;

/** Nobody decides so much in one project; more would fill the disks of others. */
const MAX_ENTRIES = 10_000;
const MAX_PROJECTS_OF_A_PEER = 200;
/** Text of all entries of one author that this host keeps and holds in memory, over all projects. */
const MAX_CHARACTERS_OF_AN_AUTHOR = 64 << 20;

interface HeldProject {
  readonly id: string;
  readonly charter: Charter;
  readonly journals: Map<string, HeldEntry[]>;
  readonly cache: ProposalCache;
  state: ProjectState | undefined;
}

export interface JournalsOptions {
  readonly store: ProjectStore;
  /** Fingerprint of this organisation. */
  readonly self: string;
  /** Told of every entry, once it is kept. */
  readonly onEntry: (project: ProjectState, entry: HeldEntry) => void;
}

export class Journals {
  readonly self: string;
  readonly #store: ProjectStore;
  readonly #onEntry: JournalsOptions['onEntry'];
  readonly #projects = new Map<string, HeldProject>();
  /** Text held, by author. */
  readonly #characters = new Map<string, number>();

  constructor({ store, self, onEntry }: JournalsOptions) {
    this.#store = store;
    this.self = self;
    this.#onEntry = onEntry;
    for (const { id, charter } of store.list()) this.#hold(id, charter);
  }

  /** The newest first. */
  list(): ProjectState[] {
    return [...this.#projects.keys()]
      .map((id) => this.get(id))
      .sort((a, b) => b.charter.createdAtMs - a.charter.createdAtMs);
  }

  has(id: string): boolean {
    return this.#projects.has(id);
  }

  /** InputError `project-unknown`. */
  get(id: string): ProjectState {
    const project = this.#held(id);
    project.state ??= projectState(project.id, project.charter, project.journals, sha256, project.cache);
    return project.state;
  }

  /** Name of this organisation in a project. */
  selfIn(id: string): string {
    return partyOf(this.#held(id).charter, this.self) ?? '';
  }

  /** Founds a project; its creator is in. InputError `charter-invalid`. */
  create(charter: Charter): ProjectState {
    const checked = readCharter(charter);
    const id = projectId(checked, sha256);
    this.#store.add({ id, charter: checked });
    this.#hold(id, checked);
    this.say(id, { kind: 'answered', answer: 'accepted', reason: '' });
    return this.get(id);
  }

  /** A project that a peer has founded and asks this organisation into. Once known, it stays as it is. */
  receive(value: unknown, from: string): { readonly id: string; readonly isNew: boolean } {
    const charter = readCharter(value);
    const id = projectId(charter, sha256);
    if (this.has(id)) return { id, isNew: false };
    if (charter.creator !== from) throw refusal('not-the-author', 'The project was founded by somebody else.');
    if (partyOf(charter, this.self) === undefined) {
      throw refusal('not-a-member', 'The project does not name this organisation.');
    }
    const founded = [...this.#projects.values()].filter((project) => project.charter.creator === from);
    if (founded.length >= MAX_PROJECTS_OF_A_PEER) throw refusal('projects-too-many', 'The peer has founded too many.');
    this.#store.add({ id, charter });
    this.#hold(id, charter);
    return { id, isNew: true };
  }

  /** Writes an own decision down; what other members would refuse is refused here. */
  say(id: string, statement: Statement): HeldEntry {
    const project = this.#held(id);
    const head = this.head(id, this.self);
    const entry: Entry = {
      tacitEntry: 1,
      project: id,
      author: this.self,
      sequence: head.sequence + 1,
      previous: head.hash,
      atMs: Date.now(),
      statement,
    };
    const checked = this.#check(project, this.self, JSON.parse(JSON.stringify(entry)));
    this.#keep(project, checked);
    return checked;
  }

  /**
   * Takes in entries that their author sent. Entries that are held already are compared and passed over, so that sending
   * twice does no harm. What was right before the first wrong one is kept.
   * @returns how many of the author's entries are held.
   * @throws InputError with the code that the author is told: `entry-invalid`, `not-a-member`, `not-the-author`,
   * `journal-forked` (another entry is held in its place), `journal-gap`, `not-accepted`, `journal-too-long`, and those of
   * readProposal.
   */
  take(id: string, author: string, entries: readonly unknown[]): number {
    const project = this.#held(id);
    if (partyOf(project.charter, author) === undefined) throw refusal('not-a-member', 'A stranger wrote an entry.');
    for (const value of entries) {
      const checked = this.#check(project, author, value);
      if (checked.entry.sequence > this.head(id, author).sequence) this.#keep(project, checked);
    }
    return this.head(id, author).sequence;
  }

  /** Own entries after a position. */
  own(id: string, after: number): readonly HeldEntry[] {
    return (this.#held(id).journals.get(this.self) ?? []).slice(after);
  }

  head(id: string, author: string): JournalHead {
    const last = this.#held(id).journals.get(author)?.at(-1);
    return last === undefined ? { sequence: 0, hash: NO_ENTRY } : { sequence: last.entry.sequence, hash: last.hash };
  }

  /** Of all members. */
  heads(id: string): Record<string, JournalHead> {
    const { charter } = this.#held(id);
    return Object.fromEntries(
      Object.values(charter.members).map(({ fingerprint }) => [fingerprint, this.head(id, fingerprint)]),
    );
  }

  /** Hash of an author's entry at a position, where it is held; zeros at 0. */
  hashAt(id: string, author: string, sequence: number): string | undefined {
    return sequence === 0 ? NO_ENTRY : this.#held(id).journals.get(author)?.[sequence - 1]?.hash;
  }

  #held(id: string): HeldProject {
    const project = this.#projects.get(id);
    if (project !== undefined) return project;
    throw new InputError('project-unknown', `There is no project ${id.slice(0, 16)} here.`, {
      hint: 'Look at the list of projects.',
    });
  }

  #hold(id: string, charter: Charter): void {
    if (this.#projects.has(id)) return;
    const journals = new Map(
      Object.values(charter.members).map(({ fingerprint }) => [fingerprint, this.#store.entries(id, fingerprint)]),
    );
    this.#projects.set(id, { id, charter, journals, cache: new Map(), state: undefined });
    for (const entries of journals.values()) for (const held of entries) this.#count(held);
  }

  #keep(project: HeldProject, held: HeldEntry): void {
    this.#store.append(held);
    project.journals.get(held.entry.author)?.push(held);
    this.#count(held);
    project.state = undefined;
    this.#onEntry(this.get(project.id), held);
  }

  #count({ entry }: HeldEntry): void {
    this.#characters.set(entry.author, (this.#characters.get(entry.author) ?? 0) + charactersOf(entry));
  }

  #check(project: HeldProject, author: string, value: unknown): HeldEntry {
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success) throw refusal('entry-invalid', `An entry is not valid: ${parsed.error.issues[0]?.message}.`);
    const entry = parsed.data;
    const { sequence, previous, statement } = entry;
    if (entry.project !== project.id) throw refusal('entry-invalid', 'An entry belongs to another project.');
    if (entry.author !== author) throw refusal('not-the-author', 'An entry was written by somebody else.');
    const hash = entryHash(entry, sha256);
    const head = this.head(project.id, author);
    if (sequence <= head.sequence) {
      if (this.hashAt(project.id, author, sequence) === hash) return { entry, hash };
      throw refusal('journal-forked', `Entry ${sequence} is held with other content.`);
    }
    if (sequence > head.sequence + 1) throw refusal('journal-gap', `Entry ${head.sequence + 1} has not come yet.`);
    if (previous !== head.hash) throw refusal('journal-forked', `Entry ${sequence} continues another journal.`);
    if (sequence > MAX_ENTRIES) throw refusal('journal-too-long', `A journal has ${MAX_ENTRIES} entries at most.`);
    if ((this.#characters.get(author) ?? 0) + charactersOf(entry) > MAX_CHARACTERS_OF_AN_AUTHOR) {
      throw refusal(
        'journal-too-long',
        `The journals of one author take ${MAX_CHARACTERS_OF_AN_AUTHOR} characters at most.`,
      );
    }
    this.#checkStatement(project, author, statement);
    return { entry, hash };
  }

  /** Only by what the charter and the author's own journal say, so that the order between authors does not matter. */
  #checkStatement({ id, charter, journals }: HeldProject, author: string, statement: Statement): void {
    const before = (journals.get(author) ?? []).map(({ entry }) => entry.statement);
    const answer = before.findLast((one) => one.kind === 'answered');
    if (statement.kind !== 'answered' && answer?.answer !== 'accepted') {
      throw refusal('not-accepted', 'Its author has not joined the project.');
    }
    if (statement.kind !== 'proposed') return;
    const earlier = before.findLast((one) => one.kind === 'proposed' && one.job === statement.job);
    const expected = earlier?.kind === 'proposed' ? earlier.version + 1 : 1;
    if (statement.version !== expected) {
      throw refusal('proposal-version', `Version ${expected} of the job was expected, not ${statement.version}.`);
    }
    readProposal(charter, id, author, statement, sha256);
  }
}

function readCharter(value: unknown): Charter {
  const parsed = charterSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new InputError('charter-invalid', `The project is not valid: ${issue?.message}.`, {
    hint: 'Correct the members of the project.',
  });
}

const charactersOf = (entry: Entry): number => JSON.stringify(entry).length;

const refusal = (code: string, message: string): InputError => new InputError(code, message);
