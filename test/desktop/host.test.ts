/**
 * The whole way from a window's bridge to a host and back, with the shell's own parts and the host's real entries in threads:
 * only Electron's windows and processes are stood in for.
 */
import { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import type { BrowserWindow, WebContents } from 'electron';
import { afterEach, describe, expect, test } from 'vitest';
import type { DesktopBridge, DesktopCommand, DesktopState } from '../../shared/api/bridge.ts';
import { createBridge } from '../../main/desktop/bridge.ts';
import type { PagePort } from '../../main/desktop/bridge.ts';
import { channels } from '../../main/desktop/channels.ts';
import { Desktop } from '../../main/desktop/desktop.ts';
import type { DesktopParts } from '../../main/desktop/desktop.ts';
import { HostNews } from '../../main/desktop/notices.ts';
import { openStore } from '../../main/host/store/store.ts';
import { writeSmallJob } from '../parties/small-job.ts';
import { threadChildren } from './threads.ts';
import type { ThreadChildren } from './threads.ts';

const ANY = { host: '127.0.0.1', port: 0 };
const KEY = new Uint8Array(32).fill(7);

/** A page with the preload's bridge, as a window has it. */
class Page {
  readonly bridge: DesktopBridge;
  readonly states: DesktopState[] = [];
  readonly commands: DesktopCommand[] = [];
  readonly events: { name: string; body: unknown }[] = [];
  readonly #changes = new EventEmitter();

  constructor(desktop: Desktop, toPage: EventEmitter, contents: WebContents) {
    this.bridge = createBridge(
      {
        on: (channel, listener) =>
          toPage.on(channel, (value: unknown, ports: readonly PagePort[] = []) => listener({ ports }, value)),
        send: (channel) => {
          if (channel === channels.hello) queueMicrotask(() => desktop.welcome(contents));
        },
        invoke: (channel, value) => {
          expect(channel).toBe(channels.unlock);
          return desktop.unlock(value as string);
        },
      },
      () => '/data.csv',
    );
    this.bridge.onState((state) => {
      this.states.push(state);
      this.#changes.emit('change');
    });
    this.bridge.onEvent((name, body) => {
      this.events.push({ name, body });
      this.#changes.emit('change');
    });
    this.bridge.onCommand((command) => {
      this.commands.push(command);
      this.#changes.emit('change');
    });
  }

  /** Resolves once `holds` does; looked at after each thing that the page was told. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!holds()) return;
        this.#changes.off('change', look);
        resolve();
      };
      this.#changes.on('change', look);
      look();
    });
  }

  get state(): string | undefined {
    return this.states.at(-1)?.state;
  }

  async call(name: string, request: object): Promise<unknown> {
    const answer = await this.bridge.call(name, request);
    if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
    return answer.reply;
  }
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function startDesktop(keys: DesktopParts['keys'] = { unlock: async () => KEY, unlockWith: async () => KEY }) {
  const folder = mkdtempSync(join(tmpdir(), 'tacit-desktop-host-'));
  const children = threadChildren();
  const toPage = new EventEmitter();
  const running: number[] = [];
  const contents = {
    send: (channel: string, value: unknown) => toPage.emit(channel, value),
    postMessage: (channel: string, value: unknown, ports: MessagePort[]) => toPage.emit(channel, value, ports),
  } as unknown as WebContents;
  const window = Object.assign(new EventEmitter(), {
    webContents: contents,
    isMinimized: () => false,
    show: () => {},
    focus: () => {},
  });
  let pages = 0;
  const desktop = new Desktop({
    folder: join(folder, 'data'),
    listen: ANY,
    keys,
    children: children.forks as unknown as DesktopParts['children'],
    news: new HostNews(
      () => {},
      (runs) => running.push(runs.length),
    ),
    openWindow: () => {
      pages++;
      return window as unknown as BrowserWindow;
    },
  });
  closing.push(async () => {
    await desktop.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const load = (): Page => new Page(desktop, toPage, contents);
  return { folder, desktop, children, load, running, windows: () => pages };
}

const newest = (children: ThreadChildren) => children.hosts.at(-1)!;

describe('a window and its host', () => {
  test('calls, events and the first start; the private key is sealed at rest', async () => {
    const { desktop, folder, load } = startDesktop();
    await desktop.start();
    const page = load();
    await page.until(() => page.state === 'connected');
    expect(await page.call('host.status', {})).not.toHaveProperty('identity');
    await page.call('host.create', { name: 'Clinic' });
    expect(page.events.map(({ name }) => name)).toContain('host.changed');
    expect(await page.bridge.call('no.such', {})).toMatchObject({ ok: false, error: { code: 'call-unknown' } });
    expect(await page.bridge.call('host.create', { name: 7 })).toMatchObject({
      ok: false,
      error: { code: 'call-invalid' },
    });
    await desktop.stop();
    expect(readFileSync(join(folder, 'data/tacit.db')).includes('BEGIN PRIVATE KEY')).toBe(false);
    const store = openStore(join(folder, 'data'));
    expect(() => store.identity.get()).toThrow(expect.objectContaining({ code: 'identity-protected' }));
    store.close();
  });

  test('a host that dies is started again, the window joined anew, and a call that waited is answered', async () => {
    const { desktop, children, load } = startDesktop();
    await desktop.start();
    const page = load();
    await page.until(() => page.state === 'connected');
    await page.call('host.create', { name: 'Clinic' });
    const waiting = page.bridge.call('host.status', {});
    await newest(children).terminate();
    expect(await waiting).toHaveProperty('ok');
    await page.until(() => page.states.some(({ state }) => state === 'lost'));
    expect(await page.bridge.call('host.status', {})).toMatchObject({ ok: false, error: { code: 'host-away' } });
    await page.until(() => page.state === 'connected');
    expect(children.hosts).toHaveLength(2);
    expect(await page.call('host.status', {})).toMatchObject({ identity: { name: 'Clinic' } });
  });

  test('a page that is loaded again gets a port of its own', async () => {
    const { desktop, load, windows } = startDesktop();
    await desktop.start();
    const first = load();
    await first.until(() => first.state === 'connected');
    const second = load();
    await second.until(() => second.state === 'connected');
    expect(await second.call('settings.get', {})).toMatchObject({ theme: 'system' });
    expect(windows()).toBe(1);
  });

  test('a folder that is in use is said, and not tried again', async () => {
    const { desktop, folder, children, load } = startDesktop();
    const store = openStore(join(folder, 'data'));
    await desktop.start();
    const page = load();
    await page.until(() => page.state === 'failed');
    expect(page.states.at(-1)).toMatchObject({ message: expect.stringContaining('in use') as string });
    expect(children.hosts).toHaveLength(1);
    store.close();
  });
});

describe('what a person has to do first', () => {
  test('a passphrase opens the host; a wrong one says so', async () => {
    const { desktop, load, children } = startDesktop({
      unlock: async () => 'needs-passphrase',
      unlockWith: async (passphrase) => {
        const { InputError } = await import('../../shared/errors.ts');
        if (passphrase !== 'right') throw new InputError('passphrase-wrong', 'This is not the passphrase.');
        return KEY;
      },
    });
    await desktop.start();
    const page = load();
    await page.until(() => page.state === 'locked');
    expect(page.states.at(-1)).toEqual({ state: 'locked', isNew: false });
    expect(children.hosts).toHaveLength(0);
    expect(await page.bridge.unlock('wrong')).toEqual({ ok: false, message: 'This is not the passphrase.' });
    expect(await page.bridge.unlock('right')).toEqual({ ok: true });
    await page.until(() => page.state === 'connected');
    expect(await page.bridge.unlock('right')).toEqual({ ok: false, message: 'Nothing is locked.' });
  });

  test('a link that started the program waits for the interface', async () => {
    const { desktop, load } = startDesktop();
    desktop.command({ command: 'open-invitation', text: 'tacit://join/abc' });
    await desktop.start();
    const page = load();
    await page.until(() => page.commands.length > 0);
    expect(page.commands).toEqual([{ command: 'open-invitation', text: 'tacit://join/abc' }]);
    desktop.command({ command: 'palette' });
    expect(page.commands.at(-1)).toEqual({ command: 'palette' });
  });
});

test('a run on this machine has its parties in processes that the shell started', async () => {
  const { desktop, folder, children, load, running } = startDesktop();
  await desktop.start();
  const page = load();
  await page.until(() => page.state === 'connected');
  await page.call('host.create', { name: 'Clinic' });
  const job = await writeSmallJob(folder);
  const text = readFileSync(job, 'utf8').replaceAll(/data: (\w+\.csv)/gu, `data: ${folder}/$1`);
  const run = async (): Promise<void> => {
    const { id } = (await page.call('runs.startLocal', { text })) as { id: string };
    const hasEnded = (body: { readonly id: string; readonly state: string }): boolean =>
      body.id === id && body.state !== 'running';
    await page.until(() =>
      page.events.some(({ name, body }) => name === 'runs.changed' && hasEnded(body as Parameters<typeof hasEnded>[0])),
    );
    expect(await page.call('runs.get', { id })).toMatchObject({ state: 'done', hasInsights: true });
  };
  await run();
  expect(children.parties).toHaveLength(3);
  // each asked the page for a card, and the window went with the last of them
  expect(children.gpuPages.flatMap(({ ports }) => ports)).toHaveLength(3);
  await expect.poll(() => children.gpuPages.every(({ isClosed }) => isClosed)).toBe(true);
  const pages = children.gpuPages.length;
  await page.call('settings.set', { kernels: 'wasm' });
  await run();
  expect(children.parties).toHaveLength(6);
  expect(children.gpuPages).toHaveLength(pages);
  // main heard of it too: the tray came and went
  await expect.poll(() => [running[0], running.at(-1)]).toEqual([1, 0]);
});
