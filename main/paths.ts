/**
 * Where the program's own files are: process entries and samples. The only module that knows the two
 * layouts: a checkout, whose TypeScript Node runs as it is, and a build, whose entries lie side by side in out/.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** The nearest folder above that holds the program's package.json. */
function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const above = dirname(folder);
  if (above === folder) throw new Error(`No package.json above ${here}.`);
  return findRoot(above);
}

/** The folder with package.json and assets/; a checkout's root or the packaged app's. */
export const programRoot = findRoot(here);
export const packageFile = join(programRoot, 'package.json');

const fromSource = import.meta.filename.endsWith('.ts');

/** Files that are started rather than imported, in a checkout. A build names each `out/<entry>.js`. */
export const entries = {
  cli: 'main/cli/index.ts',
  'party-engine': 'main/host/run/party-engine.ts',
  'dealer-engine': 'main/host/run/dealer-engine.ts',
  'join-engine': 'main/host/run/join-engine.ts',
  'part-probe': 'main/host/probe/part-probe.ts',
  'cost-worker': 'main/host/api/cost-worker.ts',
  desktop: 'main/desktop/index.ts',
  'desktop-host': 'main/desktop/host-process.ts',
  'desktop-party': 'main/desktop/party-process.ts',
} as const;

/** The file of an entry, for spawn or fork with process.execPath, or for a Worker. */
export function entryFile(entry: keyof typeof entries): string {
  return join(programRoot, fromSource ? entries[entry] : `out/${entry}.js`);
}

/** In the packaged app, files that the system or native code reads lie beside the archive. */
const assetsFolder = join(programRoot.replace(/\bapp\.asar$/u, 'app.asar.unpacked'), 'assets');

/** Data of the demos, with their licences. */
export const samplesFolder = join(assetsFolder, 'samples');

/** The built interface, in a checkout and in a build alike. */
export const rendererFolder = join(programRoot, 'out/renderer');

/** What the desktop app's windows need beside the interface; the preloads exist in a build only. */
export const desktopFiles = {
  preload: join(programRoot, 'out/preload.cjs'),
  gpuPreload: join(programRoot, 'out/gpu-preload.cjs'),
  icon: join(assetsFolder, 'icons/512x512.png'),
  trayIcon: join(assetsFolder, 'icons/32x32.png'),
} as const;
