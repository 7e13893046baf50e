/** Kernels in a page, with the page's end in this process: frames, commands and failures, over a message channel. */
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { describe, expect, test, vi } from 'vitest';
import { decodeFrame, encodeFrame } from '../../../engine/kernels/remote/frames.ts';
import { RemoteGpu, RemoteKernels, openRemoteGpu } from '../../../engine/kernels/remote/remote.ts';
import { serveKernels } from '../../../engine/kernels/remote/serve.ts';
import { framePort } from '../../../main/host/gpu/frame-port.ts';
import { MachineError } from '../../../shared/errors.ts';
import { requires } from '../../helpers/requires.ts';
import { openSoftwareGpu } from '../../helpers/software-gpu.ts';

vi.setConfig({ testTimeout: 300_000 });

describe('frames', () => {
  test('keep numbers beyond 2^53, bytes, and everything else', () => {
    const message = { a: -(2n ** 63n), list: [Uint8Array.of(1, 2, 3), { deep: new Uint8Array(0) }, 'text', 1.5, null] };
    expect(decodeFrame(encodeFrame(message))).toEqual(message);
  });

  test('that are cut off or no frames are refused', () => {
    const frame = encodeFrame({ bytes: new Uint8Array(100) });
    for (const bad of [frame.subarray(0, 50), frame.subarray(0, 10), new Uint8Array(9), new Uint8Array(0)]) {
      expect(() => decodeFrame(bad)).toThrow(expect.objectContaining({ code: 'frame-malformed' }));
    }
  });
});

function channel(): { near: MessagePort; far: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  return { near: port1, far: port2 };
}

test('a page without a card says so', async () => {
  const { near, far } = channel();
  serveKernels(framePort(far), () => Promise.reject(new MachineError('gpu-no-adapter', 'No graphics card was found.')));
  const remote = new RemoteGpu(framePort(near));
  await expect(openRemoteGpu(remote)).rejects.toThrow(
    expect.objectContaining({ kind: 'machine', code: 'gpu-no-adapter', message: 'No graphics card was found.' }),
  );
  remote.close();
});

requires('chromium', 'libvulkan1')('a page with the software driver', () => {
  test('that goes away is a lost card', async () => {
    const { near, far } = channel();
    serveKernels(framePort(far), openSoftwareGpu);
    const remote = new RemoteGpu(framePort(near));
    expect(await openRemoteGpu(remote)).toMatchObject({ isSoftware: true });
    const kernels = new RemoteKernels(remote, 'naive16');
    const memory = await kernels.allocate(64);
    const slot = { kind: 'words', offset: 0, length: 8 } as const;
    memory.write(slot, new Uint8Array(64).fill(3), 64);
    expect(await memory.pack([{ slot, width: 8 }])).toEqual(new Uint8Array(8).fill(3));
    far.close();
    await expect(
      (async () => {
        for (;;) await memory.pack([{ slot, width: 8 }]);
      })(),
    ).rejects.toThrow(expect.objectContaining({ code: 'gpu-lost' }));
    await expect(kernels.allocate(64)).rejects.toThrow(expect.objectContaining({ code: 'gpu-lost' }));
  });

  test('answers a pack with what went wrong with the commands before it', async () => {
    const { near, far } = channel();
    serveKernels(framePort(far), openSoftwareGpu);
    const remote = new RemoteGpu(framePort(near));
    await openRemoteGpu(remote);
    const kernels = new RemoteKernels(remote, 'naive16');
    await expect(kernels.allocate(2 ** 42)).rejects.toThrow(expect.objectContaining({ code: 'gpu-memory' }));
    const memory = await kernels.allocate(64);
    const word = (offset: number) => ({ kind: 'words', offset, length: 1 }) as const;
    memory.write(word(16), Uint8Array.of(7), 8);
    const beyond = { op: 'gatherRows', out: word(0), input: word(8), index: word(16), inner: 1 } as const;
    await kernels.run(memory, [beyond]);
    await expect(memory.pack([])).rejects.toThrow(
      expect.objectContaining({ kind: 'internal', code: 'kernel-index-range' }),
    );
    expect(await memory.pack([])).toEqual(new Uint8Array(0));
    remote.close();
  });

  test('says which instructions its driver refuses, and why', async () => {
    const { near, far } = channel();
    serveKernels(framePort(far), async () => {
      const opened = await openSoftwareGpu();
      const create = opened.device.createComputePipelineAsync.bind(opened.device);
      let refuses = false;
      const { createShaderModule } = opened.device;
      opened.device.createShaderModule = (descriptor) => {
        refuses = descriptor.code.includes('select(vec2u(0u), lifted');
        return createShaderModule.call(opened.device, descriptor);
      };
      opened.device.createComputePipelineAsync = (descriptor) =>
        refuses ? Promise.reject(new Error('beyond the limit')) : create(descriptor);
      return opened;
    });
    const remote = new RemoteGpu(framePort(near));
    await openRemoteGpu(remote);
    const kernels = new RemoteKernels(remote, 'naive16');
    const memory = await kernels.allocate(256);
    const word = (offset: number) => ({ kind: 'words', offset, length: 1 }) as const;
    const wrap = {
      op: 'wrap',
      out: word(0),
      opened: word(8),
      top: 63,
      zero: word(16),
      wrap: word(24),
      lift: 1,
    } as const;
    const refused = await kernels.refused(memory, [wrap]);
    expect([...refused]).toEqual([[0, expect.stringMatching(/refused the kernel "wrap": beyond the limit/)]]);
    expect(await kernels.refused(memory, [])).toEqual(new Map());
    remote.close();
  });
});
