/**
 * Which members of a project reach each other: every host tells the connected members how its own links to the others stand, and
 * keeps what they tell until it cannot hear them any more. Nothing of it is written down or passed on. Knows nothing of runs.
 */
import type { MemberLink } from '../../../shared/api/project-calls.ts';
import type { ProjectState } from '../../../shared/project-state.ts';
import type { Links } from '../peers/links.ts';
import type { Exchange, ToldLink } from './exchange.ts';
import type { Journals } from './journals.ts';

export interface MemberLinksOptions {
  readonly links: Links;
  readonly journals: Journals;
  readonly exchange: Exchange;
  /** What is known of the links of a project's members has changed. */
  readonly onChange: (project: string) => void;
}

/** What is the state of a link for a moment only is not told. */
const SETTLED_AFTER_MS = 300;
const TRY_AGAIN_MS = 1_000;

export class MemberLinks {
  readonly #options: MemberLinksOptions;
  /** By project and the member that told it. */
  readonly #heard = new Map<string, readonly MemberLink[]>();
  /** What a member was told last, without its durations; by project and its key. */
  readonly #told = new Map<string, string>();
  /** The own links as clients were told of them last, by project. */
  readonly #shown = new Map<string, string>();
  readonly #unwatch: () => void;
  #looking: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: MemberLinksOptions) {
    this.#options = options;
    this.#unwatch = options.links.watch(() => this.look());
    this.look();
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    clearTimeout(this.#looking);
  }

  /** Links or members may have changed: tells whom it concerns, soon. */
  look(afterMs = SETTLED_AFTER_MS): void {
    if (this.#isClosed || this.#looking !== undefined) return;
    this.#looking = setTimeout(() => {
      this.#looking = undefined;
      for (const project of this.#options.journals.list()) this.#tell(project);
    }, afterMs);
  }

  /** Every link of which one end is this host, or a member that is connected and told of it. */
  of(project: string): MemberLink[] {
    const { journals } = this.#options;
    const { members } = journals.get(project);
    return [
      ...this.#own(journals.get(project)),
      ...members.flatMap(({ party }) => this.#heard.get(`${project} ${party}`) ?? []),
    ];
  }

  /** What a member tells of its links; of strangers and of itself it has nothing to tell. */
  heard(project: string, party: string, told: readonly ToldLink[]): void {
    const { journals, onChange } = this.#options;
    const { members } = journals.get(project);
    const now = Date.now();
    const links = told
      .filter(({ to }) => to !== party && members.some((member) => member.party === to))
      .map(({ forMs, ...link }): MemberLink => ({ from: party, ...link, sinceMs: Math.max(0, now - forMs) }));
    this.#heard.set(`${project} ${party}`, links);
    onChange(project);
  }

  #own({ id, charter, members }: ProjectState): MemberLink[] {
    const { links, journals } = this.#options;
    const self = journals.selfIn(id);
    return members
      .filter(({ party }) => party !== self)
      .map(({ party: to, fingerprint }): MemberLink => {
        const status = links.status(fingerprint);
        if (status === undefined) return { from: self, to, state: 'unpaired', sinceMs: charter.createdAtMs };
        const { state, failure, sinceMs } = status;
        return { from: self, to, state, hop: failure?.hop, sinceMs };
      });
  }

  #tell(project: ProjectState): void {
    const { links, onChange } = this.#options;
    const own = this.#own(project);
    const content = JSON.stringify(own);
    let isNew = this.#shown.get(project.id) !== content;
    this.#shown.set(project.id, content);
    for (const { party, fingerprint } of project.members) {
      if (party === own[0]?.from) continue;
      const key = `${project.id} ${fingerprint}`;
      if (links.status(fingerprint)?.state === 'connected') {
        if (this.#told.get(key) !== content) void this.#tellOne(project.id, fingerprint, key, own, content);
        continue;
      }
      // It is told all again once it is back; what it said itself is out of date.
      this.#told.delete(key);
      isNew = this.#heard.delete(`${project.id} ${party}`) || isNew;
    }
    if (isNew) onChange(project.id);
  }

  async #tellOne(
    project: string,
    fingerprint: string,
    key: string,
    own: readonly MemberLink[],
    content: string,
  ): Promise<void> {
    this.#told.set(key, content);
    const now = Date.now();
    const told = own.map(({ to, state, hop, sinceMs }): ToldLink => {
      return { to, state, hop, forMs: Math.max(0, Math.round(now - sinceMs)) };
    });
    const heard = await this.#options.exchange.tellLinks(project, fingerprint, told);
    if (heard === 'heard' || this.#told.get(key) !== content) return;
    this.#told.delete(key);
    this.look(TRY_AGAIN_MS);
  }
}
