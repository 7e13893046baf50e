/**
 * Tries one native part of the program apart from everything else, because a part that does not fit the machine may crash rather
 * than fail. As a process, `node part-probe.ts NAME` prints one JSON line, a PartProbe; as a worker, where the graphics card is
 * at the other end of a port, it posts it. Knows nothing of who asks.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { onCpuText } from '../../../shared/kernel-choice.ts';
import type { PartProbe } from '../../../shared/kernel-choice.ts';
import type { ProbedPart } from './probe.ts';

/** What a worker is given. */
export interface WorkerProbe {
  readonly name: ProbedPart;
  readonly gpuPort: MessagePort;
}

const PRODUCT = 512;
const given = workerData as WorkerProbe | null;

const probes: Readonly<Record<ProbedPart, () => Promise<PartProbe>>> = {
  async kernels() {
    const { wasmKernels } = await import('../../../engine/kernels/wasm/wasm.ts');
    const threads = availableParallelism();
    const kernels = await wasmKernels({ threads });
    const { benchProducts } = await import('../../../engine/kernels/measure.ts');
    const [product] = await benchProducts(kernels, [PRODUCT]);
    await kernels.dispose();
    const found = `WebAssembly with SIMD, ${threads === 1 ? '1 thread' : `${threads} threads`}`;
    return { works: true, found, multiplyAddsPerSecond: product?.value };
  },
  async store() {
    const { openDatabase } = await import('../store/database.ts');
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
    const { nodeGpuSource, proveGpu, remoteGpuSource } = await import('../gpu/gpu-kernels.ts');
    const { framePort } = await import('../gpu/frame-port.ts');
    const source = await (given === null ? nodeGpuSource() : remoteGpuSource(framePort(given.gpuPort)));
    if (source.isSoftware) {
      const chosen = 'the CPU computes: this is no graphics card, but a driver that computes on the CPU';
      return { works: true, found: source.description, isSoftware: true, chosen };
    }
    const { benchProducts } = await import('../../../engine/kernels/measure.ts');
    const { kernels, matmul, rates, passedOver, refusals } = await proveGpu(source, undefined);
    const [product] = refusals.has('matmul') ? [] : await benchProducts(kernels, [PRODUCT]);
    const limits = [
      ...passedOver.map((variant) => `products by ${variant} are wrong there, and not used`),
      ...[...refusals].map(([operation, reason]) => onCpuText({ operation, reason })),
    ];
    const words = limits.length === 0 ? 'leaves the same words as the CPU' : limits.join('; ');
    return {
      works: true,
      found: source.description,
      multiplyAddsPerSecond: product?.value,
      variants: rates.map(({ variant, multiplyAddsPerSecond }) => ({ name: variant, multiplyAddsPerSecond })),
      chosen: `${words}, products by ${matmul}; a job uses it where it does the job's own work quicker`,
    };
  },
  async plaintext() {
    const { baselineBackend } = await import('../baseline/backend.ts');
    const { name, description } = await baselineBackend();
    return { works: name !== 'cpu', found: description };
  },
};

const name = given?.name ?? process.argv[2] ?? '';
if (!Object.hasOwn(probes, name)) throw new Error(`Usage: part-probe ${Object.keys(probes).join('|')}`);
const result = await probes[name as ProbedPart]().catch((error: unknown): PartProbe => ({
  works: false,
  found: error instanceof Error ? error.message : String(error),
}));
if (parentPort !== null) parentPort.postMessage(result);
// Native parts write to standard output too: the result is its last line.
else process.stdout.write(`\n${JSON.stringify(result)}\n`, () => process.exit());
