/** The same interface over the desktop's carrier: in Chromium, with a bridge as the preload gives it, to a real host over a port. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DesktopCommand, DesktopState } from '../../shared/api/bridge.ts';
import type { MessageEnd } from '../../shared/api/port.ts';
import { portClient } from '../../shared/api/port-client.ts';
import { HostSlot } from '../../main/host/api/host-slot.ts';
import { servePort } from '../../main/host/api/serve-port.ts';
import { openApi } from '../../main/host/api/services.ts';
import type { Api } from '../../main/host/api/services.ts';
import { serveNewHost } from '../host/api/clients.ts';
import type { ServedHost } from '../host/api/clients.ts';
import { requires } from '../helpers/requires.ts';
import { buildInterface, keepScreenshots, launch, PATIENCE_MS, seriousFindings, WINDOW } from './browser.ts';

const endOf = (port: MessagePort): MessageEnd => ({
  send: (message) => port.postMessage(message),
  onMessage: (listener) => void port.on('message', listener),
  onClose: (listener) => void port.on('close', listener),
});

/** What the preload leaves in the page; `node*` are functions of this test. */
const bridgeScript = `
  const listeners = { event: [], state: [], command: [] };
  window.say = (kind, ...values) => listeners[kind].forEach((listener) => listener(...values));
  window.tacitDesktop = {
    call: (name, request) => window.nodeCall(name, request),
    unlock: (passphrase) => window.nodeUnlock(passphrase),
    pathOf: (file) => window.nodeFolder + '/' + file.name,
    onEvent: (listener) => listeners.event.push(listener),
    onState: (listener) => { listeners.state.push(listener); listener({ state: 'connecting' }); },
    onCommand: (listener) => listeners.command.push(listener),
  };`;

requires('chromium')('the interface in a window of the desktop app', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tacit-carrier-'));
  let browser: Browser;
  let page: Page;
  /** Serves the files only: the page has no token, and never asks its socket. */
  let files: ServedHost;
  let slot: HostSlot;
  let api: Api;
  const complaints: string[] = [];

  beforeAll(async () => {
    await buildInterface();
    browser = await launch();
    files = await serveNewHost();
    slot = await HostSlot.forFolder(join(folder, 'data'), { host: '127.0.0.1', port: 0 });
    api = openApi(slot, (error) => complaints.push(String(error)));
    const { port1, port2 } = new MessageChannel();
    servePort(api, endOf(port1));
    page = await browser.newPage({ viewport: WINDOW, reducedMotion: 'reduce' });
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('pageerror', (error) => complaints.push(error.message));
    const client = portClient(endOf(port2), (name, body) => {
      void page.evaluate(([n, b]) => (globalThis as never as Saying).say('event', n, b), [name, body] as const);
    });
    await page.exposeFunction('nodeCall', client.call);
    await page.exposeFunction('nodeUnlock', async (passphrase: string) => {
      if (passphrase !== 'four words for tests') return { ok: false, message: 'This is not the passphrase.' };
      await tell('state', { state: 'connected' });
      return { ok: true };
    });
    await page.addInitScript(`window.nodeFolder = ${JSON.stringify(folder)};${bridgeScript}`);
    await page.goto(new URL('/', files.api.url).href);
  });
  afterAll(async () => {
    await browser?.close();
    await api?.close();
    await slot?.host?.close();
    await files?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Saying {
    say(kind: string, ...values: unknown[]): void;
  }
  const tell = (kind: 'state' | 'command', value: DesktopState | DesktopCommand): Promise<void> =>
    page.evaluate(([k, v]) => (globalThis as never as Saying).say(k, v), [kind, value] as const);

  async function settle(name: string): Promise<void> {
    expect(await seriousFindings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await keepScreenshots(page, name);
  }

  test('asks for a new passphrase, twice, and for one that was chosen', async () => {
    await tell('state', { state: 'locked', isNew: true });
    await page.getByRole('heading', { name: 'Choose a passphrase' }).waitFor();
    await page.getByLabel('Passphrase').fill('four words for tests');
    await page.getByLabel('The same again').fill('four words for test');
    await page.getByText('The two are different.').waitFor();
    expect(await page.getByRole('button', { name: 'Protect with this passphrase' }).isDisabled()).toBe(true);
    await settle('unlock-new');
    await tell('state', { state: 'locked', isNew: false });
    await page.getByRole('heading', { name: 'Tacit is locked' }).waitFor();
    await page.getByLabel('Passphrase').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('This is not the passphrase.').waitFor();
    await settle('unlock');
    await page.getByLabel('Passphrase').fill('four words for tests');
    await page.keyboard.press('Enter');
  });

  test('first start over the port; events arrive', async () => {
    await page.getByLabel('What is your organisation called?').fill('Desktop Clinic');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Your identity' }).waitFor();
    await page.getByText('Host connected').waitFor();
  });

  test('a file is registered where it lies, without a copy', async () => {
    writeFileSync(join(folder, 'ages.csv'), 'age,sick\n1,0\n2,1\n3,1\n');
    await page.getByRole('navigation').getByRole('link', { name: 'Data sets' }).click();
    await page.locator('input[type=file]').setInputFiles(join(folder, 'ages.csv'));
    await page.getByRole('heading', { name: 'ages.csv', level: 1 }).waitFor();
    expect(slot.host?.store.datasets.list()).toMatchObject([{ paths: [join(folder, 'ages.csv')], uploaded: false }]);
  });

  test('the menu’s commands and links that the system hands over do what they say, and no more', async () => {
    await tell('command', { command: 'go', section: 'peers' });
    await page.getByRole('heading', { name: 'Peers', level: 1 }).waitFor();
    await tell('command', { command: 'go', section: 'nowhere' });
    await tell('command', { command: 'shortcuts' });
    await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
    await tell('command', { command: 'open-invitation', text: 'tacit://join/abc' });
    await page.getByRole('dialog').getByText('The invitation is damaged').waitFor();
    await page.keyboard.press('Escape');
    expect(slot.host?.store.peers.list()).toEqual([]);
  });

  test('a host that ended is awaited; one that cannot be started says what to do', async () => {
    await tell('state', { state: 'lost' });
    await page.getByText('The host does not answer').first().waitFor();
    await tell('state', { state: 'connected' });
    await page.getByText('Host connected').waitFor();
    await tell('state', { state: 'failed', message: 'The folder is in use.', hint: 'Close that program.' });
    await page.getByRole('heading', { name: 'The host cannot be started' }).waitFor();
    await page.getByText('Close that program.').waitFor();
    await settle('host-failed');
  });
});
