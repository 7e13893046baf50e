/**
 * Rates of a kernel set on this machine, for the command line's `bench` and for the planner's prediction of time.
 * Runs for about two seconds. Knows nothing of which set it measures.
 */
import type { BitSlot, Factor, Instruction, Kernels, Slot, WordSlot } from './kernels.ts';
import { SLOT_ALIGNMENT_BYTES, slotBytes } from './kernels.ts';

export interface Rate {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

interface Measurement {
  readonly name: string;
  readonly unit: string;
  /** Work of one run, in `unit` without its "/s". */
  readonly work: number;
  readonly bytes: number;
  readonly program: readonly Instruction[];
}

/** Each program runs at least this long after it has warmed up. */
const MEASURED_MS = 150;
const WARM_UP_MS = 60;

class Slots {
  bytes = 0;
  words(length: number): WordSlot {
    return this.#place({ kind: 'words', offset: this.bytes, length });
  }
  bits(length: number, planes: number): BitSlot {
    return this.#place({ kind: 'bits', offset: this.bytes, length, planes });
  }
  #place<S extends Slot>(slot: S): S {
    this.bytes = Math.ceil((slot.offset + slotBytes(slot)) / SLOT_ALIGNMENT_BYTES) * SLOT_ALIGNMENT_BYTES;
    return slot;
  }
}

function matmul(m: number, k: number, n: number): Measurement {
  const slots = new Slots();
  const [a, b, out] = [slots.words(m * k), slots.words(k * n), slots.words(m * n)];
  const sizes = { batch: 1, m, k, n, transposeA: false, transposeB: false };
  return {
    name: `matmul ${m} x ${k} x ${n}`,
    unit: 'multiply-adds/s',
    work: m * k * n,
    bytes: slots.bytes,
    program: [{ op: 'matmul', out, pairs: [{ a, b }], ...sizes }],
  };
}

function measurements(): Measurement[] {
  const found = [matmul(512, 512, 512), matmul(128, 784, 128)];
  const factor = (slot: WordSlot): Factor => ({ slot, repeat: 'cycle' });

  const elements = 2 ** 20;
  const sums = new Slots();
  const [x, y, z, u, sum] = [0, 1, 2, 3, 4].map(() => sums.words(elements)) as [
    WordSlot,
    WordSlot,
    WordSlot,
    WordSlot,
    WordSlot,
  ];
  found.push({
    name: 'elementwise x + y',
    unit: 'bytes/s',
    work: 3 * 8 * elements,
    bytes: sums.bytes,
    program: [
      {
        op: 'combine',
        out: sum,
        terms: [
          { coefficient: 1n, factors: [factor(x)] },
          { coefficient: 1n, factors: [factor(y)] },
        ],
      },
    ],
  });
  found.push({
    name: 'elementwise x y + z u + x',
    unit: 'bytes/s',
    work: 6 * 8 * elements,
    bytes: sums.bytes,
    program: [
      {
        op: 'combine',
        out: sum,
        terms: [
          { coefficient: 1n, factors: [factor(x), factor(y)] },
          { coefficient: 1n, factors: [factor(z), factor(u)] },
          { coefficient: 1n, factors: [factor(x)] },
        ],
      },
    ],
  });

  const compared = 2 ** 16;
  const planes = new Slots();
  const words = planes.words(compared);
  const bits = planes.bits(compared, 46);
  found.push({
    name: 'bit planes (46 of each word)',
    unit: 'bits/s',
    work: 46 * compared,
    bytes: planes.bytes,
    program: [{ op: 'bitPlanes', out: bits, input: words, from: 0 }],
  });

  const lookups = new Slots();
  const [digit, table] = [lookups.bits(compared, 4), lookups.bits(compared, 15)];
  const [less, equal] = [lookups.bits(compared, 1), lookups.bits(compared, 1)];
  found.push({
    name: 'comparison look-ups (4-bit digits)',
    unit: 'look-ups/s',
    work: compared,
    bytes: lookups.bytes,
    program: [{ op: 'digitLookup', less, equal, digit, table, first: true }],
  });
  return found;
}

/** Median rate of some programs that are typical of training, best measured on an idle machine. */
export function benchKernels(kernels: Kernels): Promise<Rate[]> {
  return measured(kernels, measurements());
}

/** Median rates of square products, multiply-adds a second. */
export function benchProducts(kernels: Kernels, sizes: readonly number[]): Promise<Rate[]> {
  return measured(
    kernels,
    sizes.map((n) => matmul(n, n, n)),
  );
}

async function measured(kernels: Kernels, all: readonly Measurement[]): Promise<Rate[]> {
  const rates: Rate[] = [];
  for (const { name, unit, work, bytes, program } of all) {
    const memory = await kernels.allocate(bytes);
    const timesMs: number[] = [];
    try {
      const perform = async (): Promise<void> => {
        await kernels.run(memory, program);
        // A set that computes elsewhere is done when this has come back.
        await memory.pack([]);
      };
      await perform();
      for (const end = performance.now() + WARM_UP_MS; performance.now() < end;) await perform();
      for (const end = performance.now() + MEASURED_MS; timesMs.length < 3 || performance.now() < end;) {
        const start = performance.now();
        await perform();
        timesMs.push(performance.now() - start);
      }
    } finally {
      memory.dispose();
    }
    timesMs.sort((a, b) => a - b);
    rates.push({ name, unit, value: work / (timesMs[Math.floor(timesMs.length / 2)]! / 1000) });
  }
  return rates;
}
