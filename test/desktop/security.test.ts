/** What the shell says to Electron about security, and that it holds: settings, navigation, requests, senders, files. */
import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { App, IpcMain, IpcMainEvent, IpcMainInvokeEvent, Session, WebContents, WebFrameMain } from 'electron';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { answerRequest, APP_ORIGIN, APP_PAGE, appScheme, isAppAddress } from '../../main/desktop/app-protocol.ts';
import { TrustedIpc } from '../../main/desktop/ipc.ts';
import { hardenApp, hardenSession, pagePreferences } from '../../main/desktop/security.ts';
import { windowOptions } from '../../main/desktop/window.ts';

/** An event whose default can be prevented. */
const event = <Detail extends object>(detail: Detail) => {
  const made = { ...detail, prevented: false, preventDefault: () => void (made.prevented = true) };
  return made;
};

describe('pages', () => {
  test('have a sandbox, a world apart, no Node, and the preload of ours', () => {
    const files = { preload: '/app/out/preload.cjs', icon: '/app/icon.png' };
    const { webPreferences, show } = windowOptions({ width: 1280, height: 800, isMaximised: false }, files, true);
    expect(webPreferences).toEqual({
      preload: '/app/out/preload.cjs',
      sandbox: true,
      contextIsolation: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      allowRunningInsecureContent: false,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
    });
    expect(show).toBe(false);
    expect(pagePreferences).not.toHaveProperty('preload');
    expect(appScheme.privileges).not.toHaveProperty('bypassCSP');
  });

  /** The handlers that the shell puts on every page. */
  function hardenedPage() {
    const app = Object.assign(new EventEmitter(), { isSandboxed: false, enableSandbox: () => {} });
    app.enableSandbox = () => void (app.isSandboxed = true);
    hardenApp(app as unknown as App);
    let openHandler: ((details: { url: string }) => { action: string }) | undefined;
    const page = Object.assign(new EventEmitter(), {
      setWindowOpenHandler: (handler: typeof openHandler) => void (openHandler = handler),
    });
    app.emit('web-contents-created', event({}), page);
    return { app, page, opens: (url: string) => openHandler!({ url }) };
  }

  test.each([
    ['https://example.org/', true],
    ['file:///etc/passwd', true],
    ['app://other/index.html', true],
    ['app:///index.html', true],
    ['javascript:alert(1)', true],
    [`${APP_ORIGIN}/index.html#/peers`, false],
  ])('navigating to %s is prevented: %s', (url, isPrevented) => {
    const { page } = hardenedPage();
    const top = event({ url, isMainFrame: true });
    page.emit('will-frame-navigate', top);
    expect(top.prevented).toBe(isPrevented);
    const frame = event({ url, isMainFrame: false });
    page.emit('will-frame-navigate', frame);
    expect(frame.prevented).toBe(true);
  });

  test('redirects, views in pages and new windows are denied; wrong certificates and logins too', () => {
    const { app, page, opens } = hardenedPage();
    expect(app.isSandboxed).toBe(true);
    for (const name of ['will-redirect', 'will-attach-webview']) {
      const one = event({ url: APP_PAGE });
      page.emit(name, one);
      expect(one.prevented, name).toBe(true);
    }
    for (const url of [APP_PAGE, 'https://example.org']) expect(opens(url)).toEqual({ action: 'deny' });
    let decision: boolean | undefined;
    const wrong = event({});
    app.emit('certificate-error', wrong, {}, 'https://x', 'error', {}, (isTrusted: boolean) => (decision = isTrusted));
    expect([wrong.prevented, decision]).toEqual([true, false]);
    const login = event({});
    app.emit('login', login);
    expect(login.prevented).toBe(true);
  });
});

describe('the session', () => {
  /** A session that keeps what it is told. */
  function hardened(isDevelopment = false) {
    const said: Record<string, (...args: never[]) => unknown> = {};
    const keep = (name: string) => (handler: (...args: never[]) => unknown) => void (said[name] = handler);
    const session = Object.assign(new EventEmitter(), {
      setPermissionRequestHandler: keep('request'),
      setPermissionCheckHandler: keep('check'),
      setDevicePermissionHandler: keep('device'),
      webRequest: { onBeforeRequest: keep('before') },
    });
    hardenSession(session as unknown as Session, isDevelopment);
    const call = (name: string, ...args: unknown[]): unknown => said[name]!(...(args as never[]));
    const isCancelled = (url: string): boolean => {
      let answer = { cancel: false };
      call('before', { url }, (given: typeof answer) => (answer = given));
      return answer.cancel;
    };
    return { session, call, isCancelled };
  }

  test.each(['media', 'geolocation', 'notifications', 'hid', 'usb', 'openExternal', 'clipboard-read', 'fileSystem'])(
    'denies the permission %s',
    (permission) => {
      const { call } = hardened();
      let granted: boolean | undefined;
      call('request', {}, permission, (given: boolean) => (granted = given));
      expect(granted).toBe(false);
      expect(call('check', {}, permission)).toBe(false);
      expect(call('device', {})).toBe(false);
    },
  );

  test('allows text to be copied, which a person asks for by a button', () => {
    expect(hardened().call('check', {}, 'clipboard-sanitized-write')).toBe(true);
  });

  test('cancels every request that is not for the interface', () => {
    const { isCancelled } = hardened();
    expect([APP_PAGE, `${APP_ORIGIN}/assets/x.js`, `blob:${APP_ORIGIN}/1-2`, 'data:,x'].map(isCancelled)).not.toContain(
      true,
    );
    const foreign = [
      'https://example.org',
      'http://127.0.0.1:80',
      'file:///etc/passwd',
      'ws://x',
      'app://x/',
      'blob:x',
    ];
    expect(foreign.map(isCancelled)).not.toContain(false);
    expect(isCancelled('devtools://devtools/x')).toBe(true);
    expect(hardened(true).isCancelled('devtools://devtools/x')).toBe(false);
  });

  test('downloads only what the interface itself made', () => {
    const { session } = hardened();
    const download = (url: string): boolean => {
      const one = event({});
      session.emit('will-download', one, { getURL: () => url });
      return one.prevented;
    };
    expect([download(`blob:${APP_ORIGIN}/1-2`), download('https://example.org/x')]).toEqual([false, true]);
  });
});

