/// <reference types="@webgpu/types" />
/** A device of the best adapter with all that kernels use of it. Knows nothing of where WebGPU comes from. */
import { MATRIX_FEATURE, chooseMatrixUnits } from './matrix-units.ts';
import type { MatrixConfiguration, MatrixUnits } from './matrix-units.ts';
import { MachineError } from '../../../shared/errors.ts';

export interface OpenedGpu {
  readonly device: GPUDevice;
  /** Names the card and its driver: what tuning results are kept under. */
  readonly description: string;
  /** The adapter computes on the CPU: right, and slow. */
  readonly isSoftware: boolean;
  /** Units that multiply matrices of bytes, where the adapter lists them. */
  readonly matrixUnits?: MatrixUnits | undefined;
}

/** Taken where the adapter has them: times on the device's clock; matrix units, which whole subgroups work on. */
const WANTED_FEATURES: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups', MATRIX_FEATURE];

/** Names under which drivers that compute on the CPU present themselves. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render/i;

/**
 * Asks for a device with all of the adapter's limits. Throws MachineError `gpu-no-adapter` or `gpu-no-device`: reasons to compute
 * on the CPU. The adapter comes with it for those who must keep it alive.
 */
export async function openGpu(gpu: GPU): Promise<OpenedGpu & { readonly adapter: GPUAdapter }> {
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
  const requiredFeatures = WANTED_FEATURES.filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures }).catch((cause: unknown) => {
    throw new MachineError('gpu-no-device', 'The graphics card was found, but its driver gave no access to it.', {
      hint: 'Update the driver, or run on the CPU.',
      cause,
    });
  });
  const { vendor, architecture, device: model, description } = adapter.info;
  const words = [description, vendor, architecture, model].filter((word) => word !== '');
  const isSoftware = words.some((word) => SOFTWARE.test(word));
  return { adapter, device, description: words.join(', '), isSoftware, matrixUnits: unitsOf(adapter, device) };
}

function unitsOf({ info }: GPUAdapter, { features, limits }: GPUDevice): MatrixUnits | undefined {
  const { subgroupMaxSize: subgroupSize } = info;
  if (!features.has(MATRIX_FEATURE) || !features.has('subgroups') || subgroupSize === undefined) return undefined;
  const { subgroupMatrixConfigs = [] } = info as { subgroupMatrixConfigs?: Iterable<MatrixConfiguration> };
  return chooseMatrixUnits(subgroupMatrixConfigs, {
    subgroupSize,
    mostThreads: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    mostBytes: limits.maxComputeWorkgroupStorageSize,
  });
}
