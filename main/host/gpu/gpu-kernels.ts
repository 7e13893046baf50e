/**
 * The kernel set on this machine's GPU, started, chosen and proved: the fastest variant of products, and the same words as the
 * reference. Throws MachineError with the reason where the CPU has to do it. Knows nothing of jobs.
 */
import { selfTest } from '../../../engine/kernels/self-test.ts';
import type { MatmulVariant } from '../../../engine/kernels/webgpu/matmul.ts';
import { matmulRates } from '../../../engine/kernels/webgpu/tune.ts';
import type { MatmulRate } from '../../../engine/kernels/webgpu/tune.ts';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { MachineError } from '../../../shared/errors.ts';
import { openNodeGpu } from './node-gpu.ts';

/** Short to compile on drivers that compute on the CPU, where tuning would take minutes. */
const SOFTWARE_VARIANT: MatmulVariant = 'imad9_2x2';

export interface GpuKernels {
  readonly kernels: WebGpuKernels;
  /** Card and driver. */
  readonly description: string;
  readonly isSoftware: boolean;
  /** What was measured; empty when the variant was known. */
  readonly rates: readonly MatmulRate[];
}

/**
 * `knownVariant` gives the variant that was found before on the adapter of this description, if any. Throws MachineError
 * `gpu-not-installed`, `gpu-no-adapter`, `gpu-no-device`, `gpu-kernel`, `gpu-failed`, `gpu-lost` or `kernels-wrong`.
 */
export async function openGpuKernels(
  knownVariant: (description: string) => MatmulVariant | undefined,
): Promise<GpuKernels> {
  const { device, description, isSoftware } = await openNodeGpu();
  const known = isSoftware ? SOFTWARE_VARIANT : knownVariant(description);
  const rates = known === undefined ? await matmulRates(device) : [];
  const matmul = known ?? rates[0]?.variant;
  if (matmul === undefined) {
    throw new MachineError('gpu-kernel', 'The driver of the graphics card compiled none of the matrix products.', {
      hint: 'Update the driver, or run on the CPU.',
    });
  }
  const kernels = new WebGpuKernels({ device, matmul });
  await selfTest(kernels);
  return { kernels, description, isSoftware, rates };
}
