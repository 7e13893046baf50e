/**
 * The process' end: a kernel set whose memories lie in a page with WebGPU. Commands wait until the next pack or flush and go with
 * it in one frame, so that a communication round is two frames there and one back. Knows nothing of what carries frames.
 */
import type {
  DeviceTimes,
  Instruction,
  InstructionTimer,
  Kernels,
  Keystream,
  Memory,
  PackedPart,
  Slot,
} from '../kernels.ts';
import { packedBytes } from '../kernels.ts';
import { checkProgram, checkSlot } from '../check.ts';
import type { MatmulVariant } from '../webgpu/matmul.ts';
import { decodeFrame, encodeFrame } from './frames.ts';
import type { FramePort } from './frames.ts';
import { PROTOCOL_VERSION, fromFailure } from './protocol.ts';
import type { Answers, Command, FromPage, Request } from './protocol.ts';
import { InternalError, MachineError } from '../../../shared/errors.ts';

const WORD_BITS = 64;
/** Bytes that wait here at most. */
const MOST_WAITING_BYTES = 16 * 2 ** 20;
const NO_TIMES: DeviceTimes = { uploadMs: 0, kernelMs: 0 };

/** Requests and answers over a port; the same for all memories. */
export class RemoteGpu {
  readonly #port: FramePort;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answers[keyof Answers]>>();
  #commands: Command[] = [];
  #commandBytes = 0;
  #next = 0;
  #closed: MachineError | undefined;

  constructor(port: FramePort) {
    this.#port = port;
    port.onFrame((frame) => {
      const message = decodeFrame(frame) as FromPage;
      const waiting = this.#waiting.get(message.number);
      this.#waiting.delete(message.number);
      if ('failure' in message) waiting?.reject(fromFailure(message.failure));
      else waiting?.resolve(message.answer);
    });
    port.onClose(() => this.#fail());
  }

  /** Queues a command. */
  command(command: Command): void {
    this.#check();
    this.#commands.push(command);
    if ('packed' in command) this.#commandBytes += command.packed.length;
    if (this.#commandBytes > MOST_WAITING_BYTES) this.#send({});
  }

  /** Sends what waits. */
  flush(): void {
    this.#check();
    this.#send({});
  }

  /** Sends what waits, then the request. Rejects with what went wrong in the page, or `gpu-lost` where it is gone. */
  request<Op extends Request['op']>(request: Extract<Request, { op: Op }>): Promise<Answers[Op]> {
    this.#check();
    const number = this.#next++;
    const waiting = Promise.withResolvers<Answers[keyof Answers]>();
    this.#waiting.set(number, waiting);
    this.#send({ request: { ...request, number } });
    return waiting.promise as Promise<Answers[Op]>;
  }

  /** Numbers of programs, memories and runs. */
  number(): number {
    return this.#next++;
  }

  close(): void {
    if (this.#closed !== undefined) return;
    // Memories that were disposed of are freed there.
    this.#send({});
    this.#port.close();
    this.#fail();
  }

  #send(more: { request?: Request & { number: number } }): void {
    const commands = this.#commands;
    this.#commands = [];
    this.#commandBytes = 0;
    this.#port.send(encodeFrame({ commands, ...more }));
  }

  #check(): void {
    if (this.#closed !== undefined) throw this.#closed;
  }

  #fail(): void {
    this.#closed ??= new MachineError('gpu-lost', 'The page that computes on the graphics card is gone.', {
      hint: 'The step can be done again on the CPU.',
    });
    for (const waiting of this.#waiting.values()) waiting.reject(this.#closed);
    this.#waiting.clear();
  }
}

/** What the page found. Throws as its requestDevice did. */
export function openRemoteGpu(remote: RemoteGpu): Promise<Answers['open']> {
  return remote.request({ op: 'open', version: PROTOCOL_VERSION });
}

export class RemoteKernels implements Kernels {
  readonly name = 'webgpu';
  readonly wordBits = WORD_BITS;
  readonly #remote: RemoteGpu;
  readonly #ready: Promise<unknown>;
  /** Numbers of programs, and the size of the memory that their slots were checked against. */
  readonly #programs = new WeakMap<readonly Instruction[], { readonly number: number; checkedBytes: number }>();
  readonly #memories = new WeakSet<Memory>();

  constructor(remote: RemoteGpu, matmul: MatmulVariant) {
    this.#remote = remote;
    this.#ready = remote.request({ op: 'kernels', matmul });
    // The first allocation meets it.
    this.#ready.catch(() => {});
  }

