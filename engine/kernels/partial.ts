/**
 * A kernel set that does not carry out everything on this machine (a driver refuses a kernel, or was found to compute it wrongly),
 * with another one for what is left: only those operations go there, their operands packed out of the first set's memory and
 * their results written back. Knows nothing of plans, parties or devices.
 *
 * Cost of such an operation: a wait for the device, and its operands and results across the bus. What the other memory held is
 * overwritten after each.
 */
import { checkProgram, operandsOf } from './check.ts';
import type { Instruction, InstructionTimer, Kernels, Memory, Slot } from './kernels.ts';
import { SLOT_ALIGNMENT_BYTES, packedBytes, slotBytes } from './kernels.ts';
import type { Refusals } from './self-test.ts';

export interface PartialOptions {
  readonly first: Kernels;
  /** Operations that the first set is not trusted with. */
  readonly refusals: Refusals;
  /** Made when it is needed. */
  readonly second: () => Promise<Kernels>;
  /** Told of every operation once, when it is met in a program: it goes to the second set, and why. */
  readonly onRefused: (operation: Instruction['op'], reason: string) => void;
}

interface Copy {
  /** In the first set's memory. */
  readonly there: Slot;
  /** In the second's. */
  readonly here: Slot;
}

/** One instruction for the second set, in a memory of its own. */
interface Errand {
  readonly program: readonly Instruction[];
  readonly bytes: number;
  readonly inputs: readonly Copy[];
  readonly outputs: readonly Copy[];
}

/** Neighbouring instructions of a program: those that the first set runs, or one that it does not. */
interface Part {
  readonly start: number;
  readonly program: readonly Instruction[];
  readonly errand?: Errand;
}

interface Division {
  /** Which kernels there are depends on how a memory of this size lies. */
  readonly memoryBytes: number;
  readonly parts: readonly Part[];
}

export class PartialKernels implements Kernels {
  readonly name: string;
  readonly wordBits: number;
  readonly #options: PartialOptions;
  readonly #divisions = new WeakMap<readonly Instruction[], Division>();
  readonly #told = new Set<Instruction['op']>();
  #second: Promise<Kernels> | undefined;

  constructor(options: PartialOptions) {
    this.#options = options;
    this.name = options.first.name;
    this.wordBits = options.first.wordBits;
  }

  allocate(bytes: number): Promise<Memory> {
    return this.#options.first.allocate(bytes);
  }

  async run(memory: Memory, program: readonly Instruction[], timer?: InstructionTimer): Promise<void> {
    for (const { start, program: instructions, errand } of await this.#divide(memory, program)) {
      if (errand === undefined) {
        const own = timer === undefined ? undefined : ofPart(timer, start, instructions.length);
        await this.#options.first.run(memory, instructions, own);
      } else {
        const fromMs = performance.now();
        await this.#carryOut(memory, errand);
        timer?.tell(start, performance.now() - fromMs);
      }
    }
  }

  async dispose(): Promise<void> {
    await this.#options.first.dispose();
    if (this.#second !== undefined) await (await this.#second).dispose();
  }

  async #divide(memory: Memory, program: readonly Instruction[]): Promise<readonly Part[]> {
    const known = this.#divisions.get(program);
    if (known?.memoryBytes === memory.bytes) return known.parts;
    const { first, refusals } = this.#options;
    checkProgram(program, memory.bytes, this.wordBits);
    const refused = (await first.refused?.(memory, program)) ?? new Map<number, string>();
    const parts: Part[] = [];
    let start = 0;
    const runUpTo = (end: number): void => {
      if (end > start)
        parts.push({ start, program: end - start === program.length ? program : program.slice(start, end) });
      start = end;
    };
    for (const [number, instruction] of program.entries()) {
      const reason = refused.get(number) ?? refusals.get(instruction.op);
      if (reason === undefined) continue;
      this.#tell(instruction.op, reason);
      runUpTo(number);
      parts.push({ start: number, program: [instruction], errand: errandOf(instruction, this.wordBits) });
      start = number + 1;
    }
    runUpTo(program.length);
    this.#divisions.set(program, { memoryBytes: memory.bytes, parts });
    return parts;
  }

  #tell(operation: Instruction['op'], reason: string): void {
    if (this.#told.has(operation)) return;
    this.#told.add(operation);
    this.#options.onRefused(operation, reason);
  }

  async #carryOut(memory: Memory, { program, bytes, inputs, outputs }: Errand): Promise<void> {
    this.#second ??= this.#options.second();
    const second = await this.#second;
    const own = await second.allocate(bytes);
    try {
      await move(
        memory,
        own,
        inputs.map(({ there, here }) => [there, here]),
      );
      await second.run(own, program);
      await move(
        own,
        memory,
        outputs.map(({ there, here }) => [here, there]),
      );
    } finally {
      own.dispose();
    }
  }
}

/** Copies slots of one memory to slots of another. */
async function move(
  from: Memory,
  to: Memory,
  slots: readonly (readonly [source: Slot, target: Slot])[],
): Promise<void> {
  const packed = await from.pack(slots.map(([slot]) => ({ slot, width: 64 })));
  let at = 0;
  for (const [, slot] of slots) {
    const bytes = packedBytes(slot, 64);
    to.write(slot, packed.subarray(at, at + bytes), 64);
    at += bytes;
  }
  packed.fill(0);
}

function ofPart({ groups, tell }: InstructionTimer, start: number, length: number): InstructionTimer {
  const within = groups.filter((first) => first > start && first < start + length);
  return {
    groups: [0, ...within.map((first) => first - start)],
    tell: (index, ms) => tell(start + index, ms),
  };
}

/** The instruction with its operands side by side in a memory that holds nothing else. */
function errandOf(instruction: Instruction, wordBits: number): Errand {
  let bytes = 0;
  const places = new Map<string, Copy>();
  const copyOf = (there: Slot): Copy => {
    const key = `${there.kind} ${there.offset} ${there.length} ${there.kind === 'bits' ? there.planes : 1}`;
    const known = places.get(key);
    if (known !== undefined) return known;
    const copy = { there, here: { ...there, offset: bytes } };
    bytes += Math.ceil(slotBytes(there) / SLOT_ALIGNMENT_BYTES) * SLOT_ALIGNMENT_BYTES;
    places.set(key, copy);
    return copy;
  };
  const { inputs, outputs } = operandsOf(instruction, wordBits);
  const [copiedIn, copiedOut] = [[...new Set(inputs.map(copyOf))], outputs.map(copyOf)];
  const moved = mapSlots(instruction, (slot) => copyOf(slot).here) as Instruction;
  return { program: [moved], bytes: Math.max(bytes, SLOT_ALIGNMENT_BYTES), inputs: copiedIn, outputs: copiedOut };
}

function isSlot(value: object): value is Slot {
  return 'kind' in value && 'offset' in value;
}

/** A copy of a tree in which every slot is another. */
function mapSlots(tree: unknown, place: (slot: Slot) => Slot): unknown {
  if (typeof tree !== 'object' || tree === null) return tree;
  if (Array.isArray(tree)) return tree.map((item: unknown) => mapSlots(item, place));
  if (isSlot(tree)) return place(tree);
  return Object.fromEntries(Object.entries(tree).map(([name, value]) => [name, mapSlots(value, place)]));
}
