/**
 * Builds the AssemblyScript modules into the build folder beside each one's assembly folder: module.ts (the module as text, so
 * that no bundler has to know of a binary asset) and a .wat (for reading, and for tests that assert its instructions). npm runs
 * it as `prepare` and vitest as a global set-up; it does nothing when the sources have not changed since the last build.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

/** `options`: the compiler's, beyond those that all modules share. */
const modules = [
  {
    name: 'kernels',
    folder: 'engine/kernels/wasm/',
    // prettier-ignore
    options: ['--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536', '--enable', 'simd,threads,bulk-memory'],
  },
  { name: 'curve', folder: 'engine/join/wasm/', options: ['--enable', 'simd,bulk-memory'] },
];

/** Digest of everything that a built module depends on. */
function digest(sources) {
  const hash = createHash('sha256');
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(new URL(name, sources)));
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  hash.update(readFileSync(new URL('node_modules/assemblyscript/package.json', root)));
  return hash.digest('hex');
}

function builtDigest(build) {
  try {
    return /sourceDigest = '(\w+)'/.exec(readFileSync(new URL('module.ts', build), 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

async function buildModule({ name, folder, options }) {
  const sources = new URL(`${folder}assembly/`, root);
  const build = new URL(`${folder}build/`, root);
  const sourceDigest = digest(sources);
  if (builtDigest(build) === sourceDigest) return;
  const { default: asc } = await import('assemblyscript/asc');
  mkdirSync(build, { recursive: true });
  const outputs = new Map();
  const files = ['--baseDir', fileURLToPath(sources), '--outFile', `${name}.wasm`, '--textFile', `${name}.wat`];
  const common = ['--runtime', 'stub', '--optimizeLevel', '3', '--shrinkLevel', '0', '--noAssert'];
  const { error, stderr } = await asc.main(['index.ts', ...files, ...common, ...options], {
    writeFile: (file, contents) => outputs.set(file, contents),
  });
  if (error) throw new Error(`The module ${name} does not compile.\n${stderr.toString()}`, { cause: error });
  const text = Buffer.from(outputs.get(`${name}.wasm`)).toString('base64');
  const module =
    '/** Built by scripts/build-kernels.mjs from assembly/; not edited, not committed. */\n' +
    `export const sourceDigest = '${sourceDigest}';\n` +
    `export const moduleBase64: string =\n  '${text}';\n`;
  // Written aside and renamed, so that a process that starts meanwhile sees the old module or the new one.
  for (const [file, contents] of [
    [`${name}.wat`, outputs.get(`${name}.wat`)],
    ['module.ts', module],
  ]) {
    const aside = new URL(`${file}.${process.pid}`, build);
    writeFileSync(aside, contents);
    renameSync(aside, new URL(file, build));
  }
}

/** Builds what is needed. Throws with the compiler's messages if the sources do not compile. */
export async function buildKernels() {
  for (const module of modules) await buildModule(module);
}

/** Entry for vitest's globalSetup. */
export const setup = buildKernels;

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildKernels();
