/** What the documents point at is there: files, pictures, headings, and the places in the code that they name. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const inDocs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
const documents = ['README.md', 'CHANGELOG.md', ...inDocs.map((name) => `docs/${name}`)];
const textOf = (document: string): string => readFileSync(join(root, document), 'utf8');
const exists = (path: string): boolean => existsSync(join(root, path));

/** The fragment that GitHub gives a heading. */
const fragmentOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}_ -]/gu, '')
    .replaceAll(' ', '-');

function isThere(document: string, link: string): boolean {
  const [path = '', fragment] = link.split('#');
  const target = path === '' ? document : posix.join(posix.dirname(document), path);
  if (!exists(target)) return false;
  const headings = [...textOf(target).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => fragmentOf(heading));
  return fragment === undefined || headings.includes(fragment);
}

test.each(documents)('%s: every relative link leads to a file and a heading', (document) => {
  const links = [...textOf(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  const broken = links.filter((link) => !/^[a-z]+:/.test(link) && !isThere(document, link));
  expect(broken).toEqual([]);
});

test.each(documents)('%s: every place in the code that it names exists', (document) => {
  const paths = [
    ...textOf(document).matchAll(/`((?:assets|docs|engine|main|renderer|scripts|shared|test)\/[\w./-]+)`/g),
  ];
  expect(paths.map(([, path = '']) => path).filter((path) => !exists(path))).toEqual([]);
});
