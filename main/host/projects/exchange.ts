/**
 * How members of a project tell each other what they decided: every host brings its own journal to every other member's host,
 * again and again until it is held there, whenever there is a link. Also passes on how runs go and how the own links stand, which
 * nobody keeps. Knows nothing of what entries mean.
 */
import { z } from 'zod';
import { InputError, PeerError } from '../../../shared/errors.ts';
import { hops } from '../../../shared/api/peer-calls.ts';
import { memberLinkStates } from '../../../shared/api/project-calls.ts';
import type { HeadVerdict } from '../../../shared/api/project-calls.ts';
import { digestSchema, fingerprintSchema } from '../../../shared/ids.ts';
import { runProgressSchema } from '../../../shared/progress.ts';
import { MAX_MEMBERS, journalHeadSchema, projectIdSchema, projectHead } from '../../../shared/project.ts';
import type { HeldEntry, ProjectState } from '../../../shared/project-state.ts';
import { partyName } from '../../../shared/strict.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { Links } from '../peers/links.ts';
import type { Journals } from './journals.ts';

/** How a run goes at the host that tells it: public facts, and for how long. */
const peerProgressSchema = runProgressSchema.omit({ quality: true }).extend({
  agreement: digestSchema,
  forMs: z.int().min(0),
});
export type PeerProgress = z.infer<typeof peerProgressSchema>;

/** How the asker's link to another member stands, and for how long: no addresses, no messages. */
const toldLinkSchema = z.strictObject({
  to: partyName,
  state: z.enum(memberLinkStates),
  /** The step that failed last, while there is no link. */
  hop: z.enum(hops).optional(),
  forMs: z.int().min(0),
});
export type ToldLink = z.infer<typeof toldLinkSchema>;

const projectField = { project: projectIdSchema };
const questionSchema = z.discriminatedUnion('ask', [
  /** The founder of a project asks a member in. */
  z.strictObject({ ask: z.literal('join'), charter: z.unknown() }),
  /** How many of the asker's entries are held? */
  z.strictObject({ ask: z.literal('held'), ...projectField }),
  z.strictObject({ ask: z.literal('take'), ...projectField, entries: z.array(z.unknown()).min(1).max(1000) }),
  z.strictObject({ ask: z.literal('heads'), ...projectField }),
  z.strictObject({ ask: z.literal('progress'), ...projectField, progress: peerProgressSchema }),
  z.strictObject({ ask: z.literal('links'), ...projectField, links: z.array(toldLinkSchema).max(MAX_MEMBERS) }),
]);

const heldSchema = z.object({ held: z.int().min(0) });
const headsSchema = z.object({ heads: z.record(fingerprintSchema, journalHeadSchema) });

/** What a member's host holds of this organisation's journal. */
export interface Delivery {
  readonly held: number;
  /** Why it takes no more. */
  readonly refused: string | undefined;
}

export interface HeadComparison {
  readonly party: string;
  readonly verdict: HeadVerdict;
  /** Over all journals that it holds; undefined when it could not be asked. */
  readonly head: string | undefined;
}

export interface ExchangeOptions {
  readonly links: Links;
  readonly journals: Journals;
  readonly onProgress: (project: string, party: string, progress: PeerProgress) => void;
  readonly onLinks: (project: string, party: string, links: readonly ToldLink[]) => void;
  /** A delivery went on, or another host asks this one in. */
  readonly onChange: (project: string) => void;
}

/** Text of the entries in one message. */
const BATCH_CHARACTERS = 1 << 20;
const TRY_AGAIN_MS = 1_000;
/** A passing trouble: the same again may go well. A link that two hosts dialled at once changes its connection under a question. */
const PASSING: readonly string[] = ['peer-away', 'answer-late', 'nobody-answers', 'failed'];

