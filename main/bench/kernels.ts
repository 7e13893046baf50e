/** Local work: the WebAssembly kernels' rates, against the reference kernels and against themselves on all cores. */
import { availableParallelism } from 'node:os';
import { benchKernels } from '../../engine/kernels/measure.ts';
import type { Instruction, Kernels, WordSlot } from '../../engine/kernels/kernels.ts';
import { referenceKernels } from '../../engine/kernels/reference/reference.ts';
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { alternately } from './benchmark.ts';
import type { Benchmark, Figure } from './benchmark.ts';

export const kernels: Benchmark = {
  name: 'kernels',
  summary: 'matrix products and elementwise work on ring words, one core',
  async run({ signal, report }) {
    const cores = availableParallelism();
    const one = await wasmKernels({ threads: 1 });
    const all = await wasmKernels({ threads: cores });
    try {
      report('against the reference kernels');
      const slow = await alternately(await product(one, 96), await product(referenceKernels(), 96), 5, signal);
      report(`against ${cores} threads`);
      const threads = await alternately(await product(all, 512), await product(one, 512), 5, signal);
      report('rates');
      const rates = await benchKernels(one);
      return [
        { name: 'reference kernels / WebAssembly, 96 x 96 x 96', value: slow.ratio, unit: 'times' },
        { name: `one thread / ${cores} threads, 512 x 512 x 512`, value: threads.ratio, unit: 'times' },
        ...rates.map(({ name, value, unit }): Figure => ({
          name,
          value,
          unit,
          ...(name === 'matmul 512 x 512 x 512' ? { goal: { sense: 'at least', value: 3.5e9 } } : {}),
        })),
      ];
    } finally {
      await one.dispose();
      await all.dispose();
    }
  },
};

/** A product of two square matrices of zeros, ready to be run. */
async function product(set: Kernels, n: number): Promise<() => Promise<void>> {
  const [a, b, out] = [0, 1, 2].map((i): WordSlot => ({ kind: 'words', offset: i * 8 * n * n, length: n * n })) as [
    WordSlot,
    WordSlot,
    WordSlot,
  ];
  const memory = await set.allocate(3 * 8 * n * n);
  const sizes = { batch: 1, m: n, k: n, n, transposeA: false, transposeB: false };
  const program: Instruction[] = [{ op: 'matmul', out, pairs: [{ a, b }], ...sizes }];
  return () => set.run(memory, program);
}
