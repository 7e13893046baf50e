/**
 * All links of a host: one per pinned peer, kept up from `openLinks` to `close`, and the doors through which peers and
 * invited strangers come in. Sorts what arrives to the sessions. Knows nothing of what sessions exchange.
 */
import { createHash } from 'node:crypto';
import { InputError, PeerError } from '../../../shared/errors.ts';
import { parseAddress } from '../../../shared/address.ts';
import type { Address } from '../../../shared/address.ts';
import type { Control, FrameHeader, SessionHello } from '../../../shared/wire.ts';
import type { Connection } from './connection.ts';
import { checkIdentity } from './identity.ts';
import type { Identity } from './identity.ts';
import { Inviter } from './inviter.ts';
import { Link } from './link.ts';
import type { LinkStatus, LinkTraffic } from './link.ts';
import { listen } from './listener.ts';
import type { Listener } from './listener.ts';
import type { PeerBook, PinnedPeer } from './peer-book.ts';
import { LinkTalk } from './link-talk.ts';
import type { Answerer } from './link-talk.ts';

export interface LinksOptions {
  readonly identity: Identity;
  readonly book: PeerBook;
  /** Name and version of this program, for messages at the other side. */
  readonly software: string;
  /** Where to listen; port 0 takes any free one. */
  readonly listen: Address;
  /** Whether some session here expects this peer; others are refused by name and not dialled. All are by default. */
  readonly expects?: (fingerprint: string) => boolean;
}

/** One session's end of one link, as the set of links sees it. */
export interface SessionPort {
  readonly session: string;
  readonly attempt: number;
  onFrame(header: FrameHeader, frame: Uint8Array): void;
  onHello(hello: SessionHello): void;
  onAbsent(): void;
  onEnd(code: string): void;
  /** This host ends all its links. */
  onHostClosed(): void;
}

/** How long a closing host waits for its last words to leave. */
const LAST_WORDS_MS = 1_000;
/** Ended sessions that are remembered per link, to answer whoever still speaks of them. */
const REMEMBERED_ENDS = 256;

/** 52 bits that name a session's attempt in frames. */
export function sessionTag(session: string, attempt: number): number {
  const digest = createHash('sha256').update(`${session}\n${attempt}`).digest();
  return digest.readUIntBE(0, 6) * 16 + (digest[6]! & 15);
}

interface EndedSession {
  readonly body: { readonly session: string; readonly attempt: number; readonly code: string };
  /** On which the peer was told by itself: once, however many frames were on their way. */
  told: Connection | undefined;
}

interface LinkBoard {
  readonly link: Link;
  readonly talk: LinkTalk;
  readonly open: Map<number, SessionPort>;
  readonly ended: Map<number, EndedSession>;
}

/** Begins to listen and to dial. Fails with a MachineError (`port-in-use`) or an InputError (`identity-damaged`). */
export async function openLinks(options: LinksOptions): Promise<Links> {
  checkIdentity(options.identity);
  const links = new Links(options);
  await links.open();
  return links;
}

export class Links implements LinkTraffic {
  readonly inviter: Inviter;
  readonly #options: LinksOptions;
  readonly #boards = new Map<string, LinkBoard>();
  readonly #watchers = new Set<(status: LinkStatus) => void>();
  #listener: Listener | undefined;
  #answerer: Answerer | undefined;
  /** From now on nothing new is let in, nor dialled. */
  #closing = false;

  /** Use openLinks. */
  constructor(options: LinksOptions) {
    this.#options = options;
    this.inviter = new Inviter(options.identity, (peer) => this.pin(peer));
  }

