/**
 * Which folder may import what: the architecture's dependency rules as one table and one pure function.
 * The linter (eslint.config.js) and the walk of all files (test/tooling/imports.test.ts) both ask it.
 * It knows paths and specifiers only; it reads no file.
 */
import { isBuiltin } from 'node:module';
import { posix } from 'node:path';

interface FolderRule {
  /** Our own top-level folders that files of this one may import; its own folder is always among them. */
  readonly ours: readonly string[];
  /** npm packages that it may import; `any` leaves that to `ownedPackages`. */
  readonly packages: 'any' | readonly string[];
  readonly builtins: boolean;
}

/** test/ and scripts/ are free: they look at everything. */
const folderRules: Readonly<Record<string, FolderRule>> = {
  shared: { ours: ['shared'], packages: ['zod'], builtins: false },
  engine: { ours: ['engine', 'shared'], packages: [], builtins: false },
  main: { ours: ['main', 'engine', 'shared'], packages: 'any', builtins: true },
  renderer: { ours: ['renderer', 'shared'], packages: 'any', builtins: false },
};

/** What a single place may import beyond its folder's rule. A place ending in `/` is a folder, else a file. */
const grants: readonly { readonly place: string; readonly specifier: string }[] = [
  { place: 'engine/random/node-crypto.ts', specifier: 'node:crypto' },
  { place: 'engine/kernels/wasm/pool.ts', specifier: 'node:worker_threads' },
  { place: 'engine/join/wasm/pool.ts', specifier: 'node:worker_threads' },
  { place: 'engine/models/', specifier: '@bufbuild/protobuf' },
  { place: 'engine/models/', specifier: 'zod' },
  // the browser's carrier of the API: its server, and the client in the interface
  { place: 'main/host/api/', specifier: 'socket.io' },
  { place: 'renderer/', specifier: 'socket.io-client' },
];

/** A file that may import one more of our folders than its own folder may. */
const folderGrants: Readonly<Record<string, string>> = {
  // the page that computes on the graphics card for a process
  'renderer/src/gpu/worker.ts': 'engine',
};
/** Settings of a build lie in a folder of the product, and are no part of it. */
const buildFiles: ReadonlySet<string> = new Set(['renderer/vite.config.ts']);

/** Packages with one home: no other product code may name them. */
const ownedPackages: Readonly<Record<string, string>> = {
  electron: 'main/desktop/',
  'socket.io': 'main/host/peers/',
  'socket.io-client': 'main/host/peers/',
  'better-sqlite3': 'main/host/store/',
};

/** `@scope/name/sub/path` is `@scope/name`. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function within(file: string, place: string): boolean {
  return place.endsWith('/') ? file.startsWith(place) : file === place;
}

/**
 * Why `file` (relative to the repository, with `/`) must not import `specifier`, or undefined if it may.
 * Relative specifiers are resolved by name only, the way Node resolves them.
 */
export function importViolation(file: string, specifier: string): string | undefined {
  const folder = file.split('/')[0] ?? '';
  const rule = folderRules[folder];
  if (rule === undefined || buildFiles.has(file)) return undefined;
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier);
    const targetFolder = target.split('/')[0] ?? '';
    return rule.ours.includes(targetFolder) || folderGrants[file] === targetFolder
      ? undefined
      : `${folder}/ imports only ${rule.ours.map((name) => `${name}/`).join(', ')}, not ${target}`;
  }
  if (specifier.startsWith('/') || specifier.startsWith('file:')) return `absolute import of ${specifier}`;
  const isNode = isBuiltin(specifier);
  const name = isNode ? specifier : packageName(specifier);
  if (isNode && !specifier.startsWith('node:')) return `write node:${specifier} for the built-in module`;
  if (grants.some((grant) => grant.specifier === name && within(file, grant.place))) return undefined;
  if (isNode) return rule.builtins ? undefined : `${folder}/ runs in a browser too: ${specifier} is not for ${file}`;
  const home = ownedPackages[name];
  if (home !== undefined && !within(file, home)) return `only ${home} names ${name}`;
  if (rule.packages !== 'any' && !rule.packages.includes(name)) return `${folder}/ does not import the package ${name}`;
  return undefined;
}

/** Why the file's mere name is against the rules: engine/ and shared/ have no barrels, each import names its file. */
export function nameViolation(file: string): string | undefined {
  const barrel = /^(?:engine|shared)\/(?!(?:kernels|join)\/wasm\/assembly\/)(?:.*\/)?index\.ts$/u.test(file);
  return barrel ? `${file}: no barrel files; import from the file that defines the name` : undefined;
}
