/** What an installer would put on a machine works there: built and packed, in a folder with nothing else, by the pinned Node. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { io } from 'socket.io-client';
import { entries } from '../../main/paths.ts';
import { buildAndPack } from '../helpers/built.ts';
import type { Packed } from '../helpers/built.ts';
import { writeSmallJob } from './small-job.ts';

let packed: Packed;
const folder = mkdtempSync(join(tmpdir(), 'tacit-packed-run-'));
beforeAll(async () => {
  packed = await buildAndPack();
});
afterAll(() => {
  packed?.erase();
  rmSync(folder, { recursive: true, force: true });
});

interface Started {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  said(pattern: RegExp): Promise<RegExpExecArray>;
}

/** The packed command line, from a folder that knows nothing of the checkout. */
function tacit(...args: string[]): Started {
  const child = spawn(process.execPath, [join(packed.app, 'out/cli.js'), ...args], { cwd: folder, stdio: 'pipe' });
  let [stdout, stderr] = ['', ''];
  const looks = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    looks.forEach((look) => look());
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    child,
    ended,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(stdout);
          if (match !== null) resolve(match);
        };
        looks.add(look);
        void ended.then(({ stderr: words }) => reject(new Error(`It ended without saying ${pattern}: ${words}`)));
        look();
      }),
  };
}

const filesIn = (place: string): string[] =>
  readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(place, join(entry.parentPath, entry.name)));

test('the package holds the entries, and of node_modules only what has native parts, for this platform', () => {
  for (const entry of Object.keys(entries)) expect(existsSync(join(packed.app, `out/${entry}.js`)), entry).toBe(true);
  for (const file of ['out/renderer/index.html', 'LICENSE', 'assets/NOTICES', 'package.json']) {
    expect(existsSync(join(packed.app, file)), file).toBe(true);
  }
  // a sandboxed preload can load nothing but Electron
  for (const preload of ['out/preload.cjs', 'out/gpu-preload.cjs']) {
    const loads = readFileSync(join(packed.app, preload), 'utf8').matchAll(/require\([^)]*\)/gu);
    expect(
      [...loads].map(([load]) => load.replaceAll(/["'`]/gu, '')),
      preload,
    ).toEqual(['require(electron)']);
  }
  // the page that computes on the graphics card, and the worker that its script starts
  const renderer = join(packed.app, 'out/renderer');
  const script = /assets\/gpu-[\w-]+\.js/u.exec(readFileSync(join(renderer, 'gpu.html'), 'utf8'))?.[0];
  const worker = /worker-[\w-]+\.js/u.exec(readFileSync(join(renderer, script!), 'utf8'))?.[0];
  expect(existsSync(join(renderer, 'assets', worker!))).toBe(true);
  const tops = new Set(filesIn(packed.app).map((file) => file.split('/')[0]));
  expect([...tops].sort()).toEqual(['LICENSE', 'assets', 'node_modules', 'out', 'package.json']);
  expect(readdirSync(join(packed.app, 'node_modules')).sort()).toEqual([
    '@duckdb',
    'better-sqlite3',
    'bufferutil',
    'node-gyp-build',
  ]);
  const natives = filesIn(packed.app).filter((file) => /\.(?:node|so|dll|dylib)$/u.test(file));
  expect(natives.sort()).toEqual([
    `node_modules/@duckdb/node-bindings-${process.platform}-${process.arch}/duckdb.node`,
    `node_modules/@duckdb/node-bindings-${process.platform}-${process.arch}/libduckdb.so`,
    `node_modules/better-sqlite3/prebuilds/${process.platform}-${process.arch}.node`,
    `node_modules/bufferutil/prebuilds/${process.platform}-${process.arch}/bufferutil.node`,
  ]);
  // what the system or native code opens lies beside the archive
  const beside = filesIn(packed.unpacked);
  for (const file of [...natives, 'assets/samples/wdbc.csv', 'assets/icons/512x512.png'])
    expect(beside).toContain(file);
});

test('the fuses are set: no plain Node, no inspection, only the archive', () => {
  // order of @electron/fuses: runAsNode, cookies, NODE_OPTIONS, inspect, integrity, only asar, browser snapshot, file privileges
  expect(packed.fuses.slice(0, 6)).toBe('010011');
  expect(packed.fuses[7]).toBe('0');
});

test('every package whose code is in the bundles is in the notices', () => {
  const notices = readFileSync(join(packed.app, 'assets/NOTICES'), 'utf8');
  const bundled = ['packages.json', 'renderer/packages.json'].flatMap(
    (file) => JSON.parse(readFileSync(join(packed.out, file), 'utf8')) as string[],
  );
  for (const name of ['zod', 'socket.io', 'svelte', 'd3-scale']) expect(bundled).toContain(name);
  expect(bundled.filter((name) => !notices.includes(`\n${name} `))).toEqual([]);
});

test('its parts start: kernels, store, tables', async () => {
  const { code, stdout } = await tacit('doctor', '--json').ended;
  expect(code).toBe(0);
  const { findings } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    findings: { part: string; state: string }[];
  };
  for (const part of ['kernels', 'store', 'data files', 'samples']) {
    expect(findings).toContainEqual(expect.objectContaining({ part, state: 'ok' }));
  }
});

test('two parties and a dealer, as processes of the packed program, finish a job', async () => {
  const job = await writeSmallJob(folder);
  const { code, stdout, stderr } = await tacit('run', job, '--local', join(folder, 'parties'), '--json').ended;
  expect(stderr).not.toMatch(/defect/iu);
  expect(code).toBe(0);
  const { parties } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    parties: { id: string; bytesSent: number; predictedBytes: number }[];
  };
  expect(parties.map(({ id }) => id)).toEqual(['a', 'b']);
  for (const { bytesSent, predictedBytes } of parties) expect(bytesSent).toBe(predictedBytes);
  expect(existsSync(join(folder, 'parties/a/results/model.onnx'))).toBe(true);
});

test('its headless host serves the packed interface and the API', async () => {
  const party = tacit('party', '--folder', join(folder, 'host'), '--name', 'Packed');
  const [, url = ''] = await party.said(/(http:\S+)\s/u);
  const page = await fetch(new URL('/', url));
  expect(page.status).toBe(200);
  expect(await page.text()).toContain('<div id="app">');
  const { origin, hash } = new URL(url);
  const token = hash.replace('#token=', '');
  const socket = io(origin, { path: '/api/socket', transports: ['websocket'], auth: { token } });
  const answer = (await socket.emitWithAck('call', 'host.status', {})) as { reply: { identity: { name: string } } };
  expect(answer.reply.identity.name).toBe('Packed');
  socket.close();
  party.child.kill('SIGTERM');
  expect((await party.ended).code).toBe(0);
});
