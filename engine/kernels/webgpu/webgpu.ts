/**
 * The GPU kernel set, on an injected device. A program is checked, compiled and turned into argument records once; a run is one
 * submission, with whatever was written before it and the pack that follows. Tensors stay on the device. Knows nothing of where the device comes from.
 */
import type { Instruction, InstructionTimer, Kernels, Memory } from '../kernels.ts';
import { checkProgram } from '../check.ts';
import { Gpu, Usage } from './gpu.ts';
import type { GpuCounters } from './gpu.ts';
import { GpuMemory } from './gpu-memory.ts';
import type { ProgramPass } from './gpu-memory.ts';
import type { Kernel, Paging } from './kernel.ts';
import type { MatmulVariant, Products } from './matmul.ts';
import type { MatrixUnits } from './matrix-units.ts';
import type { Step } from './step.ts';
import { stepsOf } from './steps.ts';
import { InternalError, MachineError } from '../../../shared/errors.ts';

const WORD_BITS = 64;

interface PreparedStep {
  readonly pipeline: GPUComputePipeline;
  readonly offset: number;
  readonly groups: readonly [x: number, y: number];
}

interface PreparedProgram {
  /** Slots were checked against a memory of this size. */
  readonly checkedBytes: number;
  /** Steps of each instruction. */
  readonly steps: readonly (readonly PreparedStep[])[];
  readonly args: GPUBuffer;
  readonly recordBytes: number;
  readonly groups: WeakMap<GpuMemory, GPUBindGroup>;
}

export interface WebGpuOptions {
  readonly device: GPUDevice;
  /** The tiled products' variant: what tuneMatmul found fastest on this adapter. */
  readonly matmul: MatmulVariant;
  /** What the device offers of them. */
  readonly matrixUnits?: MatrixUnits | undefined;
  /** A smaller page than the device's largest binding, to test memories of several pages. */
  readonly largestPageBytes?: number;
}

export class WebGpuKernels implements Kernels {
  readonly name = 'webgpu';
  readonly wordBits = WORD_BITS;
  readonly matmul: MatmulVariant;
  readonly #products: Products;
  readonly #gpu: Gpu;
  readonly #prepared = new WeakMap<readonly Instruction[], PreparedProgram>();
  readonly #memories = new WeakSet<Memory>();

  constructor(options: WebGpuOptions) {
    this.matmul = options.matmul;
    this.#products = { variant: options.matmul, matrixUnits: options.matrixUnits };
    this.#gpu = new Gpu(options.device, options.largestPageBytes);
  }

