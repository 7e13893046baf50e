/** Walks every import of the product and proves the architecture's rules, without the linter; seeded breaches are caught. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { ESLint } from 'eslint';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { importViolation, nameViolation } from '../../scripts/import-rules.ts';

const root = join(import.meta.dirname, '../..');

/** Every specifier that a source text imports: static, type-only, dynamic, re-exported, required. */
function specifiers(text: string): string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map((reference) => reference.fileName);
}

function breaches(file: string, text: string): string[] {
  const named = nameViolation(file);
  const imported = specifiers(text).flatMap((specifier) => importViolation(file, specifier) ?? []);
  return [...(named === undefined ? [] : [named]), ...imported].map((reason) => `${file}: ${reason}`);
}

function* sourceFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const skipped = entry.name === 'build' || path.endsWith(join('wasm', 'assembly'));
      if (!skipped) yield* sourceFiles(path);
    } else if (/\.(?:ts|svelte)$/u.test(entry.name)) yield path.split(sep).join('/');
  }
}

const productFolders = ['shared', 'engine', 'main', 'renderer'].filter((folder) =>
  readdirSync(root, { withFileTypes: true }).some((entry) => entry.isDirectory() && entry.name === folder),
);

test('every import of the product keeps the rules', () => {
  const files = productFolders.flatMap((folder) => [...sourceFiles(folder)]);
  expect(files).toContain('shared/errors.ts');
  expect(files.flatMap((file) => breaches(file, readFileSync(join(root, file), 'utf8')))).toEqual([]);
});

test('every relative import of the product names a file that is there, with its extension', () => {
  const dangling = productFolders
    .flatMap((folder) => [...sourceFiles(folder)])
    .flatMap((file) =>
      specifiers(readFileSync(join(root, file), 'utf8'))
        .filter((specifier) => specifier.startsWith('.'))
        .filter((specifier) => !ts.sys.fileExists(join(root, file, '..', specifier)))
        .map((specifier) => `${file} imports ${specifier}`),
    );
  expect(dangling).toEqual([]);
});

const seeded: readonly (readonly [file: string, text: string, reason: RegExp])[] = [
  ['shared/job.ts', `import { trace } from '../engine/tensor/trace.ts';`, /shared\/ imports only shared\//u],
  ['shared/job.ts', `import { readFileSync } from 'node:fs';`, /node:fs is not for/u],
  ['shared/job.ts', `import YAML from 'yaml';`, /package yaml/u],
  ['engine/plan/plan.ts', `import { openStore } from '../../main/host/store/store.ts';`, /engine\/ imports only/u],
  ['engine/plan/plan.ts', `import type { Store } from '../../main/host/store/store.ts';`, /engine\/ imports only/u],
  ['engine/plan/plan.ts', `const { Store } = await import('../../main/store.ts');`, /engine\/ imports only/u],
  ['engine/plan/plan.ts', `import { createHash } from 'node:crypto';`, /node:crypto is not for/u],
  ['engine/plan/plan.ts', `import { createHash } from 'crypto';`, /write node:crypto/u],
  ['engine/random/streams.ts', `import { Worker } from 'node:worker_threads';`, /node:worker_threads is not for/u],
  ['engine/kernels/wasm/pool.ts', `import { createHash } from 'node:crypto';`, /node:crypto is not for/u],
  ['engine/runtime/transport.ts', `import { io } from 'socket.io-client';`, /only main\/host\/peers\/ names/u],
  ['engine/runtime/vault.ts', `import Database from 'better-sqlite3';`, /only main\/host\/store\/ names/u],
  ['main/host/jobs/jobs.ts', `import Database from 'better-sqlite3';`, /only main\/host\/store\/ names/u],
  ['main/cli/party.ts', `import { Server } from 'socket.io';`, /only main\/host\/peers\/ names/u],
  ['main/host/host.ts', `import { app } from 'electron';`, /only main\/desktop\/ names/u],
  ['main/host/host.ts', `import { app } from 'electron/main';`, /only main\/desktop\/ names/u],
  ['main/host/host.ts', `export { app } from '../../renderer/app.ts';`, /main\/ imports only/u],
  ['renderer/app.ts', `import { openStore } from '../main/host/store/store.ts';`, /renderer\/ imports only/u],
  ['engine/tensor/index.ts', ``, /no barrel files/u],
];

describe('a seeded breach is caught', () => {
  test.each(seeded)('%s: %s', (file, text, reason) => {
    expect(breaches(file, text)).toEqual([expect.stringMatching(reason)]);
  });

  test('by the linter too', async () => {
    const lint = new ESLint({ cwd: root });
    const lines = [
      `import { Server } from 'socket.io';`,
      `export const server = new Server();`,
      `export * from './errors.ts';`,
      `export const seed: any = Math.random();`,
    ];
    // The text stands in for a file that exists, because typed rules need one that the project holds.
    const [result] = await lint.lintText(lines.join('\n'), { filePath: join(root, 'shared/errors.ts') });
    expect(result?.messages.map((message) => message.ruleId).sort()).toEqual([
      '@typescript-eslint/no-explicit-any',
      'no-restricted-properties',
      'no-restricted-syntax',
      'tacit/imports',
    ]);
  });
});

test('what the rules allow stays allowed', () => {
  const allowed: readonly (readonly [file: string, specifier: string])[] = [
    ['shared/job.ts', 'zod'],
    ['shared/job.ts', './errors.ts'],
    ['engine/plan/plan.ts', '../../shared/errors.ts'],
    ['engine/random/node-crypto.ts', 'node:crypto'],
    ['engine/kernels/wasm/pool.ts', 'node:worker_threads'],
    ['engine/models/onnx/codec.ts', '@bufbuild/protobuf'],
    ['main/host/store/store.ts', 'better-sqlite3'],
    ['main/host/peers/server.ts', 'socket.io'],
    ['main/desktop/index.ts', 'electron'],
    ['main/cli/index.ts', '../../engine/plan/plan.ts'],
    ['renderer/app.ts', '../shared/errors.ts'],
  ];
  expect(allowed.flatMap(([file, specifier]) => importViolation(file, specifier) ?? [])).toEqual([]);
});
