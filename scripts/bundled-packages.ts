/**
 * A plugin for both builds: leaves packages.json beside what was built, the names of the packages whose code is in it, so that
 * a test can hold assets/NOTICES against it.
 */
import type { Plugin } from 'vite';

const pattern = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//u;

export function bundledPackages(): Plugin {
  return {
    name: 'tacit:bundled-packages',
    generateBundle(_options, bundle) {
      const modules = Object.values(bundle).flatMap((file) => (file.type === 'chunk' ? Object.keys(file.modules) : []));
      const names = new Set(modules.flatMap((id) => pattern.exec(id)?.[1] ?? []));
      this.emitFile({ type: 'asset', fileName: 'packages.json', source: JSON.stringify([...names].sort()) });
    },
  };
}
