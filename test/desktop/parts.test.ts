/** Parts of the shell that decide something, each on its own: what was opened, the window's place, keys, news, menu, tray, log. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { DesktopCommand } from '../../shared/api/bridge.ts';
import { KeyProtection } from '../../main/desktop/key-protection.ts';
import type { Keystore } from '../../main/desktop/key-protection.ts';
import { DesktopLog } from '../../main/desktop/log.ts';
import { menuTemplate } from '../../main/desktop/menu.ts';
import { HostNews, progressOf } from '../../main/desktop/notices.ts';
import type { Notice } from '../../main/desktop/notices.ts';
import { openedIn, readOpenedFile } from '../../main/desktop/opened.ts';
import { RunTray } from '../../main/desktop/tray.ts';
import { keepWindowState, readWindowPlace } from '../../main/desktop/window-state.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-desktop-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string): string => join(folder, name);

describe('what the system hands over', () => {
  test('is found among the arguments of a start', () => {
    expect(openedIn(['--enable-x', 'tacit://join/abc', 'tacit://join/def'], '/')).toBe('tacit://join/abc');
    expect(openedIn(['/opt/app', '--folder=/x.tacit-invite', '.'], '/')).toBeUndefined();
    expect(openedIn([], '/')).toBeUndefined();
  });

  test('a file is read, but no more of it than an invitation can have', () => {
    writeFileSync(file('a.tacit-invite'), '{"tacitInvite":1}');
    expect(openedIn(['a.tacit-invite'], folder)).toBe('{"tacitInvite":1}');
    writeFileSync(file('b.tacit-invite'), 'x'.repeat(100_000));
    expect(readOpenedFile(file('b.tacit-invite'))).toHaveLength(20_000);
    expect(openedIn([`tacit:${'x'.repeat(100_000)}`], '/')).toHaveLength(20_000);
  });

  test('one that is not there is as its name, for the interface to refuse', () => {
    expect(openedIn(['gone.tacit-invite'], folder)).toBe(file('gone.tacit-invite'));
  });
});

describe('the window', () => {
  const screen = { x: 0, y: 0, width: 1920, height: 1080 };
  const bounds = { x: 100, y: 50, width: 1400, height: 900 };

  test('comes back where it was', () => {
    keepWindowState(file('w.json'), { bounds, isMaximised: true });
    expect(readWindowPlace(file('w.json'), [screen])).toEqual({ ...bounds, isMaximised: true });
  });

  test('but not where no screen shows it, and never too small', () => {
    keepWindowState(file('w.json'), { bounds: { x: 1850, y: 50, width: 20, height: 20 }, isMaximised: false });
    expect(readWindowPlace(file('w.json'), [screen])).toEqual({ width: 1024, height: 640, isMaximised: false });
  });

  test.each(['', '{', '{"bounds":{"x":1e99}}', '[]'])('a state that reads %j counts as none', (text) => {
    writeFileSync(file('w.json'), text);
    expect(readWindowPlace(file('w.json'), [screen])).toEqual({ width: 1280, height: 860, isMaximised: false });
  });
});

describe('the guarding key', () => {
  let store: Keystore & { isThere: boolean; backend: ReturnType<Keystore['getSelectedStorageBackend']> };
  beforeEach(() => {
    rmSync(file('key.json'), { force: true });
    store = {
      isThere: true,
      backend: 'gnome_libsecret',
      isAsyncEncryptionAvailable: async () => store.isThere,
      getSelectedStorageBackend: () => store.backend,
      encryptStringAsync: async (text) => Buffer.from(`sealed ${text}`),
      decryptStringAsync: async (sealed) => {
        if (!store.isThere) throw new Error('locked');
        return { result: sealed.toString().replace('sealed ', ''), shouldReEncrypt: false };
      },
    };
  });
  const keys = (platform: NodeJS.Platform = 'linux') => new KeyProtection(file('key.json'), store, platform);

  test('is made once and kept by the keystore', async () => {
    const first = await keys().unlock();
    expect(first).toHaveLength(32);
    expect(await keys().unlock()).toEqual(first);
    expect(statSync(file('key.json')).mode & 0o777).toBe(0o600);
    store.isThere = false;
    await expect(keys().unlock()).rejects.toMatchObject({ code: 'keystore-refused' });
  });

  test('without a keystore worth the name it is kept under a passphrase', async () => {
    store.backend = 'basic_text';
    expect(await keys().unlock()).toBe('needs-new-passphrase');
    await expect(keys().unlockWith('short')).rejects.toMatchObject({ code: 'passphrase-short' });
    const key = await keys().unlockWith('crème brûlée for two');
    expect(key).toHaveLength(32);
    expect(readFileSync(file('key.json'), 'utf8')).not.toContain(Buffer.from(key).toString('base64'));
    expect(await keys().unlock()).toBe('needs-passphrase');
    // accents composed otherwise are the same passphrase
    expect(await keys().unlockWith('crème brûlée for two'.normalize('NFD'))).toEqual(key);
    await expect(keys().unlockWith('creme brulee for two')).rejects.toMatchObject({ code: 'passphrase-wrong' });
  });

  test('a keystore that is not there counts as none, on every system', async () => {
    store.isThere = false;
    expect(await keys('darwin').unlock()).toBe('needs-new-passphrase');
    store.isThere = true;
    store.backend = 'unknown';
    expect(await keys('win32').unlock()).toHaveLength(32);
  });

  test.each(['', '{}', '{"version":1,"by":"keystore","sealed":"AAAA"}'])(
    'a file that reads %j is damaged',
    async (text) => {
      writeFileSync(file('key.json'), text);
      await expect(keys().unlock()).rejects.toMatchObject({ code: 'key-file-damaged' });
    },
  );
});

describe('news of the host', () => {
  const run = {
    id: 'r',
    name: 'Tumours',
    kind: 'local',
    startedAtMs: 1,
    attempts: 1,
    progress: [],
    hasInsights: false,
  };
  const invitation = { id: 'i', direction: 'made', state: 'asking', sinceMs: 1, expiresAtMs: 2, organisation: 'Lab' };

  function news() {
    const notices: Notice[] = [];
    const running: string[][] = [];
    const made = new HostNews(
      (notice) => notices.push(notice),
      (runs) => running.push(runs.map(({ name }) => name)),
    );
    return { made, notices, running };
  }

  test('a run that ends is told once, with what opens it; progress is not', () => {
    const { made, notices, running } = news();
    made.onEvent('runs.changed', { ...run, state: 'running' });
    made.onEvent('runs.changed', { ...run, state: 'running' });
    expect(notices).toEqual([]);
    made.onEvent('runs.changed', { ...run, state: 'done', endedAtMs: 2 });
    made.onEvent('runs.changed', { ...run, state: 'done', endedAtMs: 2 });
    expect(notices).toEqual([
      { title: 'Tumours has finished', text: '', opens: { command: 'go', section: 'runs', id: 'r' } },
    ]);
    expect(running.at(0)).toEqual(['Tumours']);
    expect(running.at(-1)).toEqual([]);
  });

  test('a run that the person ended is no news; the host’s end takes all runs away', () => {
    const { made, notices, running } = news();
    made.onEvent('runs.changed', { ...run, state: 'running' });
    made.onEvent('runs.changed', { ...run, state: 'cancelled' });
    made.onEvent('runs.changed', { ...run, id: 's', state: 'running' });
    made.forget();
    expect([notices, running.at(-1)]).toEqual([[], []]);
  });

  test('a question about a peer is told once', () => {
    const { made, notices } = news();
    for (let time = 0; time < 3; time++) made.onEvent('invitations.changed', [invitation]);
    made.onEvent('activity.changed', {});
    expect(notices.map(({ title }) => title)).toEqual(['Lab wants to be your peer']);
  });

  test('a project to join and a vote are told once, and again for a new version', () => {
    const { made, notices } = news();
    const self = { party: 'lab', isSelf: true, standing: 'asked' };
    const project = {
      id: 'p',
      name: 'Outcomes',
      creator: 'clinic',
      self: 'lab',
      members: [self],
      jobs: [] as object[],
    };
    for (let time = 0; time < 2; time++) made.onEvent('projects.changed', project);
    const waiting = [{ party: 'lab', step: 'vote', sinceMs: 1 }];
    const job = (version: number) => ({ id: 'j', name: 'recovery', version, waiting });
    const joined = { ...project, members: [{ ...self, standing: 'accepted' }] };
    for (const version of [1, 1, 2]) made.onEvent('projects.changed', { ...joined, jobs: [job(version)] });
    made.onEvent('projects.changed', {
      ...joined,
      jobs: [{ ...job(2), waiting: [{ ...waiting[0], party: 'clinic' }] }],
    });
    const opens = { command: 'go', section: 'projects', id: 'p' };
    expect(notices).toEqual([
      { title: 'clinic asks you into Outcomes', text: '', opens },
      { title: 'Your vote on recovery', text: 'Outcomes', opens },
      { title: 'Your vote on recovery', text: 'Outcomes', opens },
    ]);
  });

  test('progress is over all parties of all runs', () => {
    const party = { party: 'a', phase: 'training', sinceMs: 1, changedAtMs: 1 };
    expect(progressOf([{ progress: [] }])).toBeUndefined();
    expect(
      progressOf([{ progress: [{ ...party, done: 1, total: 4 }] }, { progress: [{ ...party, done: 2, total: 4 }] }]),
    ).toBe(3 / 8);
  });
});

test('the menu says what to do, and has tools for developers only in development', () => {
  const commands: DesktopCommand[] = [];
  const actions = {
    command: (one: DesktopCommand) => commands.push(one),
    openFile: () => {},
    showDataFolder: () => {},
  };
  const menu = menuTemplate(actions, 'linux', false);
  for (const { submenu } of menu) {
    if (!Array.isArray(submenu)) continue;
    for (const { click } of submenu) click?.(undefined as never, undefined, undefined as never);
  }
  expect(commands.map(({ command }) => command)).toEqual(['invite', 'new-job', 'go', 'palette', 'shortcuts']);
  expect(JSON.stringify(menu)).not.toMatch(/toggleDevTools|reload/iu);
  expect(JSON.stringify(menuTemplate(actions, 'linux', true))).toContain('toggleDevTools');
  expect(JSON.stringify(menuTemplate(actions, 'darwin', false))).toContain('appMenu');
});

test('the tray is there while a run is, and until a window that was closed meanwhile is shown', () => {
  let isHidden = false;
  const calls: string[] = [];
  const tray = new RunTray({
    create: () => ({
      setToolTip: (text: string) => calls.push(text),
      setContextMenu: () => calls.push('menu'),
      on: () => undefined as never,
      destroy: () => calls.push('gone'),
    }),
    menu: () => undefined as never,
    show: () => {},
    quit: () => {},
    isHidden: () => isHidden,
  });
  tray.update([]);
  expect(tray.isThere).toBe(false);
  tray.update(['Tumours']);
  tray.update(['Tumours', 'Digits']);
  expect(tray.isThere).toBe(true);
  isHidden = true;
  tray.update([]);
  expect(tray.isThere).toBe(true);
  isHidden = false;
  tray.update([]);
  expect(calls).toEqual(['menu', 'Tacit: Tumours is running', 'Tacit: 2 runs', 'Tacit: no run goes on', 'gone']);
});

test('the log keeps within bounds', () => {
  const log = new DesktopLog(file('log'));
  for (let line = 0; line < 5; line++) log.write('x'.repeat(1 << 20));
  expect(statSync(file('log')).size + statSync(file('log.old')).size).toBeLessThan(6 * 2 ** 20);
  new DesktopLog(file('no/such/folder')).write('is passed over');
});
