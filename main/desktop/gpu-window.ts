/**
 * The hidden window that computes on the graphics card for the processes that main forked, which have none (docs/gpu-page.md):
 * there while an engine uses it. Knows nothing of frames, which go from process to page without passing through main.
 */
import type { BrowserWindow, BrowserWindowConstructorOptions, MessagePortMain } from 'electron';
import { GPU_PAGE } from './app-protocol.ts';
import { GPU_PORT_CHANNEL } from './gpu-channel.ts';
import type { GpuAnswer, GpuRequest } from './host-messages.ts';
import type { Child, SupervisorPorts } from './host-supervisor.ts';
import { pagePreferences } from './security.ts';

/** The page in its window. */
export interface GpuPage<Port> {
  /** Gives it a port, as soon as it has loaded. */
  join(port: Port): void;
  /** Told once: it crashed, could not be loaded, or was closed by somebody else. */
  onGone(listener: () => void): void;
  close(): void;
}

interface Use<Port> {
  readonly child: Child<Port>;
  /** Of the child's own count. */
  readonly id: number;
}

export class GpuWindow<Port> {
  readonly #open: () => GpuPage<Port>;
  readonly #channel: SupervisorPorts<Port>['channel'];
  #page: GpuPage<Port> | undefined;
  #uses: readonly Use<Port>[] = [];

  constructor(open: () => GpuPage<Port>, channel: SupervisorPorts<Port>['channel']) {
    this.#open = open;
    this.#channel = channel;
  }

  onMessage(child: Child<Port>, { type, id }: GpuRequest): void {
    if (type === 'end-gpu') return this.#keep((use) => use.child !== child || use.id !== id);
    this.#page ??= this.#openPage();
    this.#uses = [...this.#uses, { child, id }];
    const { near, far } = this.#channel();
    this.#page.join(far);
    child.send({ type: 'gpu-started', id } satisfies GpuAnswer, [near]);
  }

  /** The process ended, and its uses with it. */
  forget(child: Child<Port>): void {
    this.#keep((use) => use.child !== child);
  }

  #openPage(): GpuPage<Port> {
    const page = this.#open();
    page.onGone(() => {
      const uses = this.#uses;
      this.#uses = [];
      this.#page = undefined;
      for (const { child, id } of uses) child.send({ type: 'gpu-ended', id } satisfies GpuAnswer);
    });
    return page;
  }

  #keep(holds: (use: Use<Port>) => boolean): void {
    this.#uses = this.#uses.filter(holds);
    if (this.#uses.length > 0) return;
    this.#page?.close();
    this.#page = undefined;
  }
}

export function gpuWindowOptions(preload: string): BrowserWindowConstructorOptions {
  return {
    show: false,
    focusable: false,
    skipTaskbar: true,
    webPreferences: { ...pagePreferences, preload, backgroundThrottling: false },
  };
}

/** Loads the page. `onFailure` is told why it went without having been closed. */
export function openGpuPage(window: BrowserWindow, onFailure: (why: string) => void): GpuPage<MessagePortMain> {
  const { webContents } = window;
  const gone = Promise.withResolvers<void>();
  let isOver = false;
  const close = (): void => {
    if (isOver) return;
    isOver = true;
    if (!window.isDestroyed()) window.destroy();
  };
  const fail = (why: string): void => {
    if (isOver) return;
    close();
    onFailure(why);
    gone.resolve();
  };
  webContents.on('render-process-gone', (_event, { reason }) => fail(reason));
  // What answers for a file that is missing is a page too, but nobody there listens.
  webContents.on('did-navigate', (_event, _url, status) => {
    if (status >= 400) fail(`it answered with ${status}`);
  });
  window.on('closed', () => fail('its window was closed'));
  const loaded = window.loadURL(GPU_PAGE);
  loaded.catch((error: unknown) => fail(String(error)));
  return {
    join: (port) =>
      void loaded.then(
        () => {
          if (!isOver) webContents.postMessage(GPU_PORT_CHANNEL, null, [port]);
        },
        () => undefined,
      ),
    onGone: (listener) => void gone.promise.then(listener),
    close,
  };
}
