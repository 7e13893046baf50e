/**
 * Writes assets/NOTICES: the licence of every package that the product needs at run time or carries in its interface
 * (`npm run notices`). Reads package-lock.json, node_modules and the interface's imports. The result is the same on every platform: of packages built for one
 * platform only the lock file's word is used, since other platforms do not have them.
 */
import { existsSync, globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences that a product under MIT may carry with no more duty than to reproduce them. */
const allowedLicences: ReadonlySet<string> = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Unlicense',
]);

export interface Dependency {
  readonly name: string;
  readonly version: string;
  /** SPDX expression, or `unknown`. */
  readonly licence: string;
  /** The package's own licence text; undefined where it ships none. */
  readonly text: string | undefined;
  /** Built for one platform: installed on that one only. */
  readonly forOnePlatform: boolean;
}

interface LockEntry {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

interface Manifest {
  readonly license?: string;
  readonly licenses?: readonly { readonly type: string }[];
}

const licenceFile = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/iu;

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function licenceText(folder: string): string | undefined {
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && licenceFile.test(entry.name))
    .map((entry) => entry.name)
    .sort(compareText);
  if (files.length === 0) return undefined;
  return files
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .map((text) =>
      text
        .replaceAll('\r\n', '\n')
        .replace(/[ \t]+$/gmu, '')
        .trim(),
    )
    .join('\n\n');
}

type LockedPackages = Readonly<Record<string, LockEntry>>;

/** Packages that the interface's sources name. */
function interfacePackages(root: string): Set<string> {
  const names = new Set<string>();
  for (const file of globSync('renderer/src/**/*.{ts,svelte}', { cwd: root })) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, name] of text.matchAll(/(?:from|import)\s+'((?:@[\w.-]+\/)?[a-z0-9][\w.-]*)/gu)) names.add(name!);
  }
  return names;
}

/** Paths in the lock file of the packages named and of all that they need: where Node would find them. */
function withDependencies(packages: LockedPackages, names: ReadonlySet<string>): Set<string> {
  const found = new Set<string>();
  const visit = (name: string, from: string): void => {
    for (let place = from; ; place = place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')))) {
      const path = `${place === '' ? '' : `${place}/`}node_modules/${name}`;
      const entry = packages[path];
      if (entry === undefined && place !== '') continue;
      if (entry === undefined || found.has(path)) return;
      found.add(path);
      for (const needed of Object.keys(entry.dependencies ?? {})) visit(needed, path);
      return;
    }
  };
  for (const name of names) visit(name, '');
  return found;
}

/** All packages of the lock file that run at the user's: those not for development only, and the interface's. */
export function shippedDependencies(root: string): Dependency[] {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: LockedPackages;
  };
  const bundled = withDependencies(packages, interfacePackages(root));
  const found = new Map<string, Dependency>();
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '' || (entry.dev === true && !bundled.has(path))) continue;
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    const version = entry.version ?? 'unknown';
    const forOnePlatform = entry.os !== undefined || entry.cpu !== undefined;
    const folder = join(root, path);
    const readable = !forOnePlatform && existsSync(folder);
    const manifest = readable ? (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest) : {};
    const old = manifest.licenses?.map((licence) => licence.type).join(' OR ');
    found.set(`${name}@${version}`, {
      name,
      version,
      licence: entry.license ?? manifest.license ?? old ?? 'unknown',
      text: readable ? licenceText(folder) : undefined,
      forOnePlatform,
    });
  }
  return [...found.entries()].sort(([a], [b]) => compareText(a, b)).map(([, dependency]) => dependency);
}

/** True when the expression's licences are allowed: all of them, or one of those joined by OR. */
export function isAllowed(expression: string): boolean {
  const bare = expression.replace(/^\((.*)\)$/u, '$1');
  if (bare.includes('(')) return false; // nothing so involved is in use: look at it by hand
  return bare
    .split(/\s+OR\s+/u)
    .some((choice) => choice.split(/\s+AND\s+/u).every((licence) => allowedLicences.has(licence)));
}

/** The text of assets/NOTICES. Packages with the same licence text share it. */
export function noticesText(dependencies: readonly Dependency[]): string {
  const title = (dependency: Dependency): string =>
    `${dependency.name} ${dependency.version} (${dependency.licence.replace(/^\((.*)\)$/u, '$1')})`;
  const byText = Map.groupBy(
    dependencies.filter((dependency) => dependency.text !== undefined),
    (dependency) => dependency.text ?? '',
  );
  const shared = [...byText].map(([text, group]) => `${group.map(title).join('\n')}\n\n${text}`);
  const section = (heading: string, members: readonly Dependency[]): string[] =>
    members.length === 0 ? [] : [`${heading}\n\n${members.map(title).join('\n')}`];
  const parts = [
    'Tacit is under the MIT licence (file LICENSE). It uses the packages below, each under its own licence.\nWritten by `npm run notices`; do not edit.',
    ...shared,
    ...section(
      'Packages that ship no licence file; the licence is the one their manifest declares.',
      dependencies.filter((dependency) => dependency.text === undefined && !dependency.forOnePlatform),
    ),
    ...section(
      'Builds of packages above for one platform each, under the licence of the package they belong to.',
      dependencies.filter((dependency) => dependency.forOnePlatform),
    ),
  ];
  return `${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..');
  writeFileSync(join(root, 'assets', 'NOTICES'), noticesText(shippedDependencies(root)));
}
