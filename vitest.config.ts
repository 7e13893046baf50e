import { defineConfig } from 'vitest/config';

const unitFolders = ['engine', 'compliance', 'shared', 'tooling'];
const hostFolders = ['host', 'renderer'];
const systemFolders = ['parties', 'conformance', 'bench'];
/** Too slow for a quick check: run with the host's tests. */
const slowFiles = [
  'test/compliance/kernels/webgpu*.test.ts',
  'test/compliance/transport/{sockets,port}.test.ts',
  'test/engine/functions/**/*.test.ts',
  'test/engine/join/**/*.test.ts',
  'test/engine/operations/**/*.test.ts',
  'test/engine/protocol/{rings,combinations}.test.ts',
  'test/engine/security/**/*.test.ts',
  'test/tooling/{built-layout,ci,imports}.test.ts',
];
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
          exclude: slowFiles,
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'host',
          include: [...testsIn(hostFolders), ...slowFiles],
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
