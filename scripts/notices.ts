/**
 * Writes assets/NOTICES: the licence of every package that the product needs at run time (`npm run notices`).
 * Reads package-lock.json and node_modules only. The result is the same on every platform: of packages built for one
 * platform only the lock file's word is used, since other platforms do not have them.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Licences that a product under MIT may carry with no more duty than to reproduce them. */
export const allowedLicences: ReadonlySet<string> = new Set([
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

/** All packages of the lock file that are not for development only, by name and version. */
export function productionDependencies(root: string): Dependency[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockEntry>>;
  };
  const found = new Map<string, Dependency>();
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '' || entry.dev === true) continue;
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
  writeFileSync(join(root, 'assets', 'NOTICES'), noticesText(productionDependencies(root)));
}
