/**
 * The GPU of this machine for plain Node, by the optional package `webgpu` (Dawn on Vulkan, Metal or D3D12). Knows nothing of
 * kernels. Not for Electron's own processes, which forbid the buffers that this package maps.
 */
import type * as webgpu from 'webgpu';
import { openGpu } from '../../../engine/kernels/webgpu/device.ts';
import type { OpenedGpu } from '../../../engine/kernels/webgpu/device.ts';
import { MachineError } from '../../../shared/errors.ts';

/** Dawn's objects crash the process when one is collected while another is in use, so they live as long as it does. */
const kept: { gpu: GPU; adapter: GPUAdapter; device: GPUDevice }[] = [];

async function loadWebGpu(): Promise<typeof webgpu> {
  return await import('webgpu').catch((cause: unknown) => {
    throw new MachineError(
      'gpu-not-installed',
      'The optional package webgpu is not installed, or does not load here.',
      {
        hint: 'Run npm install without --omit=optional; Linux needs glibc 2.34 or newer.',
        cause,
      },
    );
  });
}

/**
 * A device of the best adapter. Throws MachineError `gpu-not-installed`, `gpu-no-adapter` or `gpu-no-device`: reasons to compute
 * on the CPU. Use the device in the thread that called.
 */
export async function openNodeGpu(): Promise<OpenedGpu> {
  const { create } = await loadWebGpu();
  // Subgroup matrices are behind the first; the second gives timestamps in nanoseconds.
  const gpu = create(['enable-dawn-features=allow_unsafe_apis', 'disable-dawn-features=timestamp_quantization']);
  const { adapter, ...opened } = await openGpu(gpu);
  kept.push({ gpu, adapter, device: opened.device });
  return opened;
}
