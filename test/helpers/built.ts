/**
 * The product built and packed into a temporary folder, by the configuration files that the npm scripts use. Electron's own
 * files are a stand-in: a file with the marks that electron-builder looks for. So everything but the binary is as shipped.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);

/** The fuse wire of an Electron binary: its sentinel, version 1, then one character a fuse (@electron/fuses reads and writes it). */
const SENTINEL = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
const FUSES = 9;

export interface Packed {
  /** What `npm run build` makes. */
  readonly out: string;
  /** Holds only what would be installed, as the archive lays it out. */
  readonly app: string;
  /** Beside the archive. */
  readonly unpacked: string;
  /** State of each fuse, as electron-builder set them: `0` off, `1` on. */
  readonly fuses: string;
  erase(): void;
}

/** The file that a package's `bin` of that name starts. */
function program(packageName: string, bin: string): string {
  const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  const { bin: bins } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: Record<string, string> };
  return join(dirname(manifest), bins[bin] ?? '');
}

async function node(cwd: string, ...args: string[]): Promise<void> {
  try {
    await run(process.execPath, args, { cwd });
  } catch (cause) {
    const { stdout, stderr } = cause as { stdout: string; stderr: string };
    throw new Error(`${args.join(' ')}\n${stdout}\n${stderr}`, { cause });
  }
}

/** Takes about ten seconds on an idle machine. */
export async function buildAndPack(): Promise<Packed> {
  const folder = mkdtempSync(join(tmpdir(), 'tacit-packed-'));
  const out = join(folder, 'out');
  const quiet = ['--logLevel', 'error'];
  // The configuration names its inputs by whole paths, and its output relative to where it is run.
  const config = join(root, 'electron.vite.config.ts');
  await node(folder, program('electron-vite', 'electron-vite'), 'build', '--config', config, ...quiet);
  await node(
    root,
    program('vite', 'vite'),
    'build',
    join(root, 'renderer'),
    '--outDir',
    join(out, 'renderer'),
    ...quiet,
  );

  const electron = join(folder, 'electron');
  mkdirSync(join(electron, 'resources'), { recursive: true });
  const wire = Buffer.concat([Buffer.from(SENTINEL), Buffer.from([1, FUSES]), Buffer.from('1'.repeat(FUSES))]);
  writeFileSync(join(electron, 'electron'), Buffer.concat([Buffer.alloc(64), wire, Buffer.alloc(64)]), { mode: 0o755 });
  const settings = parse(readFileSync(join(root, 'electron-builder.yml'), 'utf8')) as { files: string[] };
  const elsewhere = join(folder, 'electron-builder.json');
  writeFileSync(
    elsewhere,
    JSON.stringify({
      ...settings,
      directories: { output: join(folder, 'release'), buildResources: 'assets/installer' },
      electronDist: electron,
      files: settings.files.map((entry) => (entry === 'out/**' ? { from: out, to: 'out' } : entry)),
    }),
  );
  const builder = program('electron-builder', 'electron-builder');
  await node(root, builder, '--linux', 'dir', '--publish', 'never', '--projectDir', root, '--config', elsewhere);

  const resources = join(folder, 'release/linux-unpacked/resources');
  const app = join(folder, 'app');
  await node(root, program('@electron/asar', 'asar'), 'extract', join(resources, 'app.asar'), app);
  const binary = readFileSync(join(folder, 'release/linux-unpacked/tacit'));
  const fusesAt = binary.indexOf(SENTINEL) + SENTINEL.length + 2;
  return {
    out,
    app,
    unpacked: join(resources, 'app.asar.unpacked'),
    fuses: binary.subarray(fusesAt, fusesAt + FUSES).toString('latin1'),
    erase: () => rmSync(folder, { recursive: true }),
  };
}