  async open(): Promise<void> {
    const { identity, book, software } = this.#options;
    this.#listener = await listen(this.#options.listen, identity, software, {
      isKnown: (fingerprint) => book.get(fingerprint) !== undefined,
      refusal: (fingerprint) => this.#refusal(fingerprint),
      onLink: (connection) => this.#onLink(connection),
      admitsStranger: (remoteAddress) => this.inviter.admits(remoteAddress),
      onStranger: (fingerprint, socket, tls) => this.inviter.serve(fingerprint, socket, tls),
    });
    for (const peer of book.list()) this.#keepUp(peer);
  }

  /** Where this host listens. */
  get address(): Address {
    return this.#listener!.address;
  }

  get identity(): Identity {
    return this.#options.identity;
  }

  get software(): string {
    return this.#options.software;
  }

  /** State of every link. */
  statuses(): LinkStatus[] {
    return [...this.#boards.values()].map(({ link }) => link.status);
  }

  /** State of the link to one peer; undefined for one that is not pinned or was revoked. */
  status(fingerprint: string): LinkStatus | undefined {
    return this.#boards.get(fingerprint)?.link.status;
  }

  /** Calls back at each change of a link's state; the result ends that. */
  watch(watcher: (status: LinkStatus) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Pins a key that people confirmed, and links to it. Also renames or re-addresses a pinned peer; InputError `address-invalid`. */
  pin(peer: Pick<PinnedPeer, 'fingerprint' | 'name' | 'addresses'>): void {
    for (const address of peer.addresses) parseAddress(address);
    this.#options.book.pin(peer);
    this.#boards.get(peer.fingerprint)?.link.update(peer.name, peer.addresses);
    this.#keepUp({ ...peer, revokedAtMs: undefined });
  }

  /** From now on the key is refused; its sessions end. */
  revoke(fingerprint: string): void {
    this.#options.book.revoke(fingerprint);
    const board = this.#boards.get(fingerprint);
    if (board === undefined) return;
    for (const port of [...board.open.values()]) port.onEnd('key-revoked');
    void this.#drop(board);
  }

  /** Who answers the questions of peers; before that, and after undefined, they are refused (`nobody-answers`). */
  answerWith(answerer: Answerer | undefined): void {
    this.#answerer = answerer;
  }

  /**
   * Asks a peer's services. A PeerError says why there is no answer: `peer-away` when there is no connection or it is lost
   * (the question may have arrived), `answer-late`, or the code with which the peer refused.
   */
  ask(fingerprint: string, question: unknown, signal: AbortSignal): Promise<unknown> {
    const board = this.#boards.get(fingerprint);
    if (board !== undefined) return board.talk.ask(question, signal);
    const name = this.#options.book.get(fingerprint)?.name ?? `${fingerprint.slice(0, 16)}...`;
    return Promise.reject(
      new PeerError('peer-not-linked', name, `There is no link to ${name}.`, {
        hint: 'Pair with the organisation first.',
      }),
    );
  }

  /** The link on which a session runs. An InputError (`peer-not-pinned`) where there is none. */
  attach(fingerprint: string, port: SessionPort): Link {
    const board = this.#boards.get(fingerprint);
    if (board === undefined) {
      throw new InputError('peer-not-pinned', `No peer with the key ${fingerprint.slice(0, 16)}... is paired.`, {
        hint: 'Pair with the organisation by an invitation first.',
      });
    }
    const tag = sessionTag(port.session, port.attempt);
    if (board.open.has(tag)) {
      throw new InputError('session-open', `Session ${port.session}, attempt ${port.attempt}, is open already.`);
    }
    board.open.set(tag, port);
    return board.link;
  }

  /** Ends what `attach` began; whoever still speaks of the session is told the code. */
  detach(fingerprint: string, port: SessionPort, code: string): void {
    const board = this.#boards.get(fingerprint);
    const tag = sessionTag(port.session, port.attempt);
    if (board === undefined || board.open.get(tag) !== port) return;
    board.open.delete(tag);
    const { session, attempt } = port;
    board.ended.set(tag, { body: { session, attempt, code }, told: undefined });
    if (board.ended.size > REMEMBERED_ENDS) board.ended.delete(board.ended.keys().next().value!);
  }

  onFrame(link: Link, header: FrameHeader, frame: Uint8Array): void {
    const board = this.#boards.get(link.fingerprint);
    const port = board?.open.get(header.sessionTag);
    if (port !== undefined) return port.onFrame(header, frame);
    const ended = board?.ended.get(header.sessionTag);
    if (ended === undefined) return link.connection?.refuse('session-unknown');
    if (header.type === 'ack' || ended.told === link.connection) return;
    ended.told = link.connection;
    link.connection?.control({ name: 'session-end', body: ended.body });
  }

  onControl(link: Link, control: Control): void {
    const board = this.#boards.get(link.fingerprint);
    if (control.name === 'talk') return board?.talk.onPart(control.body);
    const { session, attempt } = control.body;
    const tag = sessionTag(session, attempt);
    const port = board?.open.get(tag);
    switch (control.name) {
      case 'session-hello': {
        if (port !== undefined) return port.onHello(control.body);
        // Another attempt of a session that is open here: its end of the link says what differs.
        const sibling = [...(board?.open.values() ?? [])].find((other) => other.session === session);
        if (sibling !== undefined) return sibling.onHello(control.body);
        const ended = board?.ended.get(tag);
        if (ended !== undefined) link.connection?.control({ name: 'session-end', body: ended.body });
        else link.connection?.control({ name: 'session-absent', body: { session, attempt } });
        return;
      }
      case 'session-end':
        return port?.onEnd(control.body.code);
      case 'session-absent':
        return port?.onAbsent();
    }
  }

  /** Ends all links at once, and with them the sessions that nobody has closed before. */
  async close(): Promise<void> {
    this.#closing = true;
    this.inviter.close();
    const closed = [...this.#boards.values()].map((board) => {
      for (const port of [...board.open.values()]) port.onHostClosed();
      return this.#drop(board);
    });
    const deadline = Promise.withResolvers<void>();
    const timer = setTimeout(deadline.resolve, LAST_WORDS_MS);
    await Promise.race([Promise.all(closed), deadline.promise]);
    clearTimeout(timer);
    await this.#listener?.close();
  }

  #keepUp(peer: PinnedPeer): void {
    const { identity, software } = this.#options;
    const { fingerprint, name, addresses } = peer;
    if (this.#closing || this.#boards.has(fingerprint) || this.#refusal(fingerprint) !== undefined) return;
    const onStatus = () => this.#onStatus(link);
    const link = new Link({ identity, software, fingerprint, traffic: this, onStatus }, name, addresses);
    const talk = new LinkTalk(link, (question) => {
      if (this.#answerer === undefined) throw new InputError('nobody-answers', 'No service answers peers yet.');
      return this.#answerer(fingerprint, question);
    });
    this.#boards.set(fingerprint, { link, talk, open: new Map(), ended: new Map() });
    link.attach(talk);
    link.start();
  }

  #drop(board: LinkBoard): Promise<void> {
    this.#boards.delete(board.link.fingerprint);
    return board.link.close();
  }

  #refusal(fingerprint: string): string | undefined {
    const peer = this.#options.book.get(fingerprint);
    if (peer === undefined) return 'key-unknown';
    if (peer.revokedAtMs !== undefined) return 'key-revoked';
    if (this.#options.expects?.(fingerprint) === false) return 'not-expected';
    return this.#boards.get(fingerprint)?.link.refusalOfDialled();
  }

  #onLink(connection: Connection): void {
    const { fingerprint } = connection.peer;
    const peer = this.#options.book.get(fingerprint);
    if (peer !== undefined) this.#keepUp(peer);
    const board = this.#boards.get(fingerprint);
    if (board === undefined) connection.close();
    else board.link.adopt(connection);
  }

  #onStatus(link: Link): void {
    const { status } = link;
    if (status.state === 'connected') this.#options.book.seen(link.fingerprint);
    for (const watcher of this.#watchers) watcher(status);
  }
}
