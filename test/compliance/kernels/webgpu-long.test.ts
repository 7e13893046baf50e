/**
 * All variants of products on the GPU kernels, deep ones past every fold, and a convolutional net: minutes on the software
 * driver, which compiles large kernels slowly. Runs by `npm run test:gpu`, or where TACIT_GPU_TESTS=long.
 */
import { describe, expect, test } from 'vitest';
import type { Instruction, WordSlot } from '../../../engine/kernels/kernels.ts';
import { MATMUL_VARIANTS } from '../../../engine/kernels/webgpu/matmul.ts';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { requires } from '../../helpers/requires.ts';
import { softwareGpu } from '../../helpers/software-gpu.ts';
import { expectTwins } from '../../helpers/training-twins.ts';
import { Slots, TestValues } from './suite.ts';

const LONG_MS = 600_000;

function longSuite(name: string, suite: () => void): void {
  const { TACIT_GPU_TESTS: chosen, npm_lifecycle_event: script } = process.env;
  if (chosen === 'long' || script === 'test:gpu') requires('chromium', 'libvulkan1')(name, suite);
  else describe.skip(`${name} (npm run test:gpu)`, suite);
}

longSuite('GPU kernels at length', () => {
  test.each(MATMUL_VARIANTS)(
    'products by %s: ragged, transposed, batches, pairs, deep, all ones',
    async (matmul) => {
      const gpu = new WebGpuKernels({ ...(await softwareGpu()), matmul });
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
    LONG_MS,
  );

  test(
    'twenty steps of a convolutional net: the same shares',
    async () => {
      const gpu = new WebGpuKernels({ ...(await softwareGpu()), matmul: 'imad9_2x2' });
      const cpu = await wasmKernels({ threads: 1 });
      const unpadded = [0, 0, 0, 0] as [number, number, number, number];
      const description = {
        inputShape: [1, 8, 8],
        layers: [
          {
            kind: 'conv2d',
            name: 'conv',
            channels: 1,
            filters: 3,
            kernel: [3, 3] as [number, number],
            stride: [1, 1] as [number, number],
            dilation: [1, 1] as [number, number],
            padding: [1, 1, 1, 1] as [number, number, number, number],
            groups: 1,
            useBias: true,
          },
          { kind: 'relu', name: 'relu' },
          {
            kind: 'maxPool2d',
            name: 'pool',
            kernel: [2, 2] as [number, number],
            stride: [2, 2] as [number, number],
            dilation: [1, 1] as [number, number],
            padding: unpadded,
          },
          { kind: 'flatten', name: 'flatten' },
          { kind: 'dense', name: 'dense', inputs: 48, outputs: 3, useBias: true },
          { kind: 'softmax', name: 'softmax' },
        ],
      } as const;
      await expectTwins({ description, classes: 3, rows: 24, batch: 6, steps: 20 }, [cpu, gpu]);
      await cpu.dispose();
    },
    LONG_MS,
  );
});
