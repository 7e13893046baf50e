/**
 * Turns an instruction into the argument records of the WebAssembly module, once per program. A step is one call of the
 * module's `execute`; its units are independent, and a step worth sharing is cut into chunks for the threads.
 * Knows nothing of memories and threads themselves.
 */
import type { Factor, Instruction, Slot, Term, Windows } from '../kernels.ts';
import { planeBytes, slotBytes, windowsOut } from '../kernels.ts';
import * as Op from './assembly/opcodes.ts';
import { RECORD_BYTES } from './layout.ts';
import { InternalError } from '../../../shared/errors.ts';

/** One call of the module, for all units or for a chunk of them. */
export interface Step {
  /** Operation code and arguments. */
  readonly record: Int32Array;
  readonly units: number;
  /** Units of a chunk; all of them where sharing would not pay. */
  readonly chunkUnits: number;
  /** 1 to 255; 0 where there is nothing to do. */
  readonly chunks: number;
}

/** Below this estimate a step runs on one thread: handing it over takes 10 to 30 us. */
const SHARED_STEP_NS = 200_000;
const ELEMENTS_OF_UNIT = 128;
const MULTIPLY_ADD_NS = 0.25;

export interface Layout {
  /** Byte address of the arena. */
  readonly arena: number;
  readonly threads: number;
}

/** `unitNs` is a rough cost of one unit on one thread. */
function step(layout: Layout, record: readonly number[], units: number, unitNs: number): Step {
  if (record.length * 4 > RECORD_BYTES) {
    throw new InternalError(
      'kernel-record-size',
      `An instruction with so many terms needs ${record.length * 4} bytes.`,
    );
  }
  const shared = layout.threads > 1 && units * unitNs > SHARED_STEP_NS;
  const chunkUnits = shared ? Math.max(1, Math.ceil(units / (layout.threads * 4))) : Math.max(units, 1);
  return { record: Int32Array.from(record), units, chunkUnits, chunks: Math.ceil(units / chunkUnits) };
}

function address(layout: Layout, slot: Slot): number {
  return layout.arena + slot.offset;
}