export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #deliveries = new Map<string, Delivery>();
  readonly #busy = new Map<string, 'once' | 'again'>();
  readonly #connected = new Set<string>();
  readonly #closing = new AbortController();
  readonly #unwatch: () => void;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { links } = options;
    links.answerWith((fingerprint, question) => this.#answer(fingerprint, question));
    this.#unwatch = links.watch(({ fingerprint, state }) => {
      if (state !== 'connected') return void this.#connected.delete(fingerprint);
      if (this.#connected.has(fingerprint)) return;
      this.#connected.add(fingerprint);
      this.#bringAll(fingerprint);
    });
    for (const { fingerprint, state } of links.statuses()) {
      if (state !== 'connected') continue;
      this.#connected.add(fingerprint);
      this.#bringAll(fingerprint);
    }
  }

  close(): void {
    this.#closing.abort(new Error('The exchange was closed.'));
    this.#unwatch();
    this.#options.links.answerWith(undefined);
  }

  /** Brings what is new in the own journal of a project to its members. */
  bring(project: string): void {
    for (const fingerprint of this.#others(project)) this.#bring(project, fingerprint);
  }

  /** What is known of a member's host since this one was started. */
  delivery(project: string, fingerprint: string): Delivery | undefined {
    return this.#deliveries.get(`${project} ${fingerprint}`);
  }

  /** Tells the other members how a run goes here. Lost where there is no link: the next one says more. */
  tell(project: string, fingerprints: readonly string[], progress: PeerProgress): void {
    for (const fingerprint of fingerprints) {
      if (this.#connected.has(fingerprint)) {
        this.#ask(fingerprint, { ask: 'progress', project, progress }).catch(() => {});
      }
    }
  }

  /** Tells one member how the own links to the others stand. @returns whether it has heard it, or is to be told again. */
  async tellLinks(project: string, fingerprint: string, links: readonly ToldLink[]): Promise<'heard' | 'later'> {
    try {
      await this.#ask(fingerprint, { ask: 'links', project, links: [...links] });
      return 'heard';
    } catch (error) {
      if (this.#closing.signal.aborted || !(error instanceof PeerError)) return 'heard';
      // Its founder may not have told it of the project yet.
      return error.code === 'project-unknown' || PASSING.includes(error.code) ? 'later' : 'heard';
    }
  }

  /** Asks every other member what it holds of all journals, and compares. */
  compareHeads({ id, members }: ProjectState): Promise<HeadComparison[]> {
    const { journals } = this.#options;
    return Promise.all(
      members
        .filter(({ fingerprint }) => fingerprint !== journals.self)
        .map(async ({ party, fingerprint }): Promise<HeadComparison> => {
          try {
            const { heads } = headsSchema.parse(await this.#ask(fingerprint, { ask: 'heads', project: id }));
            return { party, verdict: this.#verdict(id, heads), head: projectHead(heads, nodeCrypto.sha256) };
          } catch (error) {
            if (!(error instanceof PeerError) && !(error instanceof z.ZodError)) throw error;
            return { party, verdict: 'away', head: undefined };
          }
        }),
    );
  }

  #verdict(project: string, theirs: z.infer<typeof headsSchema>['heads']): HeadVerdict {
    const { journals } = this.#options;
    let verdict: HeadVerdict = 'match';
    for (const [author, own] of Object.entries(journals.heads(project))) {
      const their = theirs[author];
      if (their === undefined) return 'differ';
      if (their.sequence > own.sequence) {
        // Nobody else can continue the journal that is written here.
        if (author === journals.self) return 'differ';
        verdict = 'ahead';
      } else if (journals.hashAt(project, author, their.sequence) !== their.hash) return 'differ';
      else if (their.sequence < own.sequence && verdict === 'match') verdict = 'behind';
    }
    return verdict;
  }

  #others(project: string): string[] {
    const { journals } = this.#options;
    return journals
      .get(project)
      .members.map(({ fingerprint }) => fingerprint)
      .filter((fingerprint) => fingerprint !== journals.self);
  }

  #bringAll(fingerprint: string): void {
    for (const { id } of this.#options.journals.list()) {
      if (this.#others(id).includes(fingerprint)) this.#bring(id, fingerprint);
    }
  }

  /** One at a time for a project and a member; what is new meanwhile follows. */
  #bring(project: string, fingerprint: string): void {
    const key = `${project} ${fingerprint}`;
    if (!this.#connected.has(fingerprint) || this.#closing.signal.aborted) return;
    if (this.#busy.has(key)) return void this.#busy.set(key, 'again');
    this.#busy.set(key, 'once');
    void this.#deliver(project, fingerprint).then((goesOn) => {
      const again = this.#busy.get(key) === 'again';
      this.#busy.delete(key);
      if (this.#closing.signal.aborted) return;
      this.#options.onChange(project);
      if (again) this.#bring(project, fingerprint);
      else if (goesOn === 'later') setTimeout(() => this.#bring(project, fingerprint), TRY_AGAIN_MS).unref();
    });
  }

  async #deliver(project: string, fingerprint: string): Promise<'delivered' | 'refused' | 'later'> {
    const note = (held: number, refused?: string): void =>
      void this.#deliveries.set(`${project} ${fingerprint}`, { held, refused });
    let held = 0;
    try {
      held = await this.#heldBy(project, fingerprint);
      for (;;) {
        const entries = batch(this.#options.journals.own(project, held));
        note(held);
        if (entries.length === 0) return 'delivered';
        const before = held;
        held = await this.#count(fingerprint, { ask: 'take', project, entries });
        if (held <= before) return 'later';
      }
    } catch (error) {
      if (this.#closing.signal.aborted) return 'refused';
      if (!(error instanceof PeerError)) throw error;
      if (PASSING.includes(error.code)) return 'later';
      note(held, error.code);
      return 'refused';
    }
  }

  /** How much a member's host holds of the own journal; its founder tells it of the project first. */
  async #heldBy(project: string, fingerprint: string): Promise<number> {
    const { journals } = this.#options;
    const { charter } = journals.get(project);
    try {
      return await this.#count(fingerprint, { ask: 'held', project });
    } catch (error) {
      const isNew = error instanceof PeerError && error.code === 'project-unknown';
      if (!isNew || charter.creator !== journals.self) throw error;
      return this.#count(fingerprint, { ask: 'join', charter });
    }
  }

  async #count(fingerprint: string, question: z.input<typeof questionSchema>): Promise<number> {
    const answer = heldSchema.safeParse(await this.#ask(fingerprint, question));
    if (answer.success) return answer.data.held;
    throw new PeerError('answer-malformed', fingerprint, 'An answer about a project does not make sense.');
  }

  #ask(fingerprint: string, question: z.input<typeof questionSchema>): Promise<unknown> {
    return this.#options.links.ask(fingerprint, question, this.#closing.signal);
  }

  #answer(fingerprint: string, value: unknown): unknown {
    const { journals, onProgress, onLinks, onChange } = this.#options;
    const parsed = questionSchema.safeParse(value);
    if (!parsed.success) throw new InputError('question-invalid', 'A peer asked what makes no sense.');
    const question = parsed.data;
    if (question.ask === 'join') {
      const { id, isNew } = journals.receive(question.charter, fingerprint);
      if (isNew) {
        onChange(id);
        this.bring(id);
      }
      return { held: journals.head(id, fingerprint).sequence };
    }
    const { project } = question;
    const member = journals.get(project).members.find((one) => one.fingerprint === fingerprint);
    if (member === undefined) throw new InputError('not-a-member', 'A stranger asked about a project.');
    switch (question.ask) {
      case 'held':
        // It knows the project now; it may not have when this host last tried.
        if (this.delivery(project, fingerprint)?.refused === 'project-unknown') this.#bring(project, fingerprint);
        return { held: journals.head(project, fingerprint).sequence };
      case 'take':
        return { held: journals.take(project, fingerprint, question.entries) };
      case 'heads':
        return { heads: journals.heads(project) };
      case 'progress':
        onProgress(project, member.party, question.progress);
        return null;
      case 'links':
        onLinks(project, member.party, question.links);
        return null;
    }
  }
}

/** As many entries as one message holds; always one, if there is one. */
function batch(entries: readonly HeldEntry[]): HeldEntry['entry'][] {
  const taken: HeldEntry['entry'][] = [];
  let characters = 0;
  for (const { entry } of entries) {
    characters += JSON.stringify(entry).length;
    if (taken.length > 0 && (characters > BATCH_CHARACTERS || taken.length === 1000)) break;
    taken.push(entry);
  }
  return taken;
}
