/** `npm start` where no window can be opened: it says why, and serves the interface to a browser. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildInterface } from './browser.ts';

test.runIf(process.platform === 'linux')('without a display the interface is served, for a first start', async () => {
  await buildInterface();
  const folder = mkdtempSync(join(tmpdir(), 'tacit-start-'));
  const program = join(import.meta.dirname, '../../scripts/start.ts');
  const env = { ...process.env, DISPLAY: '', WAYLAND_DISPLAY: '' };
  const child = spawn(process.execPath, [program, '--folder', join(folder, 'data')], { env });
  let said = '';
  const ended = once(child, 'exit');
  const isServed = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (said.includes('Ctrl-C')) resolve();
    });
  });
  await Promise.race([isServed, ended]);
  expect(said).toMatch(/cannot be opened: .*(?:binary|display).* served to a browser instead/u);
  const [url = ''] = /http:\S+/u.exec(said) ?? [];
  expect(await (await fetch(url)).text()).toContain('<div id="app">');
  child.kill('SIGTERM');
  expect((await ended)[0]).toBe(0);
  rmSync(folder, { recursive: true });
});
