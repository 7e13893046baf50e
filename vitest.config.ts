import { defineConfig } from 'vitest/config';

const unitFolders = ['engine', 'compliance', 'shared', 'tooling'];
const hostFolders = ['host', 'renderer', 'desktop'];
const systemFolders = ['parties', 'conformance', 'bench'];
/** Too slow for a quick check: run with the host's tests. */
const slowFiles = [
  'test/bench/gadgets.test.ts',
  'test/compliance/kernels/{partial,wasm-threads,webgpu*}.test.ts',
  'test/compliance/transport/{sockets,port}.test.ts',
  'test/engine/functions/**/*.test.ts',
  'test/engine/join/**/*.test.ts',
  'test/engine/layers/**/*.test.ts',
  'test/engine/models/{onnx,tfjs-layers}.test.ts',
  'test/engine/nn/{membership,whole-models}.test.ts',
  'test/engine/operations/**/*.test.ts',
  'test/engine/protocol/{rings,combinations}.test.ts',
  'test/engine/security/**/*.test.ts',
  'test/tooling/{ci,imports,packaging}.test.ts',
];
/** Generous: a machine may be loaded, and only what hangs waits so long. */
const patience = { testTimeout: 600_000, hookTimeout: 300_000, expect: { poll: { timeout: 240_000 } } };
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
          ...patience,
        },
      },
      {
        test: {
          name: 'host',
          include: [...testsIn(hostFolders), ...slowFiles],
          ...patience,
        },
      },
      {
        test: {
          name: 'system',
          include: testsIn(systemFolders),
          exclude: slowFiles,
          ...patience,
          fileParallelism: false,
        },
      },
    ],
  },
});