function low32(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

function coefficientKind(coefficient: bigint): number {
  const signed = BigInt.asIntN(64, coefficient);
  if (signed === 1n) return Op.COEFFICIENT_ONE;
  return signed === -1n ? Op.COEFFICIENT_MINUS_ONE : Op.COEFFICIENT_ANY;
}

/** Terms in the order that the kernel fuses best: products before single factors before constants, +1 before -1 before others. */
function sortedTerms(terms: readonly Term[]): Term[] {
  const kindRank = [2, 0, 1];
  const rank = (term: Term): number => {
    const factors = term.factors.length;
    return (
      (factors === 0 ? 2 : factors === 1 ? 1 : 0) * 100 + kindRank[coefficientKind(term.coefficient)]! * 10 + factors
    );
  };
  return terms.filter((term) => BigInt.asUintN(64, term.coefficient) !== 0n).sort((a, b) => rank(a) - rank(b));
}

function factorRecord(layout: Layout, factor: Factor, outLength: number): number[] {
  const { slot, repeat } = factor;
  if (slot.length === outLength) return [address(layout, slot), Op.READ_EACH, outLength];
  if (repeat === 'cycle' || slot.length === 1) return [address(layout, slot), Op.READ_CYCLE, slot.length];
  return [address(layout, slot), Op.READ_STRETCH, outLength / slot.length];
}

function combine(layout: Layout, instruction: Instruction & { op: 'combine' }): Step {
  const { out } = instruction;
  const terms = out.length === 0 ? [] : sortedTerms(instruction.terms);
  const record = [Op.OP_COMBINE, address(layout, out), terms.length];
  for (const { coefficient, factors } of terms) {
    const words = [coefficientKind(coefficient), low32(coefficient), low32(coefficient >> 32n), factors.length];
    for (const factor of factors) words.push(...factorRecord(layout, factor, out.length));
    while (words.length < Op.TERM_WORDS) words.push(0);
    record.push(...words);
  }
  const reads = terms.reduce((count, term) => count + term.factors.length, 1);
  const units = Math.ceil(out.length / Op.TILE_WORDS);
  const tiled = step(layout, record, units, Op.TILE_WORDS * 0.5 * reads);
  // The kernel counts words, chunks end at tiles.
  return { ...tiled, units: out.length, chunkUnits: tiled.chunkUnits * Op.TILE_WORDS };
}

interface View {
  readonly shape: readonly number[];
  readonly toStrides: readonly number[];
  readonly fromStrides: readonly number[];
}

/** The same copy with the fewest dimensions, the inner loop the best one. Strides in words. */
function copyLoops(view: View): { mode: number; dimensions: { size: number; to: number; from: number }[] } {
  const dimensions: { size: number; to: number; from: number }[] = [];
  view.shape.forEach((size, d) => {
    if (size === 1) return;
    const inner = { size, to: view.toStrides[d]!, from: view.fromStrides[d]! };
    const outer = dimensions.at(-1);
    if (outer !== undefined && outer.to === inner.to * size && outer.from === inner.from * size) {
      dimensions[dimensions.length - 1] = { ...inner, size: outer.size * size };
    } else {
      dimensions.push(inner);
    }
  });
  while (dimensions.length < 2) dimensions.unshift({ size: 1, to: 0, from: 0 });
  const last = dimensions.at(-1)!;
  if (last.size === 1) return { mode: Op.COPY_STRIDED, dimensions };
  if (last.to === 1 && last.from === 1) return { mode: Op.COPY_RUNS, dimensions };
  if (last.to === 1 && last.from === 0) return { mode: Op.COPY_REPEAT, dimensions };
  const row = dimensions.find((dimension) => dimension.from === 1);
  const column = dimensions.find((dimension) => dimension.to === 1);
  if (row === undefined || column === undefined || row === column) return { mode: Op.COPY_STRIDED, dimensions };
  const others = dimensions.filter((dimension) => dimension !== row && dimension !== column);
  return { mode: Op.COPY_TRANSPOSE, dimensions: [...others, row, column] };
}

/** `to` and `from` are byte addresses. */
function copy(layout: Layout, to: number, from: number, view: View): Step {
  const count = view.shape.reduce((product, size) => product * size, 1);
  const { mode, dimensions } = copyLoops(view);
  const record = [Op.OP_COPY, to, from, mode, dimensions.length];
  for (const dimension of dimensions) record.push(dimension.size, dimension.to * 8, dimension.from * 8);
  const units = count === 0 ? 0 : dimensions[0]!.size;
  return step(layout, record, units, units === 0 ? 0 : count / units);
}

/** A plain copy of whole planes. */
function copyBytes(layout: Layout, to: number, from: number, bytes: number): Step {
  return copy(layout, to, from, { shape: [bytes / 8], toStrides: [1], fromStrides: [1] });
}

function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= shape[d]!;
  }
  return strides;
}

/** Blocks of a product's output that threads take; a block of fewer rows packs B again more often. */
function matmulBlocks(layout: Layout, instruction: Instruction & { op: 'matmul' }): [rows: number, columns: number] {
  const { batch, m, k, n, pairs } = instruction;
  const totalNs = batch * m * k * n * pairs.length * MULTIPLY_ADD_NS;
  if (layout.threads === 1 || totalNs < SHARED_STEP_NS) return [m, n];
  // A block of about a millisecond: short enough that a thread which loses its core does not keep the others waiting.
  const blocksOfThread = Math.min(4, Math.max(1, Math.round(totalNs / (layout.threads * 1_000_000))));
  const parts = Math.ceil((layout.threads * blocksOfThread) / batch);
  if (parts === 1) return [m, n];
  const split = (size: number): number => Math.min(size, Math.ceil(size / parts / 8) * 8);
  const packsRows = instruction.transposeA || instruction.windows?.of === 'a';
  const byRows = m >= 64 * parts && (packsRows || m >= n);
  return byRows || n < 16 * parts ? [split(m), n] : [m, split(n)];
}

