/** Builds the interface, and the page that computes on a graphics card, into out/renderer: for browsers and the desktop alike. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { bundledPackages } from '../scripts/bundled-packages.ts';

export default defineConfig({
  base: './',
  plugins: [svelte(), bundledPackages()],
  worker: { format: 'es' },
  build: {
    outDir: '../out/renderer',
    emptyOutDir: true,
    target: 'chrome130',
    // Inline scripts and data: fonts are refused by the page's security policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: { input: ['index.html', 'gpu.html'].map((page) => `${import.meta.dirname}/${page}`) },
  },
});
