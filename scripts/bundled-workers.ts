/**
 * A plugin for the build of Node's entries: `new Worker(new URL('./x.ts', import.meta.url))` gets x.ts as a built file of its
 * own, so that modules of the engine start their threads by the same line in a checkout and in a build.
 */
import { dirname, resolve } from 'node:path';
import type { Plugin } from 'vite';

const pattern = /new URL\('(\.[^']+\.ts)', import\.meta\.url\)/gu;

export function bundledWorkers(): Plugin {
  return {
    name: 'tacit:bundled-workers',
    enforce: 'pre',
    transform: {
      filter: { id: /\.ts$/u, code: 'import.meta.url' },
      handler(code, id) {
        const replaced = code.replace(pattern, (_match, file: string) => {
          const reference = this.emitFile({ type: 'chunk', id: resolve(dirname(id), file) });
          return `import.meta.ROLLUP_FILE_URL_${reference}`;
        });
        return replaced === code ? undefined : { code: replaced, map: null };
      },
    },
    // Vite would make it an address of a web server
    resolveFileUrl: ({ relativePath }) => `new URL('${relativePath}', import.meta.url)`,
  };
}
