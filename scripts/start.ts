/**
 * `npm start`: builds and opens the desktop app. Where Electron's binary or a display is missing it says so, and
 * serves the same interface to a browser instead. Electron is looked for as a file: importing it would begin a download.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { HostSlot } from '../main/host/api/host-slot.ts';
import { serveApi } from '../main/host/api/serve-api.ts';
import { applyHeapFlags } from '../main/host/run/heap-flags.ts';

/** Peers reach a host that was started without further words here. */
const LISTEN = { host: '127.0.0.1', port: 0 };

/** Electron's binary as its package names it, or undefined. */
export function electronBinary(root: string, env: NodeJS.ProcessEnv): string | undefined {
  const folder = join(root, 'node_modules/electron');
  if (!existsSync(join(folder, 'path.txt'))) return undefined;
  const dist = env['ELECTRON_OVERRIDE_DIST_PATH'] ?? join(folder, 'dist');
  const file = join(dist, readFileSync(join(folder, 'path.txt'), 'utf8').trim());
  return existsSync(file) ? file : undefined;
}

/** Why no window can be opened here, in one sentence; undefined where it can. */
export function windowObstacle(
  binary: string | undefined,
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform,
): string | undefined {
  if (binary === undefined) return "Electron's binary is not there (npx install-electron fetches it).";
  const hasDisplay =
    platform !== 'linux' || [env['DISPLAY'], env['WAYLAND_DISPLAY']].some((name) => (name ?? '') !== '');
  return hasDisplay ? undefined : 'There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set).';
}

function npmRun(script: string, root: string): void {
  const { status } = spawnSync('npm', ['run', '-s', script], { cwd: root, stdio: 'inherit', shell: true });
  if (status !== 0) process.exit(1);
}

async function openWindow(binary: string, root: string, args: readonly string[]): Promise<void> {
  npmRun('build', root);
  const child = spawn(binary, [root, ...args], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exitCode = code ?? 1;
}

/** Whether the interface was built after its sources were last changed. */
function isInterfaceBuilt(root: string): boolean {
  const built = statSync(join(root, 'out/renderer/index.html'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = globSync(['renderer/**/*', 'shared/**/*', 'package-lock.json'], { cwd: root });
  return sources.every((file) => statSync(join(root, file)).mtimeMs <= built);
}

async function serveBrowser(root: string, folder: string): Promise<void> {
  if (!isInterfaceBuilt(root)) npmRun('build:renderer', root);
  applyHeapFlags();
  const slot = await HostSlot.forFolder(folder, LISTEN);
  const api = await serveApi(slot, { port: 0 });
  console.log(`Data folder: ${slot.folder}`);
  console.log(`Open this in a browser on this machine: ${api.url}`);
  console.log('It is served until this is stopped (Ctrl-C).');
  const stopped = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.resolve());
  await stopped.promise;
  await api.close();
  await slot.host?.close();
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..');
  const { values } = parseArgs({ options: { folder: { type: 'string' } } });
  const binary = electronBinary(root, process.env);
  const obstacle = windowObstacle(binary, process.env, process.platform);
  if (binary !== undefined && obstacle === undefined) {
    await openWindow(binary, root, values.folder === undefined ? [] : [`--folder=${resolve(values.folder)}`]);
  } else {
    console.log(`The desktop app cannot be opened: ${obstacle} Its interface is served to a browser instead.`);
    await serveBrowser(root, resolve(values.folder ?? join(homedir(), '.tacit')));
  }
}
