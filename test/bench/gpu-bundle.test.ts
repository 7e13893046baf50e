/** The graphics card's benchmark as an archive: built here, unpacked in an empty folder, run there on the software driver. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { programRoot } from '../../main/paths.ts';
import { longSuite } from '../helpers/requires.ts';
import { SOFTWARE_DRIVER } from '../helpers/software-gpu.ts';

interface Results {
  readonly description: string;
  readonly isSoftware: boolean;
  readonly quick: boolean;
  readonly exactness: readonly { readonly variant: string; readonly failure?: string }[];
  readonly figures: readonly { readonly name: string; readonly value: number; readonly unit: string }[];
}

longSuite('chromium', 'libvulkan1')('the archive of the graphics card’s benchmark', () => {
  test('is small, unpacks itself, proves the kernels and measures them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tacit-gpu-bundle-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const [target, empty] = [join(folder, 'archive'), join(folder, 'empty')];
    execFileSync(process.execPath, [join(programRoot, 'scripts/bench-gpu.ts'), '--bundle', target], {
      env: { ...process.env, XZ_OPT: '-1 -T0' },
      stdio: 'pipe',
    });
    expect(readdirSync(target).sort()).toEqual(['tacit-gpu-bench.run', 'tacit-gpu-bench.tar.xz']);
    const archive = join(target, 'tacit-gpu-bench.tar.xz');
    expect(statSync(archive).size).toBeLessThan(60 * 2 ** 20);
    const listed = execFileSync('tar', ['-tJf', archive], { encoding: 'utf8' }).trim().split('\n');
    expect(listed).toEqual(
      expect.arrayContaining(
        ['run.sh', 'README.txt', 'node', 'bench.mjs', 'lib/libvulkan.so.1'].map((name) => `tacit-gpu-bench/${name}`),
      ),
    );

    mkdirSync(empty);
    // Nothing of this checkout or its environment but the driver.
    const env = { PATH: '/usr/bin:/bin', ...SOFTWARE_DRIVER };
    const run = spawnSync(join(target, 'tacit-gpu-bench.run'), ['--quick'], { cwd: empty, env, encoding: 'utf8' });
    expect(run.status, run.stderr).toBe(0);
    const file = join(empty, 'tacit-gpu-bench/results.json');
    const results = JSON.parse(readFileSync(file, 'utf8')) as Results;
    expect(results).toMatchObject({ isSoftware: true, quick: true, exactness: [{ variant: 'imad9_2x2' }] });
    expect(results.exactness.every(({ failure }) => failure === undefined)).toBe(true);
    const names = results.figures.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'product 128^3, imad9_2x2',
        'product 128^3, 32-bit floating point',
        'ChaCha20',
        'step: host overhead',
      ]),
    );
    expect(results.figures.every(({ value }) => Number.isFinite(value) && value >= 0)).toBe(true);
    for (const name of names) expect(run.stdout).toContain(`${name}: `);
  }, 900_000);

  test('says what is missing where there is no driver', () => {
    const env = { ...process.env, VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent' };
    const run = spawnSync(process.execPath, [join(programRoot, 'scripts/bench-gpu.ts')], { env, encoding: 'utf8' });
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('No graphics card with a driver');
  });
});
