import { defineConfig } from 'vitest/config';

/** Two projects: `unit` (fast, no processes) for `npm run check`, `system` (processes, sockets, stores) for `npm test`. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/engine/**/*.test.ts', 'test/compliance/**/*.test.ts', 'test/shared/**/*.test.ts', 'test/host/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/parties/**/*.test.ts', 'test/conformance/**/*.test.ts', 'test/bench/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
