/** Starting on a device, its limits, and what is said when it does not do: each a reason to compute on the CPU. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test, vi } from 'vitest';
import type { Kernels, Memory } from '../../../engine/kernels/kernels.ts';
import { referenceKernels } from '../../../engine/kernels/reference/reference.ts';
import { selfTest } from '../../../engine/kernels/self-test.ts';
import { pagingOf } from '../../../engine/kernels/webgpu/gpu.ts';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { matmulRates } from '../../../engine/kernels/webgpu/tune.ts';
import { requires } from '../../helpers/requires.ts';
import { openSoftwareGpu, softwareGpu } from '../../helpers/software-gpu.ts';

vi.setConfig({ testTimeout: 300_000 });

const slot = { kind: 'words', offset: 0, length: 8 } as const;

describe('the self-test of a kernel set', () => {
  test('passes the reference', async () => {
    await selfTest(referenceKernels());
  });

  test('finds a single wrong bit', async () => {
    const reference = referenceKernels();
    for (const place of [0, 5_000, 20_000]) {
      const wrong: Kernels = {
        ...reference,
        allocate: async (bytes) => {
          const memory = await reference.allocate(bytes);
          const { pack } = memory;
          const flipped: Pick<Memory, 'pack'> = {
            pack: async (parts) => {
              const packed = await pack.call(memory, parts);
              packed[place]! ^= 4;
              return packed;
            },
          };
          return Object.assign(memory, flipped);
        },
      };
      await expect(selfTest(wrong)).rejects.toThrow(
        expect.objectContaining({
          code: 'kernels-wrong',
          kind: 'machine',
          message: expect.stringContaining(`${place}`),
        }),
      );
    }
  });
});

test('memories beyond a binding are split into pages, as many as kernels reach and number', () => {
  expect(pagingOf(3000, 4096, 5)).toEqual({ pages: 1, pageBytes: 3000 });
  expect(pagingOf(5000, 5000, 1)).toEqual({ pages: 1, pageBytes: 5000 });
  expect(pagingOf(10_000, 5000, 5)).toEqual({ pages: 3, pageBytes: 4096 });
  expect(() => pagingOf(5 * 4096 + 1, 5000, 5)).toThrow(expect.objectContaining({ code: 'gpu-memory' }));
  const [gibibyte, addressed] = [2 ** 30, 2 ** 34];
  expect(pagingOf(addressed, 4 * gibibyte, 13)).toEqual({ pages: 4, pageBytes: 4 * gibibyte });
  expect(() => pagingOf(addressed + 64, 4 * gibibyte, 13)).toThrow(/kernels on this GPU reach 16.00 GiB/u);
});

test('without an adapter, Node says so', () => {
  const code = `import { openNodeGpu } from './main/host/gpu/node-gpu.ts';
    await openNodeGpu().then(() => console.log('opened'), (error) => console.log(error.kind, error.code));`;
  const env = { ...process.env, VK_DRIVER_FILES: '/nonexistent', VK_ICD_FILENAMES: '/nonexistent' };
  const told = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', code], {
    env,
    encoding: 'utf8',
  });
  expect(told.trim().split('\n').at(-1)).toBe('machine gpu-no-adapter');
});

requires('chromium', 'libvulkan1')('a device of the software driver', () => {
  test('is known as software, and passes with a memory of several pages', async () => {
    const gpu = await softwareGpu();
    expect(gpu.isSoftware).toBe(true);
    expect(gpu.description).toMatch(/swiftshader/i);
    await selfTest(new WebGpuKernels({ device: gpu.device, matmul: 'imad9_2x2', largestPageBytes: 300_000 }));
  });

  test('rates of products are measured, fastest first', async () => {
    const rates = await matmulRates(await softwareGpu(), ['naive16']);
    expect(rates.map(({ variant }) => variant)).toEqual(['naive16']);
    expect(rates[0]?.multiplyAddsPerSecond).toBeGreaterThan(0);
  });

  test('a plan beyond its memory is refused', async () => {
    const { device } = await softwareGpu();
    const kernels = new WebGpuKernels({ device, matmul: 'imad9_2x2' });
    await expect(kernels.allocate(2 ** 40)).rejects.toThrow(
      expect.objectContaining({ code: 'gpu-memory', kind: 'machine' }),
    );
  });

  test('a memory disposed of is no longer served, and another set does not take it', async () => {
    const { device } = await softwareGpu();
    const kernels = new WebGpuKernels({ device, matmul: 'imad9_2x2' });
    const memory = await kernels.allocate(64);
    await expect(referenceKernels().run(memory, [])).rejects.toThrow(/another kernel set/);
    await expect(new WebGpuKernels({ device, matmul: 'imad9_2x2' }).run(memory, [])).rejects.toThrow(/another/);
    memory.dispose();
    memory.dispose();
    await expect(memory.pack([{ slot, width: 8 }])).rejects.toThrow(/disposed/);
    await expect(kernels.run(memory, [])).rejects.toThrow(/disposed/);
    expect(() => memory.write(slot, new Uint8Array(64), 64)).toThrow(/disposed/);
  });

  test('a pack that was asked for arrives though the memory is disposed of', async () => {
    const { device } = await softwareGpu();
    const kernels = new WebGpuKernels({ device, matmul: 'imad9_2x2' });
    const memory = await kernels.allocate(64);
    memory.write(slot, new Uint8Array(8).fill(9), 8);
    const packed = memory.pack([{ slot, width: 8 }]);
    memory.dispose();
    expect(await packed).toEqual(new Uint8Array(8).fill(9));
  });

  test('large tensors go up in pieces', async () => {
    const { device } = await softwareGpu();
    const kernels = new WebGpuKernels({ device, matmul: 'imad9_2x2' });
    const length = 5 * 2 ** 20 + 3;
    const large = { kind: 'words', offset: 0, length } as const;
    const memory = await kernels.allocate(length * 8);
    const packed = new Uint8Array(length * 7);
    for (let i = 0; i < packed.length; i++) packed[i] = i % 251;
    memory.write(large, packed, 56);
    memory.accumulate({ ...large, length: 1 }, Uint8Array.of(1), 8);
    packed.fill(0, 1, 7);
    packed[0] = 1;
    expect(Buffer.compare(await memory.pack([{ slot: large, width: 56 }]), packed)).toBe(0);
    memory.dispose();
  });

  test('runs go with the pack that follows, or when they are begun, and keep what was written before each', async () => {
    const kernels = new WebGpuKernels({ ...(await softwareGpu()), matmul: 'imad9_2x2' });
    const length = 40_000;
    const input = { kind: 'words', offset: 0, length } as const;
    const sums = [1, 2, 3, 4, 5].map((number) => ({ ...slot, offset: 8 * length + 64 * number, length: 1 }));
    const memory = await kernels.allocate(8 * length + 1024);
    const submitted = async (values: readonly number[], begins: boolean): Promise<number> => {
      const { submissions } = kernels.counters();
      for (const [number, value] of values.entries()) {
        memory.write(input, new Uint8Array(length).fill(value), 8);
        const program = [{ op: 'sum', out: sums[number]!, input, outer: 1, count: length, inner: 1 }] as const;
        await kernels.run(memory, program);
        if (begins) memory.flush?.();
      }
      const parts = values.map((_, number) => ({ slot: sums[number]!, width: 32 }));
      const packed = new DataView((await memory.pack(parts)).buffer);
      values.forEach((value, number) => expect(packed.getUint32(4 * number, true)).toBe(value * length));
      return kernels.counters().submissions - submissions;
    };
    // The buffer for what arrives grows: what was recorded on the small one is submitted before.
    await submitted([7, 8, 9], false);
    expect(await submitted([5], false)).toBe(1);
    expect(await submitted([5, 6], true)).toBe(3);
    // More than the buffer for what arrives holds at once.
    expect(await submitted([1, 2, 3, 4, 5], false)).toBeGreaterThan(1);
    memory.dispose();
  });

  test('a lost device is told', async () => {
    const { device } = await openSoftwareGpu();
    const kernels = new WebGpuKernels({ device, matmul: 'imad9_2x2' });
    const memory = await kernels.allocate(64);
    memory.write(slot, new Uint8Array(8), 8);
    device.destroy();
    await device.lost;
    await expect(memory.pack([{ slot, width: 8 }])).rejects.toThrow(expect.objectContaining({ code: 'gpu-lost' }));
    await expect(kernels.allocate(64)).rejects.toThrow(expect.objectContaining({ code: 'gpu-lost' }));
  });
});
