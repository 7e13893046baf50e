/**
 * Kernels for parties that this process simulates or rehearses: chosen once, as an engine would choose for the same plan, and
 * shared by all of them where a graphics card computes. Knows nothing of what is computed.
 */
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import type { Plan } from '../../../engine/plan/plan.ts';
import type { KernelPreference, KernelReport } from '../../../shared/kernel-choice.ts';
import { chooseKernels } from './choose-kernels.ts';
import { nodeGpuSource } from './gpu-kernels.ts';
import type { GpuSource } from './gpu-kernels.ts';
import { GpuSettings, forgetfulSettings } from './gpu-settings.ts';
import { partyWork } from './plan-work.ts';

export interface LocalKernelOptions {
  readonly preference: KernelPreference;
  /** Of each party's CPU kernels. */
  readonly threads: number;
  readonly plan: Plan;
  readonly executions: readonly { readonly program: string }[];
  /** Where what is found out about the card is kept; nowhere by default. */
  readonly settings?: GpuSettings;
  readonly openGpu?: (() => Promise<GpuSource>) | undefined;
}

export interface LocalKernels {
  /** A set for one more party or dealer, to be disposed of by it. */
  readonly next: () => Promise<Kernels>;
  /** As it stands now. */
  report(): KernelReport;
  close(): Promise<void>;
}

export async function localKernels(options: LocalKernelOptions): Promise<LocalKernels> {
  const { threads, plan, executions, openGpu = nodeGpuSource } = options;
  const { settings = new GpuSettings(forgetfulSettings()) } = options;
  const { kernels, report, attemptEnded } = await chooseKernels({
    ...options,
    work: partyWork(plan, 0, executions),
    settings,
    openGpu,
    // The report has both.
    onLost: () => undefined,
    onRefused: () => undefined,
  });
  const isCard = report().kernels === 'webgpu';
  let spare = isCard ? undefined : kernels;
  return {
    next: async () => {
      if (isCard) return new SharedKernels(kernels);
      const own = spare ?? (await wasmKernels({ threads }));
      spare = undefined;
      return own;
    },
    report,
    close: async () => {
      attemptEnded();
      await (isCard ? kernels : spare)?.dispose();
    },
  };
}

/** A set that outlives those who use it. */
class SharedKernels implements Kernels {
  readonly #kernels: Kernels;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  get name(): string {
    return this.#kernels.name;
  }

  get wordBits(): number {
    return this.#kernels.wordBits;
  }

  allocate: Kernels['allocate'] = (bytes) => this.#kernels.allocate(bytes);

  run: Kernels['run'] = (memory, program, timer) => this.#kernels.run(memory, program, timer);

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}
