/** Temporary data folders for the store's tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { openStore } from '../../../main/host/store/store.ts';
import type { Store } from '../../../main/host/store/store.ts';

/** A folder that goes when the test does; nothing is in it yet. */
export function temporaryFolder(): string {
  const parent = mkdtempSync(join(tmpdir(), 'tacit-store-'));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return join(parent, 'data');
}

/** An open store in such a folder. */
export function temporaryStore(vaultQuotaBytes?: number): Store {
  const store = openStore(temporaryFolder(), vaultQuotaBytes === undefined ? {} : { vaultQuotaBytes });
  onTestFinished(() => store.close());
  return store;
}

export function digestOf(text: string): Uint8Array {
  return nodeCrypto.sha256(Buffer.from(text));
}

/** The code of the error that `work` throws, or `none`. */
export function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'none';
}
