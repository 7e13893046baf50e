/**
 * The fast CPU kernel set: WebAssembly with SIMD and threads on one shared memory. A program is checked and turned into
 * argument records once, then replayed: a call of the module costs well under a microsecond besides its work.
 */
import type { Instruction, InstructionTimer, Kernels, Memory } from '../kernels.ts';
import { checkProgram } from '../check.ts';
import type { Space } from './arena.ts';
import { Arena, reserveSpace } from './arena.ts';
import { PAGE_BYTES, RECORD_OFFSET, arenaOffset, pagesFor, scratchOffset } from './layout.ts';
import { kernelModule } from './module.ts';
import { Outcome, ThreadPool } from './pool.ts';
import type { Step } from './records.ts';
import { prepare } from './records.ts';
import { InputError, InternalError } from '../../../shared/errors.ts';

const WORD_BITS = 64;
const MAXIMUM_THREADS = 32;
/** Memories kept for the next allocation: a new one costs page faults, and an old one lasts until the garbage collector comes. */
const KEPT_SPACES = 4;

interface PreparedProgram {
  /** Slots were checked against a memory of this size. */
  readonly checkedBytes: number;
  /** Steps of each instruction. */
  readonly steps: readonly (readonly Step[])[];
}

class WasmKernels implements Kernels {
  readonly name = 'wasm';
  readonly wordBits = WORD_BITS;
  readonly #module: WebAssembly.Module;
  readonly #pool: ThreadPool;
  readonly #prepared = new WeakMap<readonly Instruction[], PreparedProgram>();
  readonly #memories = new WeakSet<Memory>();
  /** Zeroed memories that no arena uses, smallest first. */
  readonly #free: Space[] = [];
  #nextSpaceId = 1;

  constructor(module: WebAssembly.Module, pool: ThreadPool) {
    this.#module = module;
    this.#pool = pool;
  }

  async allocate(bytes: number): Promise<Memory> {
    const arena = new Arena(this.#takeSpace(bytes), bytes, this.#pool.threads, (space) => this.#keepSpace(space));
    this.#memories.add(arena);
    return arena;
  }

  async run(memory: Memory, program: readonly Instruction[], timer?: InstructionTimer): Promise<void> {
    if (!(memory instanceof Arena) || !this.#memories.has(memory)) {
      throw new InternalError('kernel-foreign-memory', 'The memory was allocated by another kernel set.');
    }
    const { steps } = this.#prepare(memory, program);
    let start = timer === undefined ? 0 : performance.now();
    for (let index = 0; index < steps.length; index++) {
      for (const step of steps[index]!) this.#runStep(memory, step, index);
      if (timer !== undefined) {
        const end = performance.now();
        timer.tell(index, end - start);
        start = end;
      }
    }
  }

  dispose(): Promise<void> {
    this.#free.length = 0;
    return this.#pool.dispose();
  }

  #takeSpace(bytes: number): Space {
    const pages = pagesFor(bytes, this.#pool.threads) ?? Infinity;
    const found = this.#free.findIndex(({ memory }) => memory.buffer.byteLength >= pages * PAGE_BYTES);
    if (found >= 0) return this.#free.splice(found, 1)[0]!;
    const space = reserveSpace(this.#nextSpaceId++, bytes, this.#pool.threads, this.#module);
    this.#pool.attach(space.id, space.memory);
    return space;
  }

  #keepSpace(space: Space): void {
    this.#free.push(space);
    this.#free.sort((a, b) => a.memory.buffer.byteLength - b.memory.buffer.byteLength);
    // The largest serve every request; the smallest goes.
    if (this.#free.length > KEPT_SPACES) this.#pool.detach(this.#free.shift()!.id);
  }

  #prepare(memory: Arena, program: readonly Instruction[]): PreparedProgram {
    const known = this.#prepared.get(program);
    if (known !== undefined && known.checkedBytes <= memory.bytes) return known;
    checkProgram(program, memory.bytes, WORD_BITS);
    const layout = { arena: arenaOffset(this.#pool.threads), threads: this.#pool.threads };
    const steps = program.map((instruction) => prepare(layout, instruction).filter((step) => step.chunks > 0));
    const prepared = { checkedBytes: memory.bytes, steps };
    this.#prepared.set(program, prepared);
    return prepared;
  }

  #runStep(memory: Arena, step: Step, index: number): void {
    const { id, kernels } = memory.space;
    memory.setRecord(step.record);
    let outcome: Outcome;
    if (step.chunks === 1) {
      const inRange = kernels.execute(RECORD_OFFSET, 0, step.units, scratchOffset(0));
      outcome = inRange === 0 ? Outcome.indexOutOfRange : Outcome.done;
    } else {
      outcome = this.#pool.run(id, kernels, step.units, step.chunkUnits, step.chunks);
    }
    if (outcome === Outcome.done) return;
    if (outcome === Outcome.indexOutOfRange) {
      throw new InternalError('kernel-index-range', `Instruction ${index}: a row index is out of range.`);
    }
    throw new InternalError('kernel-crashed', `Instruction ${index}: a kernel thread crashed.`);
  }
}

/** The WebAssembly kernels on `threads` threads, the caller's included; 1 starts no workers. */
export async function wasmKernels(options: { threads: number }): Promise<Kernels> {
  const { threads } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > MAXIMUM_THREADS) {
    throw new InputError('kernel-threads-range', `Kernels run on 1 to ${MAXIMUM_THREADS} threads, not ${threads}.`);
  }
  const module = await kernelModule();
  return new WasmKernels(module, await ThreadPool.start(module, threads));
}
