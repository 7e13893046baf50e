import { defineConfig } from 'vitest/config';

const unitFolders = ['engine', 'compliance', 'shared', 'tooling'];
const hostFolders = ['host', 'renderer'];
const systemFolders = ['parties', 'conformance', 'bench'];
/** The GPU kernels take a minute where a processor plays the card. */
const slowOnSoftwareDriver = ['test/compliance/kernels/webgpu*.test.ts'];
const testsIn = (folders: readonly string[]): string[] => folders.map((folder) => `test/${folder}/**/*.test.ts`);

/**
 * Three projects: `unit` (the engine and contracts, no processes) for `npm run check`; `host` (sockets, stores, commands) and
 * `system` (parties as processes, one file at a time) for `npm test` too.
 */
export default defineConfig({
  test: {
    globalSetup: './scripts/build-kernels.mjs',
    projects: [
      {
        test: {
          name: 'unit',
          include: testsIn(unitFolders),
          exclude: slowOnSoftwareDriver,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'host',
          include: [...testsIn(hostFolders), ...slowOnSoftwareDriver],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'system',
          include: testsIn(systemFolders),
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
