// The linter's settings: types that matter, and the architecture's import rules per folder (scripts/import-rules.ts).
import { relative, sep } from 'node:path';
import { defineConfig } from 'eslint/config';
import svelte from 'eslint-plugin-svelte';
import tseslint from 'typescript-eslint';
import { importViolation, nameViolation } from './scripts/import-rules.ts';

const root = import.meta.dirname;

/** @type {import('eslint').Rule.RuleModule} */
const imports = {
  meta: { type: 'problem', schema: [] },
  create(context) {
    const file = relative(root, context.filename).split(sep).join('/');
    const check = (node, source) => {
      if (typeof source?.value !== 'string') return;
      const message = importViolation(file, source.value);
      if (message !== undefined) context.report({ node, message });
    };
    return {
      Program(node) {
        const message = nameViolation(file);
        if (message !== undefined) context.report({ node, message });
      },
      ImportDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
      TSImportType: (node) => check(node, node.source),
    };
  },
};

const tacit = { rules: { imports } };

/** Names that exist in Node or in a page, not in both: the engine gets such things through ports. */
const notEverywhere = [
  ...['window', 'document', 'navigator', 'localStorage', 'sessionStorage', 'indexedDB', 'XMLHttpRequest', 'Worker'],
  ...['process', 'Buffer', 'global', 'require', 'setImmediate', '__dirname', '__filename'],
  ...['fetch', 'WebSocket', 'EventSource'],
];

export default defineConfig(
  {
    ignores: [
      '**/node_modules/',
      '**/build/',
      'out/',
      'release/',
      'dist/',
      'coverage/',
      'tacit-demo/',
      '**/*.tacit-data/',
      'engine/*/wasm/assembly/', // AssemblyScript: its own language
      '**/generated/',
    ],
  },
  {
    files: ['**/*.{ts,js,mjs}'],
    extends: [tseslint.configs.recommended],
    plugins: { tacit },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'tacit/imports': 'error',
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-explicit-any': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/no-unused-vars': 'off', // the compiler's noUnusedLocals and noUnusedParameters
      '@typescript-eslint/only-throw-error': 'error',
      // `reject(signal.reason)` is how a wait ends; its type is unknown or any
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingAny: true, allowThrowingUnknown: true },
      ],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // It has every argument of every call checked, a quarter of the linter's time: only where callbacks meet promises.
    files: [
      'main/{cli,desktop}/**/*.ts',
      'main/host/{api,gpu,joins,loopback,peers,probe,projects,run,store}/**/*.ts',
      'renderer/**/*.ts',
      'engine/{join,kernels/remote,kernels/wasm,runtime}/**/*.ts',
    ],
    rules: { '@typescript-eslint/no-misused-promises': 'error' },
  },
  {
    // A test that fails shows itself; one that does not wait for a promise passes whatever happens.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': 'off',
    },
  },
  {
    // Components: what svelte-check does not see. Types are its business (npm run check:renderer).
    files: ['renderer/**/*.svelte', 'renderer/**/*.svelte.ts'],
    extends: [svelte.configs.recommended],
    plugins: { tacit },
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    rules: {
      'tacit/imports': 'error',
      eqeqeq: 'error',
      'prefer-const': 'off', // runes: `let { x } = $props()`
      'svelte/prefer-const': 'error',
    },
  },
  {
    files: ['shared/**', 'engine/**', 'main/**'],
    rules: {
      // Secret or not, randomness comes from an injected source: runs must be repeatable and secrets unpredictable.
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'Use a named source.' }],
    },
  },
  {
    files: ['shared/**', 'engine/**'],
    rules: {
      'no-console': 'error',
      'no-restricted-globals': ['error', ...notEverywhere],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'No barrels: import from the file that defines the name.' },
        { selector: 'ExportNamedDeclaration[source]', message: 'No barrels: import from the file that defines it.' },
      ],
    },
  },
);
