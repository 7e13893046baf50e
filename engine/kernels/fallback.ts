/**
 * A kernel set that may fail (a graphics card that is taken away), with one behind it that does not. What goes into a memory is
 * journaled on the host; when the first set fails, the journal is done again on the second, with the same masks, and every
 * packed frame that left before must come out byte for byte the same (corrections C3: other bytes under a mask would leak), or
 * the job ends. The caller notices nothing but the time. Knows nothing of plans, parties or devices.
 *
 * Cost: a copy of what is written and a digest of what is packed; now and then a copy of the states. The journal holds shares
 * and keys of key streams, as the memory itself does; it is overwritten with zeros when it is dropped.
 */
import { InternalError, MachineError, TacitError } from '../../shared/errors.ts';
import { SecretKey } from '../random/crypto-port.ts';
import type { CryptoPort } from '../random/crypto-port.ts';
import type {
  DeviceTimes,
  Instruction,
  InstructionTimer,
  Kernels,
  Keystream,
  Memory,
  PackedPart,
  Slot,
  WordSlot,
} from './kernels.ts';
import { packedBytes, slotBytes } from './kernels.ts';

export interface FallbackOptions {
  readonly first: Kernels;
  /** Made when it is needed. */
  readonly second: () => Promise<Kernels>;
  readonly crypto: Pick<CryptoPort, 'sha256' | 'chacha20'>;
  /** Called once, when the first set has failed. */
  readonly onFailure: (cause: MachineError) => void;
}

type Entry =
  | { readonly op: 'write' | 'accumulate'; readonly slot: Slot; readonly packed: Uint8Array; readonly width: number }
  | {
      readonly op: 'expand';
      readonly slot: Slot;
      readonly keystream: Keystream;
      readonly width: number;
      readonly how: 'write' | 'accumulate';
    }
  | { readonly op: 'run'; readonly program: readonly Instruction[] }
  | PackEntry;

interface PackEntry {
  readonly op: 'pack';
  readonly parts: readonly PackedPart[];
  /** Of what the first set packed. */
  digest?: Uint8Array;
  /** What the second set packed for a call that the first one failed. */
  redone?: Uint8Array;
}

/** States are copied when the journal holds as much, or as many times their size, or comes from so many executions. */
const JOURNAL_BYTES = 64 * 2 ** 20;
const JOURNAL_STATE_SIZES = 8;
const JOURNAL_EXECUTIONS = 64;
/** Bytes of states that are read at once. */
const PIECE_BYTES = 32 * 2 ** 20;

export class FallbackKernels implements Kernels {
  readonly wordBits: number;
  readonly #options: FallbackOptions;
  #second: Promise<Kernels> | undefined;
  #name: string;

  constructor(options: FallbackOptions) {
    this.#options = options;
    this.wordBits = options.first.wordBits;
    this.#name = options.first.name;
  }

  /** Of the set that computes now. */
  get name(): string {
    return this.#name;
  }

  async allocate(bytes: number): Promise<Memory> {
    if (this.#second === undefined) {
      try {
        return new FallbackMemory(await this.#options.first.allocate(bytes), this.#options, (cause) =>
          this.#fail(cause),
        );
      } catch (error) {
        await this.#fail(deviceFailure(error));
      }
    }
    return await (await this.#second!).allocate(bytes);
  }

  async run(memory: Memory, program: readonly Instruction[], timer?: InstructionTimer): Promise<void> {
    if (memory instanceof FallbackMemory) return await memory.run(program, timer);
    if (this.#second === undefined) {
      throw new InternalError('kernel-foreign-memory', 'The memory was allocated by another kernel set.');
    }
    await (await this.#second).run(memory, program, timer);
  }

  async dispose(): Promise<void> {
    await this.#options.first.dispose();
    if (this.#second !== undefined) await (await this.#second).dispose();
  }

  #fail(cause: MachineError): Promise<Kernels> {
    if (this.#second === undefined) {
      this.#options.onFailure(cause);
      this.#second = this.#options.second().then((kernels) => {
        this.#name = kernels.name;
        return kernels;
      });
    }
    return this.#second;
  }
}

/** The failure as a reason to go on with the second set; a defect of our own or of the caller is none, and is thrown. */
function deviceFailure(error: unknown): MachineError {
  if (error instanceof MachineError) return error;
  if (error instanceof TacitError) throw error;
  const message = error instanceof Error ? error.message : String(error);
  return new MachineError('gpu-failed', `The GPU failed: ${message}`, { hint: 'The CPU goes on.', cause: error });
}

