/**
 * Builds the product into out/: the entries that Node starts (main/paths.ts) and the desktop shell as modules, the preload
 * as one CommonJS file, the interface as renderer/vite.config.ts says. Packages are bundled, but for those with native parts.
 */
import { join } from 'node:path';
import { defineConfig } from 'electron-vite';
import { entries } from './main/paths.ts';
import { bundledPackages } from './scripts/bundled-packages.ts';
import { bundledWorkers } from './scripts/bundled-workers.ts';

const root = import.meta.dirname;

/** Stay packages of their own: what electron-builder.yml unpacks beside the archive. */
export const nativePackages = ['@duckdb/node-api', 'better-sqlite3', 'bufferutil', 'webgpu'];

export default defineConfig({
  main: {
    plugins: [bundledWorkers(), bundledPackages()],
    build: {
      outDir: 'out',
      target: 'node22',
      externalizeDeps: false,
      rolldownOptions: {
        input: Object.fromEntries(Object.entries(entries).map(([name, file]) => [name, join(root, file)])),
        // supports-color: `debug` uses it where it happens to be, which is among our tools only
        external: [...nativePackages, 'electron', 'supports-color'],
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: 'parts/[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      outDir: 'out',
      emptyOutDir: false,
      externalizeDeps: false,
      // A sandboxed preload cannot load parts of itself from other files.
      isolatedEntries: true,
      rolldownOptions: {
        input: {
          preload: join(root, 'main/desktop/preload.ts'),
          'gpu-preload': join(root, 'main/desktop/gpu-preload.ts'),
        },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
});
