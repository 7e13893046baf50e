/**
 * The real app, driven by Playwright: Spectron's place. Runs wherever Electron's binary and a display are, on what
 * `npm run build` made; elsewhere it says by name what was skipped and why.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { _electron as electron } from 'playwright-core';
import type { ElectronApplication, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { electronBinary, windowObstacle } from '../../scripts/start.ts';

const root = join(import.meta.dirname, '../..');
const SUITE = 'the desktop app in Electron';
const binary = electronBinary(root, process.env);
const obstacle = windowObstacle(binary, process.env, process.platform);
if (obstacle !== undefined) console.warn(`SKIPPED "${SUITE}": ${obstacle}`);

describe.skipIf(obstacle !== undefined)(obstacle === undefined ? SUITE : `${SUITE} (skipped: ${obstacle})`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'tacit-electron-'));
  let app: ElectronApplication;
  let page: Page;

  const launch = async (...args: string[]): Promise<void> => {
    app = await electron.launch({ executablePath: binary ?? '', args: [root, `--folder=${folder}`, ...args] });
    page = await app.firstWindow();
  };

  /** Past the passphrase, where this system has no keystore. */
  async function unlock(): Promise<void> {
    const start = page.getByRole('heading', { name: /Train models together|Your identity/u });
    const locked = page.getByLabel('Passphrase');
    await start.or(locked).first().waitFor();
    if (!(await locked.isVisible())) return;
    await locked.fill('four words for tests');
    const again = page.getByLabel('The same again');
    if (await again.isVisible()) await again.fill('four words for tests');
    await page.keyboard.press('Enter');
    await start.waitFor();
  }

  beforeAll(async () => {
    const { status } = spawnSync('npm', ['run', '-s', 'build'], { cwd: root, stdio: 'inherit', shell: true });
    expect(status).toBe(0);
    await launch();
  });
  afterAll(async () => {
    await app?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('opens on its own protocol, isolated, with nothing of Node or Electron in the page', async () => {
    expect(page.url()).toMatch(/^app:\/\/tacit\/index\.html/u);
    expect(await page.evaluate('[typeof require, typeof process, crossOriginIsolated]')).toEqual([
      'undefined',
      'undefined',
      true,
    ]);
    expect(await page.evaluate('Object.keys(tacitDesktop).sort()')).toEqual([
      'call',
      'onCommand',
      'onEvent',
      'onState',
      'pathOf',
      'unlock',
    ]);
  });

  test('denies windows, navigation, permissions and requests to elsewhere', async () => {
    expect(await page.evaluate('window.open("https://example.org") === null')).toBe(true);
    await page.evaluate('void (location.href = "https://example.org/")');
    expect(page.url()).toMatch(/^app:\/\/tacit\//u);
    expect(await page.evaluate('Notification.requestPermission()')).toBe('denied');
    expect(await page.evaluate('fetch("https://example.org").then(() => "reached", () => "refused")')).toBe('refused');
  });

  test('first start, an identity, and a run of two organisations and a dealer to its end', async () => {
    await unlock();
    await page.getByLabel('What is your organisation called?').fill('Desktop Clinic');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Your identity' }).waitFor();
    const ended = page.evaluate(`new Promise((done) => {
      tacitDesktop.onEvent((name, body) => name === 'runs.changed' && body.state !== 'running' && done(body.state));
      void tacitDesktop.call('runs.startSample', {});
    })`);
    expect(await ended).toBe('done');
  });

  test('a host that is killed comes back', async () => {
    const pids = await app.evaluate(({ app: main }) =>
      main.getAppMetrics().flatMap(({ pid, serviceName }) => (serviceName === 'Tacit host' ? [pid] : [])),
    );
    expect(pids).toHaveLength(1);
    process.kill(pids[0]!, 'SIGKILL');
    await page.getByText('The host does not answer').first().waitFor();
    await page.getByText('Host connected').first().waitFor();
  });

  test('a second start hands its link to the first; closing keeps the window’s place', async () => {
    const second = spawnSync(binary ?? '', [root, `--folder=${folder}`, 'tacit://join/damaged'], { timeout: 30_000 });
    expect(second.status).toBe(0);
    await page.getByText('The invitation is damaged').waitFor();
    await app.close();
    expect(JSON.parse(readFileSync(join(folder, 'window.json'), 'utf8'))).toHaveProperty('bounds');
    expect(existsSync(join(folder, 'data/owner.json'))).toBe(false); // the host closed its folder
    await launch();
    await unlock();
  });
});
