/**
 * Tries one native part of the program in a process of its own, because a part that does not fit the machine may crash
 * rather than fail: `node doctor-probe.ts NAME` prints one JSON line, a ProbeResult.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

export type ProbeName = 'kernels' | 'store' | 'tables' | 'gpu';

export interface ProbeResult {
  readonly works: boolean;
  /** What was found, or what went wrong. */
  readonly found: string;
}

const probes: Readonly<Record<ProbeName, () => Promise<ProbeResult>>> = {
  async kernels() {
    const { wasmKernels } = await import('../../engine/kernels/wasm/wasm.ts');
    const threads = availableParallelism();
    const kernels = await wasmKernels({ threads });
    await kernels.allocate(1);
    await kernels.dispose();
    return { works: true, found: `WebAssembly with SIMD, ${threads === 1 ? '1 thread' : `${threads} threads`}` };
  },
  async store() {
    const { openDatabase } = await import('../host/store/database.ts');
    const folder = mkdtempSync(join(tmpdir(), 'tacit-doctor-'));
    try {
      const kind = { area: 'store', pageBytes: 4096, migrations: [], selfChecked: [] } as const;
      openDatabase(join(folder, 'store.db'), kind, false).close();
      return { works: true, found: 'SQLite opens, writes ahead' };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  async tables() {
    const { DuckDBInstance, version } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(':memory:');
    instance.closeSync();
    return { works: true, found: `DuckDB ${version()}` };
  },
  async gpu() {
    const { create } = await import('webgpu');
    const adapter = await create([]).requestAdapter();
    if (adapter === null)
      return { works: false, found: 'webgpu is installed, but there is no adapter (GPU or driver)' };
    const { vendor, architecture, description } = adapter.info;
    return { works: true, found: [description, vendor, architecture].filter((word) => word !== '').join(', ') };
  },
};

const name = process.argv[2] ?? '';
if (!Object.hasOwn(probes, name)) throw new Error(`Usage: doctor-probe ${Object.keys(probes).join('|')}`);
const result = await probes[name as ProbeName]().catch((error: unknown): ProbeResult => ({
  works: false,
  found: error instanceof Error ? error.message : String(error),
}));
// native parts write to standard output too: the result is its last line
process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit());
