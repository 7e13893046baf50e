/**
 * One memory on a GPU. What is written waits on the host until the next run or pack, and goes to the device with it in one
 * transfer and one submission; the only wait is for what is packed. Knows nothing of instructions.
 */
import type { DeviceTimes, Keystream, Memory, PackedPart, Slot } from '../kernels.ts';
import { packedBytes } from '../kernels.ts';
import { checkSlot } from '../check.ts';
import { MAP_READ, Usage } from './gpu.ts';
import type { Gpu } from './gpu.ts';
import type { Paging } from './kernel.ts';
import { JOB_ARGUMENTS } from './kernel.ts';
import { keystreamStep } from './keystream.ts';
import { PassClock } from './pass-clock.ts';
import { FIRST_BYTE, TRANSFER_KERNELS, packStep, pieces, readsArrived, unpackStep } from './transfer.ts';
import type { Step } from './step.ts';
import { BATCH_BYTES, TransferQueue, batchWords, writeBatch } from './transfer-queue.ts';
import type { Batch } from './transfer-queue.ts';
import { InternalError, MachineError } from '../../../shared/errors.ts';

/** Bytes that wait on the host at most. */
const MOST_WAITING_BYTES = 32 * 2 ** 20;
/** A kernel may look at the bytes behind the last ones. */
const SLACK_BYTES = 16;

function powerOfTwoAtLeast(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(bytes, 4096)));
}

/** A compute pass of a program's kernels. */
export interface ProgramPass {
  readonly encode: (pass: GPUComputePassEncoder) => void;
  /** Told the time of the pass, where the memory is timed. */
  readonly tell?: (ms: number) => void;
}

export class GpuMemory implements Memory {
  readonly bytes: number;
  readonly paging: Paging;
  readonly #gpu: Gpu;
  readonly #pages: readonly GPUBuffer[];
  /** One cell: number of the instruction, from 1, that met an index out of range. */
  readonly #status: GPUBuffer;
  readonly #pipelines: ReadonlyMap<string, GPUComputePipeline>;
  /** Arguments of transfers, then the bytes that arrive. */
  #upload: GPUBuffer;
  #leaving: GPUBuffer;
  #transferGroup: GPUBindGroup | undefined;
  #idleReadbacks: GPUBuffer[] = [];
  readonly #queue = new TransferQueue();
  /** Recorded and not submitted yet: a run goes with the pack that follows it. */
  #recorded: GPUCommandEncoder | undefined;
  /** Bytes of the upload buffer that what is recorded will read. */
  #uploadUsed = 0;
  #waiting = new Uint8Array(4096);
  #waitingBytes = 0;
  /** Bytes of streams that will be expanded into the buffer of what leaves. */
  #streamBytes = 0;
  #disposed = false;
  #clock: PassClock | undefined;
  #running: { uploadMs: number; kernelMs: number } = { uploadMs: 0, kernelMs: 0 };
  #deviceTimes: DeviceTimes = { uploadMs: 0, kernelMs: 0 };