function matmul(layout: Layout, instruction: Instruction & { op: 'matmul' }): Step {
  const { out, pairs, batch, m, k, n, transposeA, transposeB, windows } = instruction;
  if (out.length === 0) return step(layout, [Op.OP_MATMUL], 0, 0);
  const [rows, columns] = matmulBlocks(layout, instruction);
  const transposes = (transposeA ? 1 : 0) | (transposeB ? 2 : 0);
  const record = [address(layout, out), m, k, n, transposes, rows, columns, pairs.length];
  /** Bytes from one matrix to the next. */
  const pitch = (slot: Slot, of: 'a' | 'b', size: number): number => {
    if (windows?.of === of) return (slot.length / batch) * 8;
    return slot.length === size ? 0 : size * 8;
  };
  for (const { a, b } of pairs) {
    record.push(address(layout, a), pitch(a, 'a', m * k), address(layout, b), pitch(b, 'b', k * n));
  }
  const totalNs = batch * m * k * n * pairs.length * MULTIPLY_ADD_NS;
  if (windows?.of === 'out') {
    const { geometry: g } = windows;
    // Images first; channels apart only where there are fewer images than threads want.
    const blocks = Math.min(g.channels, Math.ceil((layout.threads * 4) / g.batch));
    const blockChannels = layout.threads === 1 ? g.channels : Math.ceil(g.channels / blocks);
    record[5] = g.batch / batch;
    record[6] = blockChannels;
    const units = g.batch * Math.ceil(g.channels / blockChannels);
    return step(layout, [Op.OP_MATMUL_FOLD, ...record, g.batch, ...geometry(g)], units, totalNs / units);
  }
  const windowed = windows?.of === 'a' ? Op.WINDOWS_OF_A : windows?.of === 'b' ? Op.WINDOWS_OF_B : Op.WINDOWS_OF_NONE;
  record.push(windowed, ...(windows === undefined ? [] : geometry(windows.geometry)));
  const units = batch * Math.ceil(m / rows) * Math.ceil(n / columns);
  return step(layout, [Op.OP_MATMUL, ...record], units, totalNs / units);
}

/** As assembly/windows.ts reads it. */
function geometry(g: Windows): number[] {
  const { channels, height, width, kernel, stride, dilation, padding } = g;
  return [channels, height, width, ...windowsOut(g), ...kernel, ...stride, ...dilation, padding[0], padding[1]];
}

