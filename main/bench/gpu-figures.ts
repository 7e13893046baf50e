/**
 * What a graphics card does with ring words: exactness first, then rates of products, elementwise work, key streams and a training
 * step, beside the CPU and beside the card's peaks. Knows nothing of where it runs or of who reads the figures.
 */
import type { Factor, Instruction, Kernels, WordSlot } from '../../engine/kernels/kernels.ts';
import { benchKernels, benchProducts } from '../../engine/kernels/measure.ts';
import { selfTest } from '../../engine/kernels/self-test.ts';
import type { OpenedGpu } from '../../engine/kernels/webgpu/device.ts';
import { MATMUL_VARIANTS, offeredVariants } from '../../engine/kernels/webgpu/matmul.ts';
import type { MatmulVariant } from '../../engine/kernels/webgpu/matmul.ts';
import { WebGpuKernels } from '../../engine/kernels/webgpu/webgpu.ts';
import { rehearse } from '../host/results/rehearsal.ts';
import { names } from '../../engine/nn/training/spec.ts';
import type { BenchmarkContext, Figure } from './benchmark.ts';
import { cardPeaks, peakShare } from './gpu-cards.ts';
import { floatProductRate } from './gpu-float.ts';
import { BATCH, mlpStepPlan } from './mlp-step.ts';

export interface GpuEffort {
  readonly variants: readonly MatmulVariant[];
  /** Sides of square products. */
  readonly products: readonly number[];
  readonly keystreamBytes: number;
}

export const FULL: GpuEffort = {
  variants: MATMUL_VARIANTS,
  products: [512, 1024, 2048, 4096],
  keystreamBytes: 2 ** 28,
};

/** For drivers that compute on the CPU: those compile large kernels in minutes, and say nothing of cards. */
export const QUICK: GpuEffort = { variants: ['imad9_2x2'], products: [128, 256], keystreamBytes: 2 ** 22 };

/** Of the measure of host time. */
const ROUND_INSTRUCTIONS = 20;
const ROUNDS = 200;

export interface Exactness {
  readonly variant: MatmulVariant;
  /** Undefined where every word is the reference's. */
  readonly failure?: string;
}

/** Every instruction on random and worst-case words, with every variant of products, against the reference kernels. */
export async function exactness(
  { device, matrixUnits }: OpenedGpu,
  effort: GpuEffort,
  { report, signal }: BenchmarkContext,
): Promise<Exactness[]> {
  const results: Exactness[] = [];
  const offered = offeredVariants(matrixUnits);
  for (const variant of effort.variants.filter((some) => offered.includes(some))) {
    signal.throwIfAborted();
    report(`exactness of ${variant}`);
    try {
      const refusals = await selfTest(new WebGpuKernels({ device, matrixUnits, matmul: variant }));
      const failure = [...refusals].map(([operation, reason]) => `${operation}: ${reason}`).join('; ');
      results.push({ variant, ...(failure === '' ? {} : { failure }) });
    } catch (error) {
      results.push({ variant, failure: error instanceof Error ? error.message : String(error) });
    }
  }
  return results;
}

/** Figures of the variants that are exact; the last ones of the fastest of them. */
export async function gpuFigures(
  gpu: OpenedGpu,
  exact: readonly MatmulVariant[],
  effort: GpuEffort,
  context: BenchmarkContext,
): Promise<Figure[]> {
  const { report, signal } = context;
  const peaks = gpu.isSoftware ? undefined : cardPeaks(gpu.description);
  const figures: Figure[] = [];
  let fastest: { variant: MatmulVariant; rate: number } | undefined;
  for (const variant of exact) {
    const kernels = new WebGpuKernels({ ...gpu, matmul: variant });
    // The slow ones are a yardstick: their small products suffice.
    const sizes = variant === 'naive16' ? effort.products.slice(0, 1) : effort.products;
    for (const size of sizes) {
      signal.throwIfAborted();
      report(`${variant}, ${size}`);
      const [{ value = 0 } = {}] = await benchProducts(kernels, [size]);
      figures.push({ name: `product ${size}^3, ${variant}`, value, unit: 'multiply-adds/s' });
      const share = peaks === undefined ? undefined : peakShare(peaks, variant, value);
      if (share !== undefined) {
        figures.push({ name: `its share of ${peaks?.name}'s ${share.units}`, value: share.share, unit: 'times' });
      }
      if (fastest === undefined || value > fastest.rate) fastest = { variant, rate: value };
    }
  }
  for (const size of effort.products) {
    report(`float, ${size}`);
    figures.push({
      name: `product ${size}^3, 32-bit floating point`,
      value: await floatProductRate(gpu.device, size),
      unit: 'multiply-adds/s',
    });
  }
  if (fastest === undefined) return figures;
  const kernels = new WebGpuKernels({ ...gpu, matmul: fastest.variant });
  report('elementwise work');
  figures.push(...(await benchKernels(kernels)).map(({ name, value, unit }) => ({ name, value, unit })));
  report('key streams');
  figures.push({ name: 'ChaCha20', value: await keystreamRate(kernels, effort.keystreamBytes), unit: 'bytes/s' });
  report('dispatch rounds');
  figures.push(await dispatchRound(kernels, gpu.isSoftware));
  report('training step');
  figures.push(...(await stepFigures(kernels, signal)));
  return figures;
}

