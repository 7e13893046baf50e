/** A graphics card that is lost in the middle of training: the CPU does the work again and goes on, and nobody notices. */
import { describe, expect, test } from 'vitest';
import { FallbackKernels } from '../../../engine/kernels/fallback.ts';
import type { Kernels, PackedPart } from '../../../engine/kernels/kernels.ts';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { MachineError } from '../../../shared/errors.ts';
import { requires } from '../../helpers/requires.ts';
import { openSoftwareGpu } from '../../helpers/software-gpu.ts';
import { expectTwins } from '../../helpers/training-twins.ts';

const description = {
  inputShape: [6],
  layers: [
    { kind: 'dense', name: 'first', inputs: 6, outputs: 5, useBias: true },
    { kind: 'relu', name: 'relu' },
    { kind: 'dense', name: 'second', inputs: 5, outputs: 2, useBias: true },
    { kind: 'softmax', name: 'softmax' },
  ],
} as const;
const job = { description, classes: 2, rows: 8, batch: 4, steps: 4 };

/** A set of `first` that the WebAssembly kernels stand behind, and what it said when it failed. */
function guarded(first: Kernels): { kernels: Kernels; failures: MachineError[] } {
  const failures: MachineError[] = [];
  const second = (): Promise<Kernels> => wasmKernels({ threads: 1 });
  const kernels = new FallbackKernels({
    first,
    second,
    crypto: nodeCrypto,
    onFailure: (cause) => failures.push(cause),
  });
  return { kernels, failures };
}

/** The reference kernels on a device that fails from the given call of run or pack on; `spoils`: its last pack is wrong. */
function failingAt(call: number, spoils = false): Kernels {
  const reference = referenceKernels();
  let calls = 0;
  let isLost = false;
  const count = (): void => {
    calls++;
    if (isLost || (calls >= call && !spoils)) throw new MachineError('gpu-lost', 'The GPU device was lost.');
  };
  return {
    ...reference,
    name: 'failing',
    run: async (memory, program, timer) => {
      count();
      await reference.run(memory, program, timer);
    },
    allocate: async (bytes) => {
      const memory = await reference.allocate(bytes);
      const { pack } = memory;
      return Object.assign(memory, {
        pack: async (parts: readonly PackedPart[]) => {
          count();
          const packed = await pack.call(memory, parts);
          if (spoils && calls >= call) {
            packed[0]! ^= 1;
            isLost = true;
          }
          return packed;
        },
      });
    },
  };
}

describe('a kernel set that fails', () => {
  // 3 memories of which each fails on its own: runs and packs of parties and dealer, setup and steps.
  test.each([1, 2, 3, 10, 40, 77, 150, 290, 411])('at call %i is replaced', async (call) => {
    const cpu = await wasmKernels({ threads: 1 });
    const { kernels, failures } = guarded(failingAt(call));
    await expectTwins(job, [cpu, kernels]);
    expect(failures.map(({ code }) => code)).toEqual(['gpu-lost']);
    expect(kernels.name).toBe('wasm');
    await cpu.dispose();
  });

  test('goes on from a copy of the states where there is one', async () => {
    const cpu = await wasmKernels({ threads: 1 });
    const late = failingAt(8_000);
    const { kernels, failures } = guarded(late);
    // More executions than a journal holds.
    await expectTwins({ ...job, steps: 100 }, [cpu, kernels]);
    expect(failures.map(({ code }) => code)).toEqual(['gpu-lost']);
    await cpu.dispose();
  });

  test('sends nothing where the work done again comes out otherwise', async () => {
    const cpu = await wasmKernels({ threads: 1 });
    const { kernels } = guarded(failingAt(60, true));
    await expect(expectTwins(job, [cpu, kernels])).rejects.toThrow(expect.objectContaining({ code: 'redo-differs' }));
    await cpu.dispose();
  });
});

requires('chromium', 'libvulkan1')('a device that is lost while two parties train', () => {
  test.each([3, 60, 131])(
    'at submission %i: the same shares as without the loss',
    async (submission) => {
      const { device } = await openSoftwareGpu();
      const { kernels, failures } = guarded(new WebGpuKernels({ device, matmul: 'naive16' }));
      const submit = device.queue.submit.bind(device.queue);
      let submissions = 0;
      device.queue.submit = (buffers) => {
        submit(buffers);
        if (++submissions === submission) device.destroy();
      };
      const cpu = await wasmKernels({ threads: 1 });
      await expectTwins(job, [cpu, kernels]);
      expect(failures.map(({ code }) => code)).toEqual(['gpu-lost']);
      expect(kernels.name).toBe('wasm');
      await cpu.dispose();
    },
    300_000,
  );
});
