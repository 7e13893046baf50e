/**
 * Chooses what a job's local work runs on. The graphics card is taken where it is found, moves words unchanged, holds the plan,
 * and (unless it was asked for) does the plan's own work quicker than the CPU; whatever is in its way becomes the reason why the
 * CPU computes, never an error. Single operations that the driver refuses, or that leave other words than the reference, are
 * left to the CPU, and so is everything once the card is lost.
 */
import { FallbackKernels } from '../../../engine/kernels/fallback.ts';
import { PartialKernels } from '../../../engine/kernels/partial.ts';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { TacitError } from '../../../shared/errors.ts';
import type { KernelPreference, KernelReport, OperationOnCpu } from '../../../shared/kernel-choice.ts';
import { proveGpu } from './gpu-kernels.ts';
import type { GpuSource } from './gpu-kernels.ts';
import type { GpuSettings } from './gpu-settings.ts';
import { compareSets } from './plan-work.ts';
import type { PlanWork } from './plan-work.ts';

export interface KernelChoiceOptions {
  readonly preference: KernelPreference;
  /** Of the CPU kernels. */
  readonly threads: number;
  readonly work: PlanWork;
  readonly settings: GpuSettings;
  /** Finds the GPU; throws why there is none. */
  readonly openGpu: () => Promise<GpuSource>;
  /** Told when the card is lost: a sentence for people. */
  readonly onLost: (text: string) => void;
  /** Told of operations that the CPU carries out in the card's place, when they are met: a sentence for people. */
  readonly onRefused: (text: string) => void;
}

export interface ChosenKernels {
  readonly kernels: Kernels;
  /** As it stands now. */
  report(): KernelReport;
  /** An attempt came to its end, good or bad: what computed did not take the process with it. */
  attemptEnded(): void;
}

interface Found {
  /** Undefined where the CPU computes. */
  readonly gpu: Kernels | undefined;
  readonly adapter?: string;
  readonly reason: string;
}

export async function chooseKernels(options: KernelChoiceOptions): Promise<ChosenKernels> {
  const { threads, settings, onLost, onRefused } = options;
  const onCpu: OperationOnCpu[] = [];
  const notices: string[] = [];
  const { gpu, adapter, reason } = await find(options, (operation, why) => {
    onCpu.push({ operation, reason: why });
    onRefused(`The CPU carries out ${operation} for the graphics card: ${why}`);
  });
  const report = (kernels: 'wasm' | 'webgpu'): KernelReport => ({
    kernels,
    reason,
    ...(adapter === undefined ? {} : { adapter }),
    notices: [...notices],
    onCpu: kernels === 'wasm' && gpu === undefined ? [] : [...onCpu],
  });
  const onlyCpu = (): Promise<Kernels> => wasmKernels({ threads });
  if (gpu === undefined) {
    return { kernels: await onlyCpu(), report: () => report('wasm'), attemptEnded: () => undefined };
  }
  const kernels = new FallbackKernels({
    first: gpu,
    second: onlyCpu,
    crypto: nodeCrypto,
    onFailure: (cause) => {
      const notice = `${cause.message} The CPU did the step again and goes on.`;
      notices.push(notice);
      onLost(notice);
    },
  });
  return {
    kernels,
    report: () => report(notices.length === 0 ? 'webgpu' : 'wasm'),
    attemptEnded: () => settings.end(),
  };
}

type OnRefused = (operation: string, reason: string) => void;

async function find(options: KernelChoiceOptions, onRefused: OnRefused): Promise<Found> {
  const { preference, settings } = options;
  if (preference === 'wasm') return { gpu: undefined, reason: 'it was asked for.' };
  if (preference === 'auto' && settings.isSuspect) {
    return {
      gpu: undefined,
      reason: 'the last uses of the graphics card ended with the process; --kernels webgpu tries it again.',
    };
  }
  settings.begin();
  const found = await tryGpu(options, onRefused);
  // A card that is used shows at the end of an attempt whether it is trusted.
  if (found.gpu === undefined) settings.end();
  return found;
}

async function tryGpu(
  { preference, threads, work, settings, openGpu }: KernelChoiceOptions,
  onRefused: OnRefused,
): Promise<Found> {
  let adapter: string | undefined;
  let cpu: Kernels | undefined;
  try {
    const source = await openGpu();
    adapter = source.description;
    if (preference === 'auto' && source.isSoftware) {
      return {
        gpu: undefined,
        adapter,
        reason: `${adapter} is no graphics card, but a driver that computes on the CPU.`,
      };
    }
    const { kernels: first, matmul, rates, refusals, passedOver } = await proveGpu(source, settings.variant(adapter));
    if (rates.length > 0) settings.keepVariant(adapter, matmul);
    const second = (): Promise<Kernels> => wasmKernels({ threads });
    const gpu = new PartialKernels({ first, refusals, second, onRefused });
    const products =
      passedOver.length === 0 ? '' : ` Products by ${passedOver.join(', ')} are wrong there, and not used.`;
    if (preference === 'webgpu') {
      // Whether it holds the plan shows now rather than in the middle of the job.
      (await gpu.allocate(work.memoryBytes)).dispose();
      const words = refusals.size === 0 ? 'leaves the same words as the CPU' : 'does most operations right';
      return { gpu, adapter, reason: `it was asked for, and ${adapter} ${words}.${products}` };
    }
    cpu = await second();
    const { firstMs: cpuMs, secondMs: gpuMs, rounds } = await compareSets(work, cpu, gpu);
    const measured = `${gpuMs.toFixed(1)} ms on ${adapter}, ${cpuMs.toFixed(1)} ms on the CPU for ${rounds} of ${work.rounds.length} rounds of ${work.program}.${products}`;
    if (gpuMs < cpuMs) return { gpu, adapter, reason: measured };
    await gpu.dispose();
    return { gpu: undefined, adapter, reason: measured };
  } catch (error) {
    return { gpu: undefined, ...(adapter === undefined ? {} : { adapter }), reason: failureText(error) };
  } finally {
    await cpu?.dispose();
  }
}

function failureText(error: unknown): string {
  if (error instanceof TacitError) return error.message;
  return `the graphics card could not be used: ${error instanceof Error ? error.message : String(error)}`;
}
