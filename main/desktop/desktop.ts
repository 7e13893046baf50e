/**
 * The desktop app while it runs: one window, one host, and what joins them. The boot order and the parts are in index.ts; this
 * file decides who is told what. Knows nothing of what the host does.
 */
import type { BrowserWindow, MessagePortMain, WebContents } from 'electron';
import type { DesktopCommand, DesktopState, UnlockAnswer } from '../../shared/api/bridge.ts';
import { TacitError } from '../../shared/errors.ts';
import type { Address } from '../../shared/address.ts';
import { portClient } from '../../shared/api/port-client.ts';
import { channels } from './channels.ts';
import { HostSupervisor } from './host-supervisor.ts';
import type { HostState, SupervisorPorts } from './host-supervisor.ts';
import type { KeyProtection } from './key-protection.ts';
import type { HostNews } from './notices.ts';
import { processPort } from './process-port.ts';
import { bringToFront } from './window.ts';

export interface DesktopParts {
  readonly folder: string;
  readonly listen: Address;
  readonly keys: Pick<KeyProtection, 'unlock' | 'unlockWith'>;
  readonly children: Omit<SupervisorPorts<MessagePortMain>, 'onState'>;
  readonly news: HostNews;
  /** Makes and loads a window; its page is trusted. */
  readonly openWindow: () => BrowserWindow;
}

export class Desktop {
  readonly #parts: DesktopParts;
  #window: BrowserWindow | undefined;
  #host: HostSupervisor<MessagePortMain> | undefined;
  #state: DesktopState = { state: 'connecting' };
  /** Its page has said hello. */
  #listens = false;
  #early: DesktopCommand[] = [];

  constructor(parts: DesktopParts) {
    this.#parts = parts;
  }

  get window(): BrowserWindow | undefined {
    return this.#window;
  }

  /** Opens the window at once, and the host as soon as its key is at hand. */
  async start(): Promise<void> {
    this.show();
    try {
      const key = await this.#parts.keys.unlock();
      if (typeof key === 'string') this.#show({ state: 'locked', isNew: key === 'needs-new-passphrase' });
      else this.#startHost(key);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The window, in front; a new one where it was closed. */
  show(): void {
    if (this.#window !== undefined) return bringToFront(this.#window);
    const window = this.#parts.openWindow();
    this.#window = window;
    window.on('closed', () => {
      this.#window = undefined;
      this.#listens = false;
    });
  }

  /** For the interface, once it listens; brings it to the front. */
  command(command: DesktopCommand): void {
    if (this.#listens) this.#window?.webContents.send(channels.command, command);
    else this.#early.push(command);
    this.show();
  }

  /** A page has loaded, for the first time or again: it gets state, port, and what waited for it. */
  welcome(page: WebContents): void {
    this.#listens = true;
    page.send(channels.state, this.#state);
    if (this.#state.state === 'connected') this.#join(page);
    for (const command of this.#early.splice(0)) page.send(channels.command, command);
  }

  async unlock(passphrase: string): Promise<UnlockAnswer> {
    if (this.#state.state !== 'locked') return { ok: false, message: 'Nothing is locked.' };
    try {
      this.#startHost(await this.#parts.keys.unlockWith(passphrase));
      return { ok: true };
    } catch (error) {
      if (!(error instanceof TacitError)) throw error;
      return { ok: false, message: error.line };
    }
  }

  /** Lets the host close its folder. */
  async stop(): Promise<void> {
    await this.#host?.stop();
  }

  #startHost(guardKey: Uint8Array): void {
    const { folder, listen, children } = this.#parts;
    this.#host = new HostSupervisor(
      { folder, listen, guardKey },
      { ...children, onState: (state) => this.#onHost(state) },
    );
    this.#host.start();
  }

  #onHost(state: HostState): void {
    switch (state.state) {
      case 'starting':
        return this.#show({ state: 'connecting' });
      case 'ready':
        this.#listenForNews();
        this.#state = { state: 'connected' };
        if (this.#listens && this.#window !== undefined) this.#join(this.#window.webContents);
        return;
      case 'restarting':
        this.#parts.news.forget();
        return this.#show({ state: 'lost' });
      case 'failed':
        this.#parts.news.forget();
        return this.#show({ state: 'failed', message: state.error.message, hint: state.error.hint ?? '' });
      case 'stopped':
        return;
    }
  }

  /** Main is a client of the host like any window. */
  #listenForNews(): void {
    const { near, far } = this.#parts.children.channel();
    if (!this.#host?.connect(far)) return;
    portClient(processPort(near), (name, body) => this.#parts.news.onEvent(name, body));
  }

  #join(page: WebContents): void {
    const { near, far } = this.#parts.children.channel();
    if (this.#host?.connect(far) === true) page.postMessage(channels.port, null, [near]);
  }

  #fail(error: unknown): void {
    console.error(error);
    const message = error instanceof Error ? error.message : String(error);
    this.#show({ state: 'failed', message, hint: error instanceof TacitError ? (error.hint ?? '') : '' });
  }

  #show(state: DesktopState): void {
    this.#state = state;
    if (this.#listens) this.#window?.webContents.send(channels.state, state);
  }
}
