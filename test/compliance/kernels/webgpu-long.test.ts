/**
 * All variants of products on the GPU kernels, deep ones past every fold, and a convolutional net: minutes on the software
 * driver, which compiles large kernels slowly. Runs by `npm run test:gpu`, or where TACIT_GPU_TESTS=long.
 */
import { expect, test } from 'vitest';
import type { Instruction, WordSlot } from '../../../engine/kernels/kernels.ts';
import { MATMUL_VARIANTS, offeredVariants } from '../../../engine/kernels/webgpu/matmul.ts';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { expandTemplate } from '../../../shared/templates.ts';
import { longSuite } from '../../helpers/requires.ts';
import { softwareGpu } from '../../helpers/software-gpu.ts';
import { expectTwins } from '../../helpers/training-twins.ts';
import { Slots, TestValues } from './suite.ts';

const LONG_MS = 600_000;

longSuite('chromium', 'libvulkan1')('GPU kernels at length', () => {
  test.for(MATMUL_VARIANTS)(
    'products by %s: ragged, transposed, batches, pairs, deep, all ones',
    { timeout: LONG_MS },
    async (matmul, { skip }) => {
      const opened = await softwareGpu();
      if (!offeredVariants(opened.matrixUnits).includes(matmul))
        return void skip(`${opened.description} has no such units`);
      const gpu = new WebGpuKernels({ ...opened, matmul });
      const cpu = await wasmKernels({ threads: 1 });
      const values = new TestValues(11);
      for (const [batch, m, k, n, pairs, forms] of [
        [1, 70, 67, 101, 1, 4],
        [3, 33, 130, 17, 2, 4],
        [1, 4, 20_000, 5, 1, 1],
        [1, 8, 40_000, 4, 1, 1],
      ] as const) {
        for (const ones of forms === 1 ? [k > 30_000] : [false, true]) {
          const slots = new Slots();
          const operands = Array.from({ length: pairs }, () => ({
            a: slots.words(batch * m * k),
            b: slots.words(k * n),
          }));
          const program: Instruction[] = [0, 1, 2, 3].slice(0, forms).map((transposes) => ({
            op: 'matmul',
            out: slots.words(batch * m * n),
            pairs: operands,
            batch,
            m,
            k,
            n,
            transposeA: transposes % 2 === 1,
            transposeB: transposes > 1,
          }));
          const all: WordSlot = { kind: 'words', offset: 0, length: slots.bytes / 8 };
          const words = ones ? new BigUint64Array(all.length).fill(2n ** 64n - 1n) : values.words(all.length);
          const [expected, actual] = await Promise.all(
            [cpu, gpu].map(async (kernels) => {
              const memory = await kernels.allocate(slots.bytes);
              memory.write(all, new Uint8Array(words.buffer), 64);
              await kernels.run(memory, program);
              const packed = await memory.pack([{ slot: all, width: 64 }]);
              memory.dispose();
              return packed;
            }),
          );
          expect(Buffer.compare(expected!, actual!), `${batch} x ${m} x ${k} x ${n}`).toBe(0);
        }
      }
      await cpu.dispose();
    },
  );

  test(
    'twenty steps of LeNet: the same shares',
    async () => {
      const gpu = new WebGpuKernels({ ...(await softwareGpu()), matmul: 'imad9_2x2' });
      const cpu = await wasmKernels({ threads: 1 });
      const description = expandTemplate({ template: 'lenet' }, [1, 16, 16], 10, 'classification');
      await expectTwins({ description, classes: 10, rows: 4, batch: 2, steps: 20 }, [cpu, gpu]);
      await cpu.dispose();
    },
    LONG_MS,
  );

  test(
    'twenty steps of 64-128-128-10, batch 128: the same shares',
    async () => {
      const gpu = new WebGpuKernels({ ...(await softwareGpu()), matmul: 'imad9_2x2' });
      const cpu = await wasmKernels({ threads: 1 });
      const template = { template: 'mlp', hidden: [128, 128], activation: 'relu' } as const;
      const description = expandTemplate(template, [64], 10, 'classification');
      await expectTwins({ description, classes: 10, rows: 256, batch: 128, steps: 20 }, [cpu, gpu]);
      await cpu.dispose();
    },
    LONG_MS,
  );
});
