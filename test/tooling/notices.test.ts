/** assets/NOTICES is current, and no package needed at run time has a licence outside the list. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isAllowed, noticesText, shippedDependencies } from '../../scripts/notices.ts';

const root = join(import.meta.dirname, '../..');
const dependencies = shippedDependencies(root);

test('assets/NOTICES is what `npm run notices` writes', () => {
  expect(readFileSync(join(root, 'assets/NOTICES'), 'utf8')).toBe(noticesText(dependencies));
});

test('every dependency that the manifest names is listed, and none for development only', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const listed = dependencies.map((dependency) => `${dependency.name}@${dependency.version}`);
  expect(listed).toEqual(
    expect.arrayContaining(Object.entries(manifest.dependencies).map(([name, version]) => `${name}@${version}`)),
  );
  expect(dependencies.map((dependency) => dependency.name)).not.toContain('vitest');
});

test('all licences are on the list', () => {
  expect(dependencies.filter((dependency) => !isAllowed(dependency.licence))).toEqual([]);
});

test.each([
  ['MIT', true],
  ['(Apache-2.0 AND BSD-3-Clause)', true],
  ['GPL-3.0-only OR MIT', true],
  ['MIT AND GPL-3.0-only', false],
  ['AGPL-3.0-only', false],
  ['unknown', false],
  ['SEE LICENSE IN terms.txt', false],
])('licence %s is allowed: %s', (expression, allowed) => {
  expect(isAllowed(expression)).toBe(allowed);
});
