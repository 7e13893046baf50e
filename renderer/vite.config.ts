/** Builds the interface into out/renderer: one build for the browser and for the desktop window. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  plugins: [svelte()],
  worker: { format: 'es' },
  build: {
    outDir: '../out/renderer',
    emptyOutDir: true,
    target: 'chrome130',
    // Inline scripts and data: fonts are refused by the page's security policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
});
