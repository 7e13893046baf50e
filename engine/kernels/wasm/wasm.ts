/**
 * The fast CPU kernel set: WebAssembly with SIMD and threads on one shared memory. A program is checked and turned into
 * argument records once, then replayed: a call of the module costs well under a microsecond besides its work.
 */
import type { Instruction, InstructionTimer, Kernels, Memory } from '../kernels.ts';
import { checkProgram } from '../check.ts';
import { Arena } from './arena.ts';
import { RECORD_OFFSET, arenaOffset, scratchOffset } from './layout.ts';
import { kernelModule } from './module.ts';
import { Outcome, ThreadPool } from './pool.ts';
import type { Step } from './records.ts';
import { prepare } from './records.ts';
import { InputError, InternalError } from '../../../shared/errors.ts';

const WORD_BITS = 64;
const MAXIMUM_THREADS = 64;

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
  #nextMemoryId = 1;

  constructor(module: WebAssembly.Module, pool: ThreadPool) {
    this.#module = module;
    this.#pool = pool;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- failures must reject, not throw
  async allocate(bytes: number): Promise<Memory> {
    const id = this.#nextMemoryId++;
    const arena = new Arena(id, bytes, this.#pool.threads, this.#module, () => this.#pool.detach(id));
    this.#pool.attach(id, arena.memory);
    this.#memories.add(arena);
    return arena;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- failures must reject, not throw
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
        timer(index, end - start);
        start = end;
      }
    }
  }

  dispose(): Promise<void> {
    return this.#pool.dispose();
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
    const { kernels } = memory;
    memory.setRecord(step.record);
    let outcome: Outcome;
    if (step.chunks === 1) {
      const inRange = kernels.execute(RECORD_OFFSET, 0, step.units, scratchOffset(0));
      outcome = inRange === 0 ? Outcome.indexOutOfRange : Outcome.done;
    } else {
      outcome = this.#pool.run(memory.id, kernels, step.units, step.chunkUnits, step.chunks);
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
