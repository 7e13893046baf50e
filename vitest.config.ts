import { defineConfig } from 'vitest/config';

const unitFolders = ['engine', 'compliance', 'shared', 'host', 'tooling'];
const systemFolders = ['parties', 'conformance', 'bench'];
const testsIn = (folders: readonly string[]): string[] => folders.map((folder) => `test/${folder}/**/*.test.ts`);

/** Two projects: `unit` (fast, few processes) for `npm run check`, `system` (parties as processes) for `npm test` too. */
export default defineConfig({
  test: {
    globalSetup: './scripts/build-kernels.mjs',
    projects: [
      {
        test: { name: 'unit', include: testsIn(unitFolders), testTimeout: 60_000 },
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
