/** The hidden window of the graphics card: how it is made, and that ports come and go as engines and the page do. */
import { EventEmitter, once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { BrowserWindow, MessagePortMain } from 'electron';
import { describe, expect, test } from 'vitest';
import { GPU_PAGE } from '../../main/desktop/app-protocol.ts';
import { GPU_PORT_CHANNEL } from '../../main/desktop/gpu-channel.ts';
import { GpuPorts } from '../../main/desktop/gpu-ports.ts';
import { GpuWindow, gpuWindowOptions, openGpuPage } from '../../main/desktop/gpu-window.ts';
import { gpuAnswerSchema } from '../../main/desktop/host-messages.ts';
import type { Child } from '../../main/desktop/host-supervisor.ts';
import { processPort } from '../../main/desktop/process-port.ts';
import { pagePreferences } from '../../main/desktop/security.ts';
import { electronPort } from './electron-port.ts';

describe('its window', () => {
  test('is hidden, sandboxed as every page, and not slowed down', () => {
    const { show, webPreferences } = gpuWindowOptions('/app/out/gpu-preload.cjs');
    expect(show).toBe(false);
    expect(webPreferences).toEqual({
      ...pagePreferences,
      preload: '/app/out/gpu-preload.cjs',
      backgroundThrottling: false,
    });
  });

  function pageInWindow() {
    const loaded = Promise.withResolvers<void>();
    const posted: unknown[] = [];
    const failures: string[] = [];
    const webContents = Object.assign(new EventEmitter(), {
      postMessage: (...message: unknown[]) => posted.push(message),
    });
    const addresses: string[] = [];
    const window = Object.assign(new EventEmitter(), {
      webContents,
      destroyed: 0,
      isDestroyed: () => window.destroyed > 0,
      destroy: () => {
        window.destroyed++;
        window.emit('closed');
      },
      loadURL: (address: string) => {
        addresses.push(address);
        return loaded.promise;
      },
    });
    const page = openGpuPage(window as unknown as BrowserWindow, (why) => failures.push(why));
    const gone = new Promise<void>((resolve) => page.onGone(resolve));
    return { page, window, webContents, loaded, posted, failures, gone, addresses };
  }
  const port = {} as MessagePortMain;

  test('gives the page its ports once it has loaded', async () => {
    const { page, loaded, posted, addresses, window, failures } = pageInWindow();
    page.join(port);
    expect([addresses, posted]).toEqual([[GPU_PAGE], []]);
    loaded.resolve();
    await loaded.promise;
    expect(posted).toEqual([[GPU_PORT_CHANNEL, null, [port]]]);
    page.close();
    expect([window.destroyed, failures]).toEqual([1, []]);
  });

  test.each([
    ['crashes', ({ webContents }) => void webContents.emit('render-process-gone', {}, { reason: 'crashed' })],
    ['is missing', ({ webContents }) => void webContents.emit('did-navigate', {}, GPU_PAGE, 404)],
    ['cannot be loaded', ({ loaded }) => loaded.reject(new Error('ERR_FAILED'))],
    ['is closed', ({ window }) => window.destroy()],
  ] satisfies [string, (made: ReturnType<typeof pageInWindow>) => void][])(
    'goes when the page %s, and says so',
    async (_what, happen) => {
      const made = pageInWindow();
      made.page.join(port);
      happen(made);
      await made.gone;
      made.loaded.resolve();
      expect([made.window.destroyed, made.failures.length, made.posted]).toEqual([1, 1, []]);
    },
  );
});

/** The shell and forked processes, in one thread. */
function shell() {
  const pages: { ports: MessagePort[]; isClosed: boolean; crash: () => void }[] = [];
  const gpu = new GpuWindow<MessagePort>(
    () => {
      const gone = Promise.withResolvers<void>();
      const page = { ports: [] as MessagePort[], isClosed: false, crash: gone.resolve };
      pages.push(page);
      return {
        join: (port) => void page.ports.push(port),
        onGone: (listener) => void gone.promise.then(listener),
        close: () => void (page.isClosed = true),
      };
    },
    () => {
      const { port1, port2 } = new MessageChannel();
      return { near: port1, far: port2 };
    },
  );
  const fork = () => {
    const ports = new GpuPorts((message) => gpu.onMessage(child, message));
    const child: Child<MessagePort> = {
      send: (message, [port] = []) =>
        // as between processes: later
        queueMicrotask(() =>
          ports.onMessage(
            gpuAnswerSchema.parse(message),
            port === undefined ? undefined : processPort(electronPort(port)),
          ),
        ),
      onMessage: () => undefined,
      onExit: () => undefined,
      kill: () => undefined,
    };
    return { ports, child };
  };
  return { gpu, pages, fork };
}

const received = async (port: MessagePort): Promise<unknown> => ((await once(port, 'message')) as unknown[])[0];

describe('ports to the page', () => {
  test('an engine that says nothing opens no window; one that does has its frames carried both ways', async () => {
    const { pages, fork } = shell();
    const { ports } = fork();
    const silent = ports.open();
    const engine = ports.open();
    engine.postMessage(Uint8Array.of(1));
    engine.postMessage(Uint8Array.of(2));
    await expect.poll(() => pages.length).toBe(1);
    const [page] = pages[0]!.ports;
    expect(await received(page!)).toEqual(Uint8Array.of(1));
    expect(await received(page!)).toEqual(Uint8Array.of(2));
    page!.postMessage(Uint8Array.of(3));
    expect(await received(engine)).toEqual(Uint8Array.of(3));
    expect(pages[0]!.ports).toHaveLength(1);
    const ended = once(page!, 'close');
    engine.close();
    await ended;
    await expect.poll(() => pages[0]!.isClosed).toBe(true);
    silent.close();
  });

  test('the window stays while one process uses it, and is new for the next', async () => {
    const { gpu, pages, fork } = shell();
    const [first, second] = [fork(), fork()];
    for (const { ports } of [first, second]) ports.open().postMessage(Uint8Array.of(1));
    await expect.poll(() => pages[0]?.ports.length).toBe(2);
    gpu.forget(first.child);
    expect(pages[0]!.isClosed).toBe(false);
    gpu.forget(second.child);
    expect(pages[0]!.isClosed).toBe(true);
    first.ports.open().postMessage(Uint8Array.of(1));
    await expect.poll(() => pages.length).toBe(2);
  });

  test('a page that crashes closes the ports of all engines', async () => {
    const { pages, fork } = shell();
    const engines = [fork(), fork()].map(({ ports }) => ports.open());
    const closed = engines.map((engine) => once(engine, 'close'));
    for (const engine of engines) engine.postMessage(Uint8Array.of(1));
    await expect.poll(() => pages[0]?.ports.length).toBe(2);
    pages[0]!.crash();
    await Promise.all(closed);
    expect(pages).toHaveLength(1);
  });

  test('what is no frame ends the way', async () => {
    const { pages, fork } = shell();
    const engine = fork().ports.open();
    const closed = once(engine, 'close');
    engine.postMessage(Uint8Array.of(1));
    await expect.poll(() => pages[0]?.ports.length).toBe(1);
    pages[0]!.ports[0]!.postMessage('text');
    await closed;
  });
});