describe('the protocol of the interface', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tacit-protocol-'));
  const place = join(folder, 'renderer');
  beforeAll(() => {
    mkdirSync(join(place, 'assets'), { recursive: true });
    writeFileSync(join(folder, 'secret.txt'), 'secret');
    writeFileSync(join(place, 'index.html'), '<p>page</p>');
    writeFileSync(join(place, 'assets/a-1.js'), 'x');
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const get = (url: string, init?: RequestInit): Promise<Response> => answerRequest(place, new Request(url, init));

  test('serves files with the strict policy', async () => {
    const page = await get(`${APP_ORIGIN}/`);
    expect([page.status, await page.text()]).toEqual([200, '<p>page</p>']);
    const policy = page.headers.get('Content-Security-Policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe-inline|unsafe-eval'(?<!wasm-unsafe-eval')|https?:|\*/u);
    expect(page.headers.get('Cross-Origin-Opener-Policy')).toBe('same-origin');
    expect(page.headers.get('X-Content-Type-Options')).toBe('nosniff');
    const script = await get(`${APP_ORIGIN}/assets/a-1.js`);
    expect(script.headers.get('Content-Type')).toBe('text/javascript; charset=utf-8');
  });

  test.each([
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/%2e%2e%2fsecret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/..%5csecret.txt',
    '/%00',
    '/%',
    '/assets',
    '//etc/passwd',
  ])('finds nothing at %s', async (path) => {
    const answer = await get(APP_ORIGIN + path);
    expect([answer.status, await answer.text()]).toEqual([404, 'There is no such page.\n']);
  });

  test('knows no other host and no other method', async () => {
    expect((await get('app://other/index.html')).status).toBe(403);
    expect((await get(APP_PAGE, { method: 'POST', body: 'x' })).status).toBe(405);
    expect(isAppAddress('app://tacit.example.org/')).toBe(false);
    expect(isAppAddress('not an address')).toBe(false);
  });
});

describe('messages to main', () => {
  function trustedIpc() {
    const heard: string[] = [];
    const refused: string[] = [];
    let onHello: (event: IpcMainEvent) => void = () => {};
    let onUnlock: (event: IpcMainInvokeEvent, value: unknown) => Promise<unknown> = async () => {};
    const ipcMain = {
      on: (_channel: string, listener: typeof onHello) => void (onHello = listener),
      handle: (_channel: string, listener: typeof onUnlock) => void (onUnlock = listener),
    };
    const ipc = new TrustedIpc(ipcMain as unknown as IpcMain, (what) => refused.push(what));
    ipc.on('hello', () => heard.push('hello'));
    ipc.handle('unlock', z.string().max(5), async (value) => void heard.push(value));
    return {
      ipc,
      heard,
      refused,
      hello: (sender: object) => onHello(sender as IpcMainEvent),
      unlock: (sender: object, value: unknown) => onUnlock(sender as IpcMainInvokeEvent, value),
    };
  }

  const frame = (url: string): WebFrameMain => ({ url }) as WebFrameMain;
  function page(id: number, url = APP_PAGE) {
    const mainFrame = frame(url);
    return { contents: Object.assign(new EventEmitter(), { id, mainFrame }), mainFrame };
  }

  test('are heard from the top frame of a window of ours that shows the interface, and from nobody else', async () => {
    const { ipc, heard, refused, hello, unlock } = trustedIpc();
    const own = page(1);
    ipc.trust(own.contents as unknown as WebContents);
    hello({ sender: own.contents, senderFrame: own.mainFrame });
    await unlock({ sender: own.contents, senderFrame: own.mainFrame }, 'abc');
    expect(heard).toEqual(['hello', 'abc']);

    const foreign = page(2);
    const elsewhere = page(1, 'https://example.org/');
    const refusedSenders = [
      { sender: foreign.contents, senderFrame: foreign.mainFrame },
      { sender: own.contents, senderFrame: frame(APP_PAGE) }, // a frame within the page
      { sender: own.contents, senderFrame: null },
      { sender: elsewhere.contents, senderFrame: elsewhere.mainFrame },
    ];
    for (const sender of refusedSenders) {
      hello(sender);
      await expect(unlock(sender, 'abc')).rejects.toThrow('Refused.');
    }
    await expect(unlock({ sender: own.contents, senderFrame: own.mainFrame }, 'too long')).rejects.toThrow('Refused.');
    await expect(unlock({ sender: own.contents, senderFrame: own.mainFrame }, 7)).rejects.toThrow('Refused.');
    own.contents.emit('destroyed');
    hello({ sender: own.contents, senderFrame: own.mainFrame });
    expect(heard).toEqual(['hello', 'abc']);
    expect(refused).toHaveLength(11);
  });
});