async function keystreamRate(kernels: Kernels, bytes: number): Promise<number> {
  const slot: WordSlot = { kind: 'words', offset: 0, length: bytes / 8 };
  const memory = await kernels.allocate(bytes);
  let bestMs = Infinity;
  for (let run = 0; run < 4; run++) {
    const startMs = performance.now();
    memory.expand?.(slot, { key: new Uint8Array(32).fill(run), nonce: new Uint8Array(12), block: 0 }, 64, 'write');
    await memory.pack([]);
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  memory.dispose();
  return bytes / (bestMs / 1000);
}

/** What the host spends on an exchange's worth of small dispatches: writing, running and asking for a pack, not waiting for it. */
async function dispatchRound(kernels: Kernels, isSoftware: boolean): Promise<Figure> {
  const slot = (number: number): WordSlot => ({ kind: 'words', offset: 64 * number, length: 8 });
  const factor = (number: number): Factor => ({ slot: slot(number), repeat: 'cycle' });
  const program = Array.from({ length: ROUND_INSTRUCTIONS }, (_, i): Instruction => ({
    op: 'combine',
    out: slot(i + 2),
    terms: [{ coefficient: 3n, factors: [factor(i), factor(i + 1)] }],
  }));
  const memory = await kernels.allocate(64 * (ROUND_INSTRUCTIONS + 2));
  let bestMs = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const fromMs = performance.now();
    memory.write(slot(0), new Uint8Array(64).fill(round), 64);
    await kernels.run(memory, program);
    const packed = memory.pack([{ slot: slot(ROUND_INSTRUCTIONS + 1), width: 64 }]);
    bestMs = Math.min(bestMs, performance.now() - fromMs);
    await packed;
  }
  memory.dispose();
  return {
    name: `host time of a round of ${ROUND_INSTRUCTIONS} dispatches`,
    value: bestMs / 1000,
    unit: 'seconds',
    // A driver that computes on the CPU spends it there.
    ...(isSoftware ? {} : { goal: { sense: 'at most', value: 60e-6 } }),
  };
}

/** A step of 784-128-128-10 at batch 128, at one party whose peer answers at once. */
async function stepFigures(kernels: Kernels, signal: AbortSignal): Promise<Figure[]> {
  const { plan } = mlpStepPlan();
  const step = names.step(BATCH);
  const rehearsed = await rehearse(plan, () => Promise.resolve(kernels), signal);
  const found = rehearsed.find(({ program }) => program === step);
  if (found === undefined) return [];
  const { partyMs, dealerMs, layerMs, activityMs } = found;
  const kernelMs = [...layerMs.values()].reduce((sum, ms) => sum + ms, 0);
  const { upload = 0, readback = 0 } = activityMs;
  const rounds = plan.programs.get(step)?.cost.rounds ?? 1;
  const hostMs = Math.max(0, partyMs - kernelMs - upload - readback);
  return [
    { name: 'step: host overhead', value: hostMs / partyMs, unit: 'times', goal: { sense: 'at most', value: 0.15 } },
    { name: 'step: host time a round', value: hostMs / 1000 / rounds, unit: 'seconds' },
    { name: 'step: a party', value: partyMs / 1000, unit: 'seconds' },
    { name: 'step: kernels', value: kernelMs / 1000, unit: 'seconds' },
    { name: 'step: unpacking on the card', value: upload / 1000, unit: 'seconds' },
    { name: 'step: reading back', value: readback / 1000, unit: 'seconds' },
    { name: 'step: the dealer', value: dealerMs / 1000, unit: 'seconds' },
  ];
}
