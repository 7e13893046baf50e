/**
 * The GPU of this machine for plain Node, by the optional package `webgpu` (Dawn on Vulkan, Metal or D3D12). Knows nothing of
 * kernels. Not for Electron's own processes, which forbid the buffers that this package maps.
 */
import type * as webgpu from 'webgpu';
import { MachineError } from '../../../shared/errors.ts';

export interface NodeGpu {
  readonly device: GPUDevice;
  /** Names the card and its driver: what tuning results are kept under. */
  readonly description: string;
  /** The adapter computes on the CPU: right, and slow. */
  readonly isSoftware: boolean;
}

/** Dawn's objects crash the process when one is collected while another is in use, so they live as long as it does. */
const kept: { gpu: GPU; adapter: GPUAdapter; device: GPUDevice }[] = [];

/** Names under which drivers that compute on the CPU present themselves. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;

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
 * A device of the best adapter with all of its limits. Throws MachineError `gpu-not-installed`, `gpu-no-adapter` or
 * `gpu-no-device`: reasons to compute on the CPU. Call it once in a process; use the device in the thread that called.
 */
export async function openNodeGpu(): Promise<NodeGpu> {
  const { create } = await loadWebGpu();
  // Subgroup matrices are behind the first; the second gives timestamps in nanoseconds.
  const gpu = create(['enable-dawn-features=allow_unsafe_apis', 'disable-dawn-features=timestamp_quantization']);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) {
    throw new MachineError(
      'gpu-no-adapter',
      'No graphics card with a driver for Vulkan, Metal or Direct3D 12 was found.',
      {
        hint: 'On Linux install libvulkan1 and the driver of the card; tacit doctor shows what is found.',
      },
    );
  }
  const requiredLimits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const limit = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof limit === 'number') requiredLimits[name] = limit;
  }
  const device = await adapter.requestDevice({ requiredLimits }).catch((cause: unknown) => {
    throw new MachineError('gpu-no-device', 'The graphics card was found, but its driver gave no access to it.', {
      hint: 'Update the driver, or run on the CPU.',
      cause,
    });
  });
  kept.push({ gpu, adapter, device });
  const { vendor, architecture, device: model, description } = adapter.info;
  const words = [description, vendor, architecture, model].filter((word) => word !== '');
  return { device, description: words.join(', '), isSoftware: words.some((word) => SOFTWARE.test(word)) };
}