  private constructor(gpu: Gpu, bytes: number, paging: Paging, pipelines: ReadonlyMap<string, GPUComputePipeline>) {
    this.bytes = bytes;
    this.paging = paging;
    this.#gpu = gpu;
    this.#pipelines = pipelines;
    const usage = Usage.storage | Usage.copyTarget;
    this.#pages = Array.from({ length: paging.pages }, (_, page) =>
      gpu.buffer(Math.min(paging.pageBytes, bytes - page * paging.pageBytes), usage),
    );
    this.#status = gpu.buffer(4, usage | Usage.copySource);
    this.#upload = gpu.buffer(2 * BATCH_BYTES, usage);
    this.#leaving = gpu.buffer(4096, usage | Usage.copySource);
  }

  /** A zeroed memory. Rejects with MachineError `gpu-memory` where the device does not grant it. */
  static async create(gpu: Gpu, bytes: number): Promise<GpuMemory> {
    const paging = gpu.paging(bytes);
    const pipelines = new Map<string, GPUComputePipeline>();
    await Promise.all(
      TRANSFER_KERNELS.map(async (kernel) => pipelines.set(kernel.key, await gpu.pipeline(kernel, paging))),
    );
    gpu.device.pushErrorScope('out-of-memory');
    gpu.device.pushErrorScope('validation');
    const memory = new GpuMemory(gpu, bytes, paging, pipelines);
    const errors = await Promise.all([gpu.device.popErrorScope(), gpu.device.popErrorScope()]);
    const error = errors.find((found) => found !== null);
    if (error) {
      const gibibytes = (bytes / 2 ** 30).toFixed(2);
      throw new MachineError('gpu-memory', `The GPU did not grant ${gibibytes} GiB of memory: ${error.message}`, {
        hint: 'Run on the CPU, or use a smaller batch or a smaller model.',
      });
    }
    return memory;
  }

  write(slot: Slot, packed: Uint8Array, width: number): void {
    this.#unpack(slot, packed, width, false);
  }

  accumulate(slot: Slot, packed: Uint8Array, width: number): void {
    this.#unpack(slot, packed, width, true);
  }

  /** The stream is expanded into the buffer of what leaves: it is read before anything is packed there. */
  expand(slot: Slot, keystream: Keystream, width: number, how: 'write' | 'accumulate'): void {
    this.#checkAlive();
    checkSlot(slot, this.bytes);
    let from = 0;
    for (const piece of pieces(slot, width, MOST_WAITING_BYTES)) {
      const bytes = packedBytes(piece, width);
      if (this.#streamBytes > 0 && this.#streamBytes + bytes > MOST_WAITING_BYTES) this.#flushWritten();
      const { step, firstByte, streamBytes } = keystreamStep(keystream, from, bytes, this.#streamBytes);
      this.#streamBytes += streamBytes;
      this.#growLeaving(this.#streamBytes + SLACK_BYTES);
      this.#queue.first(step);
      this.#queue.write(unpackStep(piece, width, 'leaving', firstByte, how === 'accumulate'), piece);
      from += bytes;
    }
  }

  async pack(parts: readonly PackedPart[]): Promise<Uint8Array> {
    this.#checkAlive();
    for (const { slot } of parts) checkSlot(slot, this.bytes);
    const { counters } = this.#gpu;
    let total = 0;
    const steps: Step[] = [];
    const places = parts.map(({ slot, width }) => {
      const place = { at: total, bytes: packedBytes(slot, width) };
      steps.push(packStep(slot, width, total));
      total += Math.ceil(place.bytes / 4) * 4;
      return place;
    });
    this.#growLeaving(total);
    this.#queue.last(steps);
    // Status and times come with the bytes; times at a multiple of 8.
    const timesAt = Math.ceil((total + 4) / 8) * 8;
    const encoder = this.#record('readback', []);
    const readback = this.#takeReadback(timesAt + (this.#clock?.bytes ?? 0));
    if (total > 0) encoder.copyBufferToBuffer(this.#leaving, 0, readback, 0, total);
    encoder.copyBufferToBuffer(this.#status, 0, readback, total, 4);
    const times = this.#clock?.resolve(encoder, readback, timesAt);
    const running = this.#running;
    this.#running = { uploadMs: 0, kernelMs: 0 };
    this.flush();
    counters.bytesDown += total;
    counters.waits++;
    const packed = new Uint8Array(places.reduce((sum, { bytes }) => sum + bytes, 0));
    await this.#mapped(readback, timesAt + (times?.bytes ?? 0), (bytes) => {
      let next = 0;
      for (const place of places) {
        packed.set(bytes.subarray(place.at, place.at + place.bytes), next);
        next += place.bytes;
      }
      this.#checkStatus(new DataView(bytes.buffer, bytes.byteOffset).getUint32(total, true));
      times?.read(bytes.subarray(timesAt));
      this.#deviceTimes = running;
    });
    return packed;
  }

  deviceTimes(): DeviceTimes {
    return this.#deviceTimes;
  }

  /** From now on passes are timed, if the device has a clock. */
  startClock(): void {
    this.#clock ??= PassClock.on(this.#gpu.device);
  }

  get isTimed(): boolean {
    return this.#clock !== undefined;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#queue.drain();
    this.#recorded = undefined;
    this.#waiting.fill(0);
    const buffers = [...this.#pages, this.#status, this.#upload, this.#leaving];
    const encoder = this.#gpu.device.createCommandEncoder();
    for (const buffer of buffers) encoder.clearBuffer(buffer);
    this.#gpu.device.queue.submit([encoder.finish()]);
    for (const buffer of [...buffers, ...this.#idleReadbacks]) buffer.destroy();
    this.#clock?.destroy();
    this.#idleReadbacks = [];
  }

  /** A group for a program's kernels, with the program's arguments at dynamic offsets. */
  programGroup(args: GPUBuffer, recordBytes: number): GPUBindGroup {
    this.#checkAlive();
    const { group } = this.#gpu.layout('program', this.paging.pages);
    const buffers = [...this.#pages.map((buffer) => ({ buffer })), { buffer: args, size: recordBytes }];
    return this.#group(group, [...buffers, { buffer: this.#status }]);
  }

  /** Passes of a program, after what was written before them. */
  run(passes: readonly ProgramPass[]): void {
    this.#record('upload', passes);
  }

  /** Submits what is recorded. */
  flush(): void {
    if (this.#recorded === undefined) return;
    this.#gpu.device.queue.submit([this.#recorded.finish()]);
    this.#gpu.counters.submissions++;
    this.#recorded = undefined;
    this.#uploadUsed = 0;
  }

  /** Records what waits, which counts as `purpose`, then the passes. */
  #record(purpose: 'upload' | 'readback', passes: readonly ProgramPass[]): GPUCommandEncoder {
    this.#checkAlive();
    this.#gpu.check();
    const batches = this.#queue.drain();
    const offsets = this.#sendWaiting(batches);
    const encoder = (this.#recorded ??= this.#gpu.device.createCommandEncoder());
    this.#waitingBytes = 0;
    this.#streamBytes = 0;
    const running = this.#running;
    if (batches.length > 0) {
      this.#pass(
        encoder,
        (ms) => (running.uploadMs += purpose === 'upload' ? ms : 0),
        (pass) => {
          for (const [number, { kernel, groups }] of batches.entries()) {
            const pipeline = this.#pipelines.get(kernel.key);
            if (pipeline === undefined) throw new InternalError('gpu-no-pipeline', `There is no kernel ${kernel.key}.`);
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, this.#currentTransferGroup(), [offsets[number]!]);
            pass.dispatchWorkgroups(...groups);
          }
        },
      );
    }
    this.#gpu.counters.dispatches += batches.length;
    for (const { encode, tell } of passes) {
      const told = (ms: number): void => {
        running.kernelMs += ms;
        tell?.(ms);
      };
      this.#pass(encoder, told, encode);
    }
    return encoder;
  }

  #pass(encoder: GPUCommandEncoder, tell: (ms: number) => void, encode: (pass: GPUComputePassEncoder) => void): void {
    const pass = encoder.beginComputePass(this.#clock?.pass(tell));
    encode(pass);
    pass.end();
  }

  #checkAlive(): void {
    if (this.#disposed) throw new InternalError('kernel-memory-disposed', 'The memory was disposed of.');
  }

  #checkStatus(status: number): void {
    if (status === 0) return;
    if (!this.#disposed) this.#gpu.device.queue.writeBuffer(this.#status, 0, new Uint32Array(1));
    throw new InternalError('kernel-index-range', `Instruction ${status - 1}: a row index is out of range.`);
  }

  #unpack(slot: Slot, packed: Uint8Array, width: number, adds: boolean): void {
    this.#checkAlive();
    checkSlot(slot, this.bytes);
    const length = packedBytes(slot, width);
    if (packed.length !== length) {
      throw new InternalError(
        'kernel-packed-length',
        `${packed.length} packed bytes were given for a slot that takes ${length}.`,
      );
    }
    let from = 0;
    for (const piece of pieces(slot, width, MOST_WAITING_BYTES)) {
      const bytes = packedBytes(piece, width);
      if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > MOST_WAITING_BYTES) this.#flushWritten();
      this.#queue.write(unpackStep(piece, width, 'arrived', this.#waitingBytes, adds), piece);
      this.#append(packed.subarray(from, from + bytes));
      from += bytes;
    }
    this.#gpu.counters.bytesUp += length;
  }

  #append(packed: Uint8Array): void {
    const end = this.#waitingBytes + packed.length;
    if (end > this.#waiting.length) {
      const larger = new Uint8Array(powerOfTwoAtLeast(end));
      larger.set(this.#waiting.subarray(0, this.#waitingBytes));
      this.#waiting.fill(0);
      this.#waiting = larger;
    }
    this.#waiting.set(packed, this.#waitingBytes);
    this.#waitingBytes = end;
  }

  #flushWritten(): void {
    this.#record('upload', []);
    this.flush();
  }

  /** Sends the arguments of batches and the bytes that wait; where each batch's arguments begin. */
  #sendWaiting(batches: readonly Batch[]): number[] {
    if (batches.length === 0) return [];
    const { device, counters, alignment } = this.#gpu;
    let argumentBytes = 0;
    const places = batches.map((batch) => {
      const offset = argumentBytes;
      argumentBytes += Math.ceil((batchWords(batch) * 4) / alignment) * alignment;
      return offset;
    });
    const dataBytes = Math.ceil(this.#waitingBytes / 4) * 4;
    const bytes = argumentBytes + Math.max(BATCH_BYTES, dataBytes + SLACK_BYTES);
    const from = this.#uploadSpace(bytes);
    const records = new Uint32Array(argumentBytes / 4);
    for (const [number, batch] of batches.entries()) {
      const record = records.subarray(places[number]! / 4);
      writeBatch(batch, record);
      if (!readsArrived(batch.kernel)) continue;
      // The bytes lie behind the arguments.
      for (let job = 0; job < batch.jobs.length; job++)
        record[2 + job * JOB_ARGUMENTS + FIRST_BYTE]! += from + argumentBytes;
    }
    device.queue.writeBuffer(this.#upload, from, records);
    if (dataBytes > 0) device.queue.writeBuffer(this.#upload, from + argumentBytes, this.#waiting, 0, dataBytes);
    this.#uploadUsed = Math.ceil((from + argumentBytes + dataBytes) / alignment) * alignment;
    counters.argumentBytes += argumentBytes;
    return places.map((offset) => from + offset);
  }

  /** Where so many bytes go in the upload buffer: behind what recorded passes read, or at its beginning once those are submitted. */
  #uploadSpace(bytes: number): number {
    if (this.#uploadUsed + bytes > this.#upload.size) this.flush();
    if (bytes > this.#upload.size) {
      const old = this.#upload;
      this.#upload = this.#gpu.buffer(powerOfTwoAtLeast(bytes), Usage.storage | Usage.copyTarget);
      this.#retire(old);
    }
    return this.#uploadUsed;
  }

  #growLeaving(bytes: number): void {
    if (bytes <= this.#leaving.size) return;
    const old = this.#leaving;
    this.#leaving = this.#gpu.buffer(powerOfTwoAtLeast(bytes), Usage.storage | Usage.copySource | Usage.copyTarget);
    this.#retire(old);
  }

  /** Overwrites and frees a buffer that held shares, after the work that uses it. */
  #retire(buffer: GPUBuffer): void {
    this.flush();
    this.#transferGroup = undefined;
    const encoder = this.#gpu.device.createCommandEncoder();
    encoder.clearBuffer(buffer);
    this.#gpu.device.queue.submit([encoder.finish()]);
    buffer.destroy();
  }

  #currentTransferGroup(): GPUBindGroup {
    if (this.#transferGroup === undefined) {
      const { group } = this.#gpu.layout('transfer', this.paging.pages);
      const buffers = [...this.#pages.map((buffer) => ({ buffer })), { buffer: this.#upload, size: BATCH_BYTES }];
      this.#transferGroup = this.#group(group, [...buffers, { buffer: this.#upload }, { buffer: this.#leaving }]);
    }
    return this.#transferGroup;
  }

  #group(layout: GPUBindGroupLayout, resources: readonly GPUBufferBinding[]): GPUBindGroup {
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    return this.#gpu.device.createBindGroup({ layout, entries });
  }

  #takeReadback(bytes: number): GPUBuffer {
    const found = this.#idleReadbacks.findIndex(({ size }) => size >= bytes);
    if (found >= 0) return this.#idleReadbacks.splice(found, 1)[0]!;
    for (const small of this.#idleReadbacks.splice(0)) small.destroy();
    return this.#gpu.buffer(powerOfTwoAtLeast(bytes), Usage.mapRead | Usage.copyTarget);
  }

  /** Waits for a readback, uses its bytes (gone afterwards), and keeps the buffer for the next one. */
  async #mapped(readback: GPUBuffer, bytes: number, use: (bytes: Uint8Array) => void): Promise<void> {
    try {
      await readback.mapAsync(MAP_READ, 0, bytes);
    } catch (cause) {
      this.#gpu.check();
      throw new MachineError('gpu-failed', 'The GPU did not return what was computed.', {
        hint: 'Run on the CPU, and report this with the name of the graphics card and its driver.',
        cause,
      });
    }
    try {
      this.#gpu.check();
      use(new Uint8Array(readback.getMappedRange(0, bytes)));
    } finally {
      readback.unmap();
      if (this.#disposed) readback.destroy();
      else this.#idleReadbacks.push(readback);
    }
  }
}