const NO_DEVICE: DeviceTimes = { uploadMs: 0, kernelMs: 0 };

class FallbackMemory implements Memory {
  readonly bytes: number;
  readonly expand?: NonNullable<Memory['expand']>;
  readonly deviceTimes?: NonNullable<Memory['deviceTimes']>;
  readonly flush?: NonNullable<Memory['flush']>;
  readonly #first: Memory;
  readonly #options: FallbackOptions;
  readonly #failed: (cause: MachineError) => Promise<Kernels>;
  #second: { readonly kernels: Kernels; readonly memory: Memory } | undefined;
  #redo: Promise<void> | undefined;
  #disposed = false;
  #journal: Entry[] = [];
  #journalBytes = 0;
  #executions = 0;
  /** What states held when the journal began, by offset; those that are not here held zeros. */
  readonly #states = new Map<number, { readonly slot: WordSlot; readonly packed: Uint8Array }>();

  constructor(first: Memory, options: FallbackOptions, failed: (cause: MachineError) => Promise<Kernels>) {
    this.bytes = first.bytes;
    this.#first = first;
    this.#options = options;
    this.#failed = failed;
    if (first.deviceTimes !== undefined) {
      // Once the CPU has taken over there is nothing to wait for.
      this.deviceTimes = () => (this.#second === undefined ? first.deviceTimes?.() : undefined) ?? NO_DEVICE;
    }
    if (first.flush !== undefined) this.flush = () => this.#try(() => first.flush?.());
    if (first.expand !== undefined) {
      this.expand = (slot, { key, nonce, block }, width, how) =>
        this.#change({ op: 'expand', slot, keystream: { key: key.slice(), nonce: nonce.slice(), block }, width, how });
    }
  }

  write(slot: Slot, packed: Uint8Array, width: number): void {
    this.#change({ op: 'write', slot, packed: packed.slice(), width });
  }

  accumulate(slot: Slot, packed: Uint8Array, width: number): void {
    this.#change({ op: 'accumulate', slot, packed: packed.slice(), width });
  }

  async run(program: readonly Instruction[], timer?: InstructionTimer): Promise<void> {
    if (this.#second !== undefined) return await this.#second.kernels.run(this.#second.memory, program, timer);
    this.#note({ op: 'run', program });
    if (this.#redo === undefined) {
      try {
        return await this.#options.first.run(this.#first, program, timer);
      } catch (error) {
        return await this.#fail(error);
      }
    }
    await this.#redo;
  }

  async pack(parts: readonly PackedPart[]): Promise<Uint8Array> {
    if (this.#second !== undefined) return await this.#second.memory.pack(parts);
    const entry: PackEntry = { op: 'pack', parts };
    this.#note(entry);
    if (this.#redo === undefined) {
      try {
        const packed = await this.#first.pack(parts);
        // The redo of another call may have come past this one.
        if (entry.redone !== undefined) return entry.redone;
        entry.digest = this.#options.crypto.sha256(packed);
        return packed;
      } catch (error) {
        await this.#fail(error);
      }
    }
    await this.#redo;
    if (entry.redone === undefined) throw new InternalError('redo-incomplete', 'A packed frame was not done again.');
    return entry.redone;
  }

  async settle(states: readonly WordSlot[]): Promise<void> {
    if (this.#second !== undefined || this.#redo !== undefined) return;
    this.#executions++;
    const changed = this.#changed(states);
    const bytes = changed.reduce((sum, slot) => sum + slotBytes(slot), 0);
    const isDue =
      this.#executions >= JOURNAL_EXECUTIONS ||
      this.#journalBytes >= Math.max(JOURNAL_BYTES, JOURNAL_STATE_SIZES * bytes);
    if (!isDue) return;
    const copies: { slot: WordSlot; packed: Uint8Array }[] = [];
    try {
      for (const slot of changed.flatMap(inPieces)) {
        copies.push({ slot, packed: await this.#first.pack([{ slot, width: 64 }]) });
      }
    } catch (error) {
      return await this.#fail(error);
    }
    for (const copy of copies) {
      this.#states.get(copy.slot.offset)?.packed.fill(0);
      this.#states.set(copy.slot.offset, copy);
    }
    this.#dropJournal();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#dropAll();
    this.#second?.memory.dispose();
    disposeQuietly(this.#first);
  }

  #change(entry: Exclude<Entry, PackEntry | { op: 'run' }>): void {
    if (this.#second !== undefined) return void apply(this.#second.memory, entry, this.#options.crypto);
    this.#note(entry);
    this.#try(() => apply(this.#first, entry, this.#options.crypto));
  }

  /** What the first set does without an answer, while it computes. */
  #try(call: () => void): void {
    if (this.#second !== undefined || this.#redo !== undefined) return;
    try {
      call();
    } catch (error) {
      // The next run or pack meets what goes wrong with it.
      this.#fail(error).catch(() => {});
    }
  }

  #note(entry: Entry): void {
    if (this.#disposed) throw new InternalError('kernel-memory-disposed', 'The memory was disposed of.');
    this.#journal.push(entry);
    if ('packed' in entry) this.#journalBytes += entry.packed.length;
  }

  #fail(error: unknown): Promise<void> {
    const cause = deviceFailure(error);
    this.#redo ??= this.#doAgain(cause);
    return this.#redo;
  }

  /** What is noted meanwhile is done too. */
  async #doAgain(cause: MachineError): Promise<void> {
    const kernels = await this.#failed(cause);
    const memory = await kernels.allocate(this.bytes);
    for (const { slot, packed } of this.#states.values()) memory.write(slot, packed, 64);
    for (let next = 0; next < this.#journal.length; next++) {
      const entry = this.#journal[next]!;
      if (entry.op === 'run') await kernels.run(memory, entry.program);
      else if (entry.op === 'pack') this.#compare(entry, await memory.pack(entry.parts));
      else apply(memory, entry, this.#options.crypto);
    }
    this.#second = { kernels, memory };
    this.#dropAll();
    disposeQuietly(this.#first);
    if (this.#disposed) memory.dispose();
  }

  #compare(entry: PackEntry, packed: Uint8Array): void {
    if (entry.digest === undefined) {
      entry.redone = packed;
      return;
    }
    const digest = this.#options.crypto.sha256(packed);
    if (digest.every((byte, i) => byte === entry.digest![i])) return;
    throw new InternalError(
      'redo-differs',
      'The step done again on the CPU would send other bytes under the same masks.',
      {
        hint: 'Nothing was sent. The GPU computed wrongly before it failed: run on the CPU, and please report this.',
      },
    );
  }

  /** States that anything in the journal wrote to. */
  #changed(states: readonly WordSlot[]): WordSlot[] {
    const programs = new Set<readonly Instruction[]>();
    const written: Slot[] = [];
    for (const entry of this.#journal) {
      if (entry.op === 'run') programs.add(entry.program);
      else if (entry.op !== 'pack') written.push(entry.slot);
    }
    for (const instruction of [...programs].flat()) {
      written.push(...(instruction.op === 'digitLookup' ? [instruction.less, instruction.equal] : [instruction.out]));
    }
    return states.filter((state) =>
      written.some(
        (slot) => slot.offset < state.offset + slotBytes(state) && state.offset < slot.offset + slotBytes(slot),
      ),
    );
  }

  #dropAll(): void {
    this.#dropJournal();
    for (const { packed } of this.#states.values()) packed.fill(0);
    this.#states.clear();
  }

  #dropJournal(): void {
    for (const entry of this.#journal) {
      if ('packed' in entry) entry.packed.fill(0);
      if (entry.op === 'expand') entry.keystream.key.fill(0);
    }
    this.#journal = [];
    this.#journalBytes = 0;
    this.#executions = 0;
  }
}

function apply(
  memory: Memory,
  entry: Exclude<Entry, PackEntry | { op: 'run' }>,
  { chacha20 }: Pick<CryptoPort, 'chacha20'>,
): void {
  if (entry.op !== 'expand') return memory[entry.op](entry.slot, entry.packed, entry.width);
  const { slot, keystream, width, how } = entry;
  if (memory.expand !== undefined) return memory.expand(slot, keystream, width, how);
  const { key, nonce, block } = keystream;
  memory[how](slot, chacha20(new SecretKey(key), nonce, block, packedBytes(slot, width)), width);
}

function inPieces(slot: WordSlot): WordSlot[] {
  const words = PIECE_BYTES / 8;
  return Array.from({ length: Math.ceil(slot.length / words) }, (_, piece) => ({
    kind: 'words',
    offset: slot.offset + piece * PIECE_BYTES,
    length: Math.min(words, slot.length - piece * words),
  }));
}

/** A device that is gone has nothing to overwrite. */
function disposeQuietly(memory: Memory): void {
  try {
    memory.dispose();
  } catch {
    // It held nothing that is still there.
  }
}
