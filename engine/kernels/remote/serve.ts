/**
 * The page's end: carries out what a process asks for on a GPU device. Runs in a worker of the page, or wherever a device is.
 * Knows nothing of what is computed.
 */
import type { Kernels, Memory } from '../kernels.ts';
import { offeredVariants } from '../webgpu/matmul.ts';
import { matmulRates } from '../webgpu/tune.ts';
import { WebGpuKernels } from '../webgpu/webgpu.ts';
import type { OpenedGpu } from '../webgpu/device.ts';
import { decodeFrame, encodeFrame } from './frames.ts';
import type { FramePort } from './frames.ts';
import { PROTOCOL_VERSION, toFailure } from './protocol.ts';
import type { Answers, Command, FromPage, Request, ToPage } from './protocol.ts';
import type { Instruction } from '../kernels.ts';
import { InternalError, MachineError } from '../../../shared/errors.ts';

interface ServedMemory {
  readonly memory: Memory;
  readonly kernels: Kernels;
  told: [run: number, index: number, ms: number][];
  /** What went wrong with commands since the last request. */
  failure: unknown;
}

/** Serves one process until the port closes. `open` finds the device; each call of serveKernels has one of its own. */
export function serveKernels(port: FramePort, open: () => Promise<OpenedGpu>): void {
  const server = new Server(open);
  // Frames are carried out one after the other; only waiting for a pack overlaps with what comes next.
  let before = Promise.resolve();
  port.onFrame((frame) => {
    before = before.then(async () => {
      const { commands, request } = decodeFrame(frame) as ToPage;
      for (const command of commands) await server.carryOut(command);
      if (request === undefined) return;
      const { answer } = await server.begin(request);
      void answer
        .then(
          (given): FromPage => ({ number: request.number, answer: given }),
          (error: unknown): FromPage => ({ number: request.number, failure: toFailure(error) }),
        )
        .then((message) => port.send(encodeFrame(message)));
    });
  });
  port.onClose(() => server.dispose());
}

class Server {
  readonly #open: () => Promise<OpenedGpu>;
  readonly #programs = new Map<number, readonly Instruction[]>();
  readonly #memories = new Map<number, ServedMemory>();
  #gpu: OpenedGpu | undefined;
  #kernels: Kernels | undefined;

  constructor(open: () => Promise<OpenedGpu>) {
    this.#open = open;
  }

  /** Never rejects: see ServedMemory.failure. */
  async carryOut(command: Command): Promise<void> {
    if (command.op === 'program') return void this.#programs.set(command.program, command.instructions);
    const served = this.#memories.get(command.memory);
    if (served === undefined) return;
    try {
      switch (command.op) {
        case 'write':
        case 'accumulate':
          return served.memory[command.op](command.slot, command.packed, command.width);
        case 'expand':
          return served.memory.expand?.(command.slot, command.keystream, command.width, command.how);
        case 'run':
          return await this.#run(served, command);
        case 'flush':
          return served.memory.flush?.();
        case 'dispose':
          this.#memories.delete(command.memory);
          return served.memory.dispose();
      }
    } catch (error) {
      served.failure ??= error;
    }
  }

  /** Begins a request: what follows it may be carried out when this resolves, its answer comes later. */
  async begin(request: Request): Promise<{ readonly answer: Promise<Answers[keyof Answers]> }> {
    const answer = this.#answer(request);
    // A pack holds what is in the memory now; everything else has to be there before what follows.
    if (request.op !== 'pack') await answer.catch(() => {});
    return { answer };
  }

  dispose(): void {
    for (const { memory } of this.#memories.values()) memory.dispose();
    this.#memories.clear();
    this.#gpu?.device.destroy();
  }

  async #run(
    { kernels, memory, told }: ServedMemory,
    { program, run, groups }: Extract<Command, { op: 'run' }>,
  ): Promise<void> {
    const instructions = this.#program(program);
    const tell = (index: number, ms: number): void => void told.push([run, index, ms]);
    await kernels.run(memory, instructions, groups === undefined ? undefined : { groups, tell });
  }

  async #answer(request: Request): Promise<Answers[keyof Answers]> {
    switch (request.op) {
      case 'open': {
        if (request.version !== PROTOCOL_VERSION) {
          throw new MachineError('gpu-page-version', 'The GPU page is of another version than the program.');
        }
        this.#gpu ??= await this.#open();
        return {
          description: this.#gpu.description,
          isSoftware: this.#gpu.isSoftware,
          variants: offeredVariants(this.#gpu.matrixUnits),
        };
      }
      case 'rates':
        return { rates: await matmulRates(this.#opened()) };
      case 'kernels':
        this.#kernels = new WebGpuKernels({ ...this.#opened(), matmul: request.matmul });
        return {};
      case 'allocate': {
        const kernels = this.#kernels;
        if (kernels === undefined) throw new InternalError('gpu-not-open', 'No kernels were asked for.');
        const memory = await kernels.allocate(request.bytes);
        this.#memories.set(request.memory, { memory, kernels, told: [], failure: undefined });
        return {};
      }
      case 'refused': {
        const { memory, kernels } = this.#served(request.memory);
        const reasons = await kernels.refused?.(memory, this.#program(request.program));
        return { reasons: [...(reasons ?? [])] };
      }
      case 'pack':
        return await this.#pack(request.memory, request.parts);
    }
  }

  async #pack(number: number, parts: Extract<Request, { op: 'pack' }>['parts']): Promise<Answers['pack']> {
    const served = this.#served(number);
    const { failure } = served;
    served.failure = undefined;
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- as it was caught
    if (failure !== undefined) throw failure;
    const packed = await served.memory.pack(parts);
    const told = served.told.splice(0);
    return { packed, times: served.memory.deviceTimes?.() ?? { uploadMs: 0, kernelMs: 0 }, told };
  }

  #served(number: number): ServedMemory {
    const served = this.#memories.get(number);
    if (served === undefined) throw new InternalError('no-such-memory', `The page has no memory ${number}.`);
    return served;
  }

  #program(number: number): readonly Instruction[] {
    const instructions = this.#programs.get(number);
    if (instructions === undefined) throw new InternalError('no-such-program', `The page has no program ${number}.`);
    return instructions;
  }

  #opened(): OpenedGpu {
    if (this.#gpu === undefined) throw new InternalError('gpu-not-open', 'No device was asked for.');
    return this.#gpu;
  }
}