  /** What has gone to and from the device through this set; a copy. */
  counters(): GpuCounters {
    return { ...this.#gpu.counters };
  }

  async allocate(bytes: number): Promise<Memory> {
    this.#gpu.check();
    const memory = await GpuMemory.create(this.#gpu, bytes);
    this.#memories.add(memory);
    return memory;
  }

  /** Instructions whose kernels the driver does not compile, because of a limit or a defect. */
  async refused(memory: Memory, program: readonly Instruction[]): Promise<ReadonlyMap<number, string>> {
    const { paging, bytes } = this.#own(memory);
    checkProgram(program, bytes, WORD_BITS);
    const reasons = new Map<number, string>();
    await Promise.all(
      program.map(async (instruction, number) => {
        for (const { kernel } of stepsOf(instruction, number, this.#products)) {
          try {
            await this.#gpu.pipeline(kernel, paging);
          } catch (error) {
            // Anything else is wrong with more than this kernel.
            if (!(error instanceof MachineError) || error.code !== 'gpu-kernel') throw error;
            reasons.set(number, error.message);
          }
        }
      }),
    );
    return reasons;
  }

  async run(given: Memory, program: readonly Instruction[], timer?: InstructionTimer): Promise<void> {
    const memory = this.#own(given);
    const prepared = await this.#prepare(memory, program);
    let group = prepared.groups.get(memory);
    if (group === undefined) {
      group = memory.programGroup(prepared.args, prepared.recordBytes);
      prepared.groups.set(memory, group);
    }
    memory.run(this.#passes(memory, group, prepared, timer));
  }

  /** The device is not this set's, and memories end with their owners. */
  dispose(): Promise<void> {
    return Promise.resolve();
  }

  #own(memory: Memory): GpuMemory {
    if (memory instanceof GpuMemory && this.#memories.has(memory)) return memory;
    throw new InternalError('kernel-foreign-memory', 'The memory was allocated by another kernel set.');
  }

  /** One pass, or one for every group that the timer wants to know of. */
  #passes(
    memory: GpuMemory,
    group: GPUBindGroup,
    { steps }: PreparedProgram,
    timer: InstructionTimer | undefined,
  ): ProgramPass[] {
    if (timer !== undefined) memory.startClock();
    if (timer === undefined || !memory.isTimed) return [{ encode: (pass) => this.#encode(pass, group, steps.flat()) }];
    return timer.groups.map((first, number) => ({
      encode: (pass) => this.#encode(pass, group, steps.slice(first, timer.groups[number + 1]).flat()),
      tell: (ms) => timer.tell(first, ms),
    }));
  }

  #encode(pass: GPUComputePassEncoder, group: GPUBindGroup, steps: readonly PreparedStep[]): void {
    let current: GPUComputePipeline | undefined;
    for (const { pipeline, offset, groups } of steps) {
      if (pipeline !== current) pass.setPipeline(pipeline);
      current = pipeline;
      pass.setBindGroup(0, group, [offset]);
      pass.dispatchWorkgroups(groups[0], groups[1]);
    }
    this.#gpu.counters.dispatches += steps.length;
  }

  async #prepare(memory: GpuMemory, program: readonly Instruction[]): Promise<PreparedProgram> {
    const known = this.#prepared.get(program);
    if (known?.checkedBytes === memory.bytes) return known;
    checkProgram(program, memory.bytes, WORD_BITS);
    const steps = program.map((instruction, number) => stepsOf(instruction, number, this.#products));
    const pipelines = await this.#compile(
      steps.flat().map(({ kernel }) => kernel),
      memory.paging,
    );
    const { alignment, device, counters } = this.#gpu;
    const aligned = (step: Step): number => Math.ceil((step.args.length * 4) / alignment) * alignment;
    const all = steps.flat();
    const recordBytes = Math.max(alignment, ...all.map(aligned));
    // The last record is bound with as many bytes as the longest one.
    const records = new Uint32Array((all.reduce((sum, step) => sum + aligned(step), 0) + recordBytes) / 4);
    let offset = 0;
    const prepared = {
      checkedBytes: memory.bytes,
      steps: steps.map((some) =>
        some.map((step): PreparedStep => {
          records.set(step.args, offset / 4);
          const made = { pipeline: pipelines.get(step.kernel.key)!, offset, groups: step.groups };
          offset += aligned(step);
          return made;
        }),
      ),
      args: this.#gpu.buffer(records.byteLength, Usage.storage | Usage.copyTarget),
      recordBytes,
      groups: new WeakMap<GpuMemory, GPUBindGroup>(),
    };
    device.queue.writeBuffer(prepared.args, 0, records);
    counters.argumentBytes += records.byteLength;
    this.#prepared.set(program, prepared);
    return prepared;
  }

  async #compile(kernels: readonly Kernel[], paging: Paging): Promise<Map<string, GPUComputePipeline>> {
    const unique = new Map(kernels.map((kernel) => [kernel.key, kernel]));
    const compiled = new Map<string, GPUComputePipeline>();
    await Promise.all(
      [...unique].map(async ([key, kernel]) => compiled.set(key, await this.#gpu.pipeline(kernel, paging))),
    );
    return compiled;
  }
}