/** The steps that carry out a checked instruction. */
export function prepare(layout: Layout, instruction: Instruction): Step[] {
  const at = (slot: Slot): number => address(layout, slot);
  const pieces = (length: number): number => Math.ceil(length / ELEMENTS_OF_UNIT);
  switch (instruction.op) {
    case 'combine':
      return [combine(layout, instruction)];
    case 'strided': {
      const { out, input, shape, strides, start } = instruction;
      const view = { shape, toStrides: rowMajorStrides(shape), fromStrides: strides };
      return [copy(layout, at(out), at(input) + start * 8, view)];
    }
    case 'assemble': {
      const { out, parts } = instruction;
      const unitBytes = 65536;
      const bytes = slotBytes(out);
      const zero = [Op.OP_FILL_ZERO, at(out), unitBytes, bytes];
      return [
        step(layout, [...zero], Math.ceil(bytes / unitBytes), 4000),
        ...parts.map(({ input, shape, strides, start }) => {
          const view = { shape, toStrides: strides, fromStrides: rowMajorStrides(shape) };
          return copy(layout, at(out) + start * 8, at(input), view);
        }),
      ];
    }
    case 'gatherRows': {
      const { out, input, index, inner } = instruction;
      const rows = inner === 0 ? 0 : input.length / inner;
      const record = [Op.OP_GATHER_ROWS, at(out), at(input), at(index), inner, rows];
      return [step(layout, record, inner === 0 ? 0 : index.length, inner + 5)];
    }
    case 'matmul':
      return [matmul(layout, instruction)];
    case 'sum': {
      const { out, input, outer, count, inner } = instruction;
      const block = 512;
      const blocks = Math.ceil(inner / block);
      const record = [Op.OP_SUM, at(out), at(input), count, inner, block, blocks];
      return [step(layout, record, outer * blocks, Math.min(inner, block) * count * 0.5)];
    }
    case 'field': {
      const { out, input, shift, width } = instruction;
      const mask = (1n << BigInt(width)) - 1n;
      const record = [Op.OP_FIELD, at(out), at(input), shift, low32(mask), low32(mask >> 32n), out.length];
      return [step(layout, record, pieces(out.length), 80)];
    }
    case 'wrap': {
      const { out, opened, top, zero, wrap, lift } = instruction;
      const record = [Op.OP_WRAP, at(out), at(opened), at(zero), at(wrap), 63 - top, lift, out.length];
      return [step(layout, record, pieces(out.length), 130)];
    }
    case 'bitPlanes': {
      const { out, input, from } = instruction;
      const record = [Op.OP_BIT_PLANES, at(out), planeBytes(out.length), out.planes, at(input), from];
      return [step(layout, record, pieces(out.length), 100 + 4 * out.planes)];
    }
    case 'bitsToWords': {
      const { out, input } = instruction;
      return [step(layout, [Op.OP_BITS_TO_WORDS, at(out), at(input), out.length], pieces(out.length), 60)];
    }
    case 'combineBits': {
      const { out, terms, constant } = instruction;
      const pieceCount = pieces(out.length);
      // Planes of one value follow each other, so without a factor of one plane they are one long plane.
      const broadcast = terms.some((term) => term.factors.some((factor) => factor.planes !== out.planes));
      const bytes = broadcast ? planeBytes(out.length) : planeBytes(out.length) * out.planes;
      const record = [Op.OP_COMBINE_BITS, at(out), bytes, constant, terms.length];
      let reads = 1;
      for (const { factors } of terms) {
        const words = [factors.length];
        for (const factor of factors) {
          words.push(at(factor), broadcast && factor.planes === out.planes ? planeBytes(out.length) : 0);
        }
        while (words.length < Op.BIT_TERM_WORDS) words.push(0);
        record.push(...words);
        reads += factors.length;
      }
      return [step(layout, record, pieceCount * out.planes, reads)];
    }
    case 'stackBits': {
      let to = at(instruction.out);
      return instruction.inputs.map((input) => {
        const moved = copyBytes(layout, to, at(input), slotBytes(input));
        to += slotBytes(input);
        return moved;
      });
    }
    case 'splitBits': {
      const { out, input } = instruction;
      if (out.length % 128 === 0) return [copyBytes(layout, at(out), at(input), slotBytes(out))];
      const bytes = planeBytes(out.length);
      return [step(layout, [Op.OP_SPLIT_BITS, at(out), bytes, out.length, at(input)], out.planes, bytes / 8)];
    }
    case 'joinBits': {
      const { out, input } = instruction;
      if (input.length % 128 === 0) return [copyBytes(layout, at(out), at(input), slotBytes(input))];
      const record = [Op.OP_JOIN_BITS, at(out), planeBytes(input.length), input.length, at(input), input.planes];
      return [step(layout, record, 1, 0)];
    }
    case 'digitLookup': {
      const { less, equal, digit, table, first } = instruction;
      const bytes = planeBytes(digit.length);
      const record = [
        Op.OP_DIGIT_LOOKUP,
        at(less),
        at(equal),
        at(digit),
        at(table),
        bytes,
        digit.planes,
        first ? 1 : 0,
      ];
      return [step(layout, record, pieces(digit.length), 4 * 2 ** digit.planes)];
    }
    case 'oneHotBits': {
      const { out, input } = instruction;
      const record = [Op.OP_ONE_HOT_BITS, at(out), at(input), planeBytes(input.length), input.planes];
      return [step(layout, record, pieces(input.length), 10 + 2 ** input.planes)];
    }
    case 'oneHotWords': {
      const { out, input, shift, bits } = instruction;
      return [step(layout, [Op.OP_ONE_HOT_WORDS, at(out), at(input), shift, bits], input.length, 5 + 2 ** bits * 0.5)];
    }
    case 'tableLookup': {
      const { out, opened, oneHot, table, polynomials, shift, bits } = instruction;
      const record = [Op.OP_TABLE_LOOKUP, at(out), at(opened), at(oneHot), at(table), polynomials, shift, bits];
      const unitNs = Math.ceil(polynomials / 4) * (10 + 2 ** bits);
      return [step(layout, [...record, opened.length], opened.length, unitNs)];
    }
    case 'selectMasked': {
      const { out, v, value, masked } = instruction;
      const record = [Op.OP_SELECT_MASKED, at(out), at(v), at(value), at(masked), out.length];
      return [step(layout, record, pieces(out.length), 130)];
    }
    case 'unfold':
    case 'fold': {
      const { op, out, input, windows: g } = instruction;
      const [outHeight, outWidth] = windowsOut(g);
      const record = [op === 'unfold' ? Op.OP_UNFOLD : Op.OP_FOLD, at(out), at(input), ...geometry(g)];
      const channelNs = outWidth * g.kernel[0] * g.kernel[1];
      if (op === 'unfold') return [step(layout, record, g.batch * outHeight, g.channels * channelNs)];
      return [step(layout, record, g.batch * g.channels, outHeight * channelNs)];
    }
  }
}
