/**
 * The kernel set on a GPU, chosen and proved: the fastest variant of products that leaves the same words as the reference, and
 * which operations do not. What a source gives is not trusted until then. Knows nothing of jobs.
 */
import { selfTest } from '../../../engine/kernels/self-test.ts';
import type { Refusals } from '../../../engine/kernels/self-test.ts';
import type { FramePort } from '../../../engine/kernels/remote/frames.ts';
import { RemoteGpu, RemoteKernels, openRemoteGpu } from '../../../engine/kernels/remote/remote.ts';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import { offeredVariants } from '../../../engine/kernels/webgpu/matmul.ts';
import type { MatmulVariant } from '../../../engine/kernels/webgpu/matmul.ts';
import { matmulRates } from '../../../engine/kernels/webgpu/tune.ts';
import type { MatmulRate } from '../../../engine/kernels/webgpu/tune.ts';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { openNodeGpu } from './node-gpu.ts';
import type { OpenedGpu } from '../../../engine/kernels/webgpu/device.ts';

/** Short to compile on drivers that compute on the CPU, where tuning would take minutes. */
const SOFTWARE_VARIANT: MatmulVariant = 'imad9_2x2';
/** Where the driver compiles none of the tiled ones. */
const PLAIN_VARIANT: MatmulVariant = 'naive16';

/** A GPU that was found. */
export interface GpuSource {
  /** Card and driver: what tuning results are kept under. */
  readonly description: string;
  /** It computes on the CPU: right, and slow. */
  readonly isSoftware: boolean;
  /** Of products that it offers. */
  readonly variants: readonly MatmulVariant[];
  /** Rates of a product by variant, the fastest first. */
  rates(): Promise<MatmulRate[]>;
  /** The kernel set with this variant, not proved yet. */
  kernels(matmul: MatmulVariant): Kernels;
}

export interface GpuKernels {
  readonly kernels: Kernels;
  readonly matmul: MatmulVariant;
  /** What was measured; empty when the variant was known. */
  readonly rates: readonly MatmulRate[];
  /** Quicker variants of products that leave other words than the reference, or that the driver refuses. */
  readonly passedOver: readonly MatmulVariant[];
  /** Operations that the CPU has to carry out. */
  readonly refusals: Refusals;
}

/** The GPU of this process by the `webgpu` package. Throws as openNodeGpu does. */
export async function nodeGpuSource(): Promise<GpuSource> {
  return sourceOf(await openNodeGpu());
}

export function sourceOf({ device, description, isSoftware, matrixUnits }: OpenedGpu): GpuSource {
  return {
    description,
    isSoftware,
    variants: offeredVariants(matrixUnits),
    rates: () => matmulRates({ device, matrixUnits }),
    kernels: (matmul) => new WebGpuKernels({ device, matrixUnits, matmul }),
  };
}

/** The GPU of the page at the other end of the port. Throws as openGpu does, or `gpu-lost`. */
export async function remoteGpuSource(port: FramePort): Promise<GpuSource> {
  const remote = new RemoteGpu(port);
  const { description, isSoftware, variants } = await openRemoteGpu(remote);
  return {
    description,
    isSoftware,
    variants,
    rates: async () => [...(await remote.request({ op: 'rates' })).rates],
    kernels: (matmul) => new RemoteKernels(remote, matmul),
  };
}

/**
 * `known` is the variant that was found before on this card and driver, if any. Throws MachineError `gpu-failed`, `gpu-lost`,
 * `gpu-memory` or `kernels-wrong`, and `gpu-kernel` where no word can be moved.
 */
export async function proveGpu(source: GpuSource, known: MatmulVariant | undefined): Promise<GpuKernels> {
  const given = source.isSoftware ? SOFTWARE_VARIANT : source.variants.find((variant) => variant === known);
  const rates = given === undefined ? await source.rates() : [];
  const [first = PLAIN_VARIANT, ...others] = given === undefined ? rates.map(({ variant }) => variant) : [given];
  let found = await proved(source, first);
  const passedOver: MatmulVariant[] = [];
  for (const matmul of others) {
    if (!found.refusals.has('matmul')) break;
    passedOver.push(found.matmul);
    found = await proved(source, matmul);
  }
  return { ...found, rates, passedOver };
}

async function proved(
  source: GpuSource,
  matmul: MatmulVariant,
): Promise<Pick<GpuKernels, 'kernels' | 'matmul' | 'refusals'>> {
  const kernels = source.kernels(matmul);
  return { kernels, matmul, refusals: await selfTest(kernels) };
}
