/// <reference types="@webgpu/types" />
/**
 * A device as kernel sets see it: layouts and pipelines made once, what was moved and submitted counted, the first failure
 * remembered. Knows nothing of instructions, and does not own the device.
 */
import type { Kernel, Paging, Use } from './kernel.ts';
import { shaderCode } from './kernel.ts';
import { MachineError } from '../../../shared/errors.ts';

/** GPUBufferUsage and GPUMapMode exist as objects only where WebGPU is built in. */
export const Usage = { mapRead: 0x1, copySource: 0x4, copyTarget: 0x8, storage: 0x80 } as const;
export const MAP_READ = 0x1;
const COMPUTE_STAGE = 0x4;

/** Kernels count planes in units of 4 bytes by numbers of 32 bits. */
const ADDRESSED_BYTES = 2 ** 34;
/** Storage buffers that a kernel has besides the pages of its memory. */
const OTHER_BINDINGS = 3;

/** What has gone through a device since it was taken. */
export interface GpuCounters {
  /** Packed tensors to the device, without alignment. */
  bytesUp: number;
  /** Packed tensors from the device, with each part padded to 4 bytes. */
  bytesDown: number;
  /** Arguments of kernels. */
  argumentBytes: number;
  dispatches: number;
  submissions: number;
  /** Waits for the device. */
  waits: number;
}

export interface Layout {
  readonly group: GPUBindGroupLayout;
  readonly pipeline: GPUPipelineLayout;
}

/** A memory in at most `mostPages` pages. Throws MachineError `gpu-memory` beyond what kernels reach. */
export function pagingOf(bytes: number, largestPageBytes: number, mostPages: number): Paging {
  const pageBytes = 2 ** Math.floor(Math.log2(largestPageBytes));
  const reached = Math.min(Math.max(largestPageBytes, mostPages * pageBytes), ADDRESSED_BYTES);
  if (bytes > reached) {
    const gibibytes = (count: number): string => `${(count / 2 ** 30).toFixed(2)} GiB`;
    throw new MachineError(
      'gpu-memory',
      `The plan needs ${gibibytes(bytes)} of working memory; kernels on this GPU reach ${gibibytes(reached)}.`,
      { hint: 'Run on the CPU, or use a smaller batch or a smaller model.' },
    );
  }
  if (bytes <= largestPageBytes) return { pages: 1, pageBytes: bytes };
  return { pages: Math.ceil(bytes / pageBytes), pageBytes };
}

export class Gpu {
  readonly device: GPUDevice;
  readonly counters: GpuCounters = {
    bytesUp: 0,
    bytesDown: 0,
    argumentBytes: 0,
    dispatches: 0,
    submissions: 0,
    waits: 0,
  };
  /** Offsets of arguments are multiples of this. */
  readonly alignment: number;
  readonly #largestPageBytes: number;
  readonly #layouts = new Map<string, Layout>();
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  #failure: MachineError | undefined;

  /** `largestPageBytes` below the device's limit is for tests. */
  constructor(device: GPUDevice, largestPageBytes = Infinity) {
    const { limits } = device;
    this.device = device;
    this.alignment = limits.minStorageBufferOffsetAlignment;
    this.#largestPageBytes = Math.min(largestPageBytes, limits.maxStorageBufferBindingSize, limits.maxBufferSize);
    device.lost.then(
      ({ reason, message }) => {
        this.#failure ??= new MachineError('gpu-lost', `The GPU device was lost (${reason}): ${message}`, {
          hint: 'The step can be done again on the CPU.',
        });
      },
      () => {},
    );
    device.addEventListener('uncapturederror', (event) => {
      this.#failure ??= new MachineError('gpu-failed', `The GPU driver refused a command: ${event.error.message}`, {
        hint: 'Run on the CPU, and report this with the name of the graphics card and its driver.',
      });
    });
  }

  /** Throws what went wrong on the device, if anything did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** How a memory of `bytes` bytes is split. Throws MachineError `gpu-memory` when kernels cannot reach so many pages. */
  paging(bytes: number): Paging {
    return pagingOf(bytes, this.#largestPageBytes, this.device.limits.maxStorageBuffersPerShaderStage - OTHER_BINDINGS);
  }

  /** A zeroed buffer. */
  buffer(bytes: number, usage: number): GPUBuffer {
    return this.device.createBuffer({ size: Math.max(16, Math.ceil(bytes / 16) * 16), usage });
  }

  layout(use: Use, pages: number): Layout {
    const key = `${use} ${pages}`;
    const known = this.#layouts.get(key);
    if (known !== undefined) return known;
    const types: GPUBufferBindingType[] = new Array<GPUBufferBindingType>(pages).fill('storage');
    types.push(
      'read-only-storage',
      ...(use === 'program' ? (['storage'] as const) : (['read-only-storage', 'storage'] as const)),
    );
    const entries = types.map((type, binding) => ({
      binding,
      visibility: COMPUTE_STAGE,
      buffer: { type, hasDynamicOffset: binding === pages },
    }));
    const group = this.device.createBindGroupLayout({ entries });
    const layout = { group, pipeline: this.device.createPipelineLayout({ bindGroupLayouts: [group] }) };
    this.#layouts.set(key, layout);
    return layout;
  }

  /** The compiled kernel for memories of this paging. Rejects with MachineError `gpu-kernel` where the driver refuses it. */
  pipeline(kernel: Kernel, paging: Paging): Promise<GPUComputePipeline> {
    const key = `${paging.pages} ${paging.pages === 1 ? '' : paging.pageBytes} ${kernel.key}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.#compile(kernel, paging);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  async #compile(kernel: Kernel, paging: Paging): Promise<GPUComputePipeline> {
    const code = shaderCode(kernel, paging);
    const refused = (text: string, cause?: unknown): MachineError =>
      new MachineError('gpu-kernel', `The GPU driver refused the kernel "${kernel.key}": ${text}`, {
        hint: 'Run on the CPU, and report this with the name of the graphics card and its driver.',
        cause,
      });
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ code });
    const invalid = await this.device.popErrorScope();
    if (invalid !== null) throw refused(invalid.message);
    try {
      const { pipeline: layout } = this.layout(kernel.use, paging.pages);
      return await this.device.createComputePipelineAsync({ layout, compute: { module, entryPoint: 'main' } });
    } catch (cause) {
      throw refused(cause instanceof Error ? cause.message : String(cause), cause);
    }
  }
}
