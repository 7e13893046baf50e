/**
 * Builds the AssemblyScript kernels into engine/kernels/wasm/build: module.ts (the module as text, so that no bundler has to
 * know of a binary asset) and kernels.wat (for reading, and for the test that asserts its instructions). npm runs it as
 * `prepare` and vitest as a global set-up; it does nothing when the sources have not changed since the last build.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const sources = new URL('engine/kernels/wasm/assembly/', root);
const build = new URL('engine/kernels/wasm/build/', root);

/** Digest of everything that the built module depends on. */
function digest() {
  const hash = createHash('sha256');
  for (const name of readdirSync(sources).sort()) hash.update(name).update(readFileSync(new URL(name, sources)));
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  hash.update(readFileSync(new URL('node_modules/assemblyscript/package.json', root)));
  return hash.digest('hex');
}

function builtDigest() {
  try {
    return /sourceDigest = '(\w+)'/.exec(readFileSync(new URL('module.ts', build), 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** Builds if needed. Throws with the compiler's messages if the sources do not compile. */
export async function buildKernels() {
  const sourceDigest = digest();
  if (builtDigest() === sourceDigest) return;
  const { default: asc } = await import('assemblyscript/asc');
  mkdirSync(build, { recursive: true });
  const outputs = new Map();
  const options = [
    'index.ts',
    '--baseDir',
    fileURLToPath(sources),
    '--outFile',
    'kernels.wasm',
    '--textFile',
    'kernels.wat',
  ];
  options.push('--runtime', 'stub', '--optimizeLevel', '3', '--shrinkLevel', '0', '--noAssert', '--importMemory');
  options.push('--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536');
  options.push('--enable', 'simd,threads,bulk-memory');
  const { error, stderr } = await asc.main(options, { writeFile: (name, contents) => outputs.set(name, contents) });
  if (error) throw new Error(`The kernels do not compile.\n${stderr.toString()}`, { cause: error });
  const text = Buffer.from(outputs.get('kernels.wasm')).toString('base64');
  const module =
    '/** Built by scripts/build-kernels.mjs from assembly/; not edited, not committed. */\n' +
    `export const sourceDigest = '${sourceDigest}';\n` +
    `export const moduleBase64: string =\n  '${text}';\n`;
  // Written aside and renamed, so that a process that starts meanwhile sees the old module or the new one.
  for (const [name, contents] of [
    ['kernels.wat', outputs.get('kernels.wat')],
    ['module.ts', module],
  ]) {
    const aside = new URL(`${name}.${process.pid}`, build);
    writeFileSync(aside, contents);
    renameSync(aside, new URL(name, build));
  }
}

/** Entry for vitest's globalSetup. */
export const setup = buildKernels;

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildKernels();