  async allocate(bytes: number): Promise<Memory> {
    await this.#ready;
    const memory = this.#remote.number();
    await this.#remote.request({ op: 'allocate', memory, bytes });
    const made = new RemoteMemory(this.#remote, memory, bytes);
    this.#memories.add(made);
    return made;
  }

  async refused(memory: Memory, instructions: readonly Instruction[]): Promise<ReadonlyMap<number, string>> {
    const { number, bytes } = this.#own(memory);
    const program = this.#numberOf(instructions, bytes);
    const { reasons } = await this.#remote.request({ op: 'refused', memory: number, program });
    return new Map(reasons);
  }

  async run(given: Memory, instructions: readonly Instruction[], timer?: InstructionTimer): Promise<void> {
    const memory = this.#own(given);
    memory.run(this.#numberOf(instructions, memory.bytes), timer);
  }

  /** The connection is not this set's, and memories end with their owners. */
  dispose(): Promise<void> {
    return Promise.resolve();
  }

  #own(memory: Memory): RemoteMemory {
    if (memory instanceof RemoteMemory && this.#memories.has(memory)) return memory;
    throw new InternalError('kernel-foreign-memory', 'The memory was allocated by another kernel set.');
  }

  #numberOf(instructions: readonly Instruction[], bytes: number): number {
    let known = this.#programs.get(instructions);
    if (known === undefined || known.checkedBytes > bytes) checkProgram(instructions, bytes, WORD_BITS);
    if (known === undefined) {
      known = { number: this.#remote.number(), checkedBytes: bytes };
      this.#programs.set(instructions, known);
      this.#remote.command({ op: 'program', program: known.number, instructions });
    }
    known.checkedBytes = Math.min(known.checkedBytes, bytes);
    return known.number;
  }
}

class RemoteMemory implements Memory {
  readonly bytes: number;
  readonly #remote: RemoteGpu;
  readonly number: number;
  readonly #timers = new Map<number, InstructionTimer>();
  #times = NO_TIMES;
  #disposed = false;

  constructor(remote: RemoteGpu, number: number, bytes: number) {
    this.#remote = remote;
    this.number = number;
    this.bytes = bytes;
  }

  write(slot: Slot, packed: Uint8Array, width: number): void {
    this.#unpack('write', slot, packed, width);
  }

  accumulate(slot: Slot, packed: Uint8Array, width: number): void {
    this.#unpack('accumulate', slot, packed, width);
  }

  expand(slot: Slot, { key, nonce, block }: Keystream, width: number, how: 'write' | 'accumulate'): void {
    this.#check(slot);
    const keystream = { key: key.slice(), nonce: nonce.slice(), block };
    this.#remote.command({ op: 'expand', memory: this.number, slot, keystream, width, how });
  }

  run(program: number, timer: InstructionTimer | undefined): void {
    this.#checkAlive();
    const run = this.#remote.number();
    if (timer !== undefined) this.#timers.set(run, timer);
    const groups = timer === undefined ? {} : { groups: timer.groups };
    this.#remote.command({ op: 'run', memory: this.number, program, run, ...groups });
  }

  async pack(parts: readonly PackedPart[]): Promise<Uint8Array> {
    this.#checkAlive();
    for (const { slot } of parts) checkSlot(slot, this.bytes);
    const timers = new Map(this.#timers);
    this.#timers.clear();
    const { packed, times, told } = await this.#remote.request({ op: 'pack', memory: this.number, parts });
    const bytes = parts.reduce((sum, { slot, width }) => sum + packedBytes(slot, width), 0);
    if (packed.length !== bytes) {
      throw new MachineError('gpu-failed', `The GPU page returned ${packed.length} bytes instead of ${bytes}.`);
    }
    for (const [run, index, ms] of told) timers.get(run)?.tell(index, ms);
    this.#times = times;
    // Not a view of the frame, which may hold other things.
    return packed.slice();
  }

  /** So that the page computes while the process waits for others. */
  flush(): void {
    this.#checkAlive();
    this.#remote.command({ op: 'flush', memory: this.number });
    this.#remote.flush();
  }

  deviceTimes(): DeviceTimes {
    return this.#times;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#remote.command({ op: 'dispose', memory: this.number });
  }

  #unpack(op: 'write' | 'accumulate', slot: Slot, packed: Uint8Array, width: number): void {
    this.#check(slot);
    const length = packedBytes(slot, width);
    if (packed.length !== length) {
      throw new InternalError(
        'kernel-packed-length',
        `${packed.length} packed bytes were given for a slot that takes ${length}.`,
      );
    }
    this.#remote.command({ op, memory: this.number, slot, packed: packed.slice(), width });
  }

  #check(slot: Slot): void {
    this.#checkAlive();
    checkSlot(slot, this.bytes);
  }

  #checkAlive(): void {
    if (this.#disposed) throw new InternalError('kernel-memory-disposed', 'The memory was disposed of.');
  }
}
