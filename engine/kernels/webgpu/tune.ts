/** Which variant of products is fastest on a device, measured. Knows nothing of where the answer is kept. */
import type { Instruction, WordSlot } from '../kernels.ts';
import type { OpenedGpu } from './device.ts';
import { offeredVariants } from './matmul.ts';
import type { MatmulVariant } from './matmul.ts';
import { WebGpuKernels } from './webgpu.ts';

const SIDE = 256;
const RUNS = 5;

export interface MatmulRate {
  readonly variant: MatmulVariant;
  readonly multiplyAddsPerSecond: number;
}

/** Rates of a 256 x 256 x 256 product, the fastest first; a variant that the driver does not compile is left out. */
export async function matmulRates(
  { device, matrixUnits }: Pick<OpenedGpu, 'device' | 'matrixUnits'>,
  variants: readonly MatmulVariant[] = offeredVariants(matrixUnits),
): Promise<MatmulRate[]> {
  const slot = (number: number): WordSlot => ({ kind: 'words', offset: number * SIDE * SIDE * 8, length: SIDE * SIDE });
  const sizes = { batch: 1, m: SIDE, k: SIDE, n: SIDE, transposeA: false, transposeB: false };
  const product: Instruction = { op: 'matmul', out: slot(0), pairs: [{ a: slot(1), b: slot(2) }], ...sizes };
  const rates: MatmulRate[] = [];
  for (const variant of variants) {
    const kernels = new WebGpuKernels({ device, matrixUnits, matmul: variant });
    const memory = await kernels.allocate(3 * SIDE * SIDE * 8);
    const program = [product];
    try {
      let bestMs = Infinity;
      // The first run compiles.
      for (let run = 0; run <= RUNS; run++) {
        const startMs = performance.now();
        await kernels.run(memory, program);
        await memory.pack([]);
        if (run > 0) bestMs = Math.min(bestMs, performance.now() - startMs);
      }
      rates.push({ variant, multiplyAddsPerSecond: SIDE ** 3 / (bestMs / 1000) });
    } catch {
      // Another variant will do; if none does, the caller sees an empty list.
    } finally {
      memory.dispose();
    }
  }
  return rates.sort((a, b) => b.multiplyAddsPerSecond - a.multiplyAddsPerSecond);
}
