/**
 * Suites that need a system package: without it they are skipped by name, with the line that installs it; in continuous
 * integration (CI=true), where .ci/run has installed everything, its absence is a failure instead.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';

export type SystemPackage = 'chromium' | 'libvulkan1' | 'libonnx-testdata';

function inLibraryFolders(name: string): boolean {
  const folders = readdirSync('/usr/lib', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders.some((folder) => existsSync(join('/usr/lib', folder.name, name)));
}

const present: Readonly<Record<SystemPackage, () => boolean>> = {
  chromium: () => existsSync('/usr/bin/chromium'),
  libvulkan1: () => existsSync('/usr/lib') && inLibraryFolders('libvulkan.so.1'),
  'libonnx-testdata': () => existsSync('/usr/share/libonnx-testdata/data'),
};

/** What to do about packages that are not there: run the suite, skip it, or fail it; with the reason. */
export function decision(
  missing: readonly SystemPackage[],
  inContinuousIntegration: boolean,
): { readonly action: 'run' | 'skip' | 'fail'; readonly reason: string } {
  if (missing.length === 0) return { action: 'run', reason: '' };
  const reason = `needs: apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  return { action: inContinuousIntegration ? 'fail' : 'skip', reason };
}

/** `requires('chromium')('name of the suite', () => { test(...) })` stands where `describe` would. */
export function requires(...packages: readonly SystemPackage[]): (name: string, suite: () => void) => void {
  const missing = packages.filter((name) => !present[name]());
  const { action, reason } = decision(missing, process.env['CI'] === 'true');
  return (name, suite) => {
    if (action === 'run') return describe(name, suite);
    if (action === 'skip') {
      console.warn(`Skipped "${name}": ${reason}`);
      return describe.skip(`${name} (${reason})`, suite);
    }
    test(name, () => {
      throw new Error(`"${name}" ${reason}`);
    });
  };
}

/** As `requires`, for suites of minutes: they run by `npm run test:gpu`, or where TACIT_GPU_TESTS=long. */
export function longSuite(...packages: readonly SystemPackage[]): (name: string, suite: () => void) => void {
  const { TACIT_GPU_TESTS: chosen, npm_lifecycle_event: script } = process.env;
  if (chosen === 'long' || script === 'test:gpu') return requires(...packages);
  return (name, suite) => describe.skip(`${name} (npm run test:gpu)`, suite);
}
