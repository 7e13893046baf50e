/**
 * Checks instructions against the contract of kernels.ts: slots inside the memory and aligned, lengths that fit each other,
 * outputs that overlap nothing. Every kernel set checks a program once, before its first run, so that a defect of the
 * planner shows as an error and not as a corrupted memory. Knows nothing of how instructions are carried out.
 */
import type { BitSlot, Instruction, Slot, Windows, WordSlot } from './kernels.ts';
import { slotBytes, windowsOut } from './kernels.ts';
import { InternalError } from '../../shared/errors.ts';

function fail(text: string): never {
  throw new InternalError('kernel-bad-instruction', text);
}

function expectThat(condition: boolean, text: () => string): void {
  if (!condition) fail(text());
}

/** Throws unless the slot lies inside a memory of `bytes` bytes and is aligned. */
export function checkSlot(slot: Slot, bytes: number): void {
  const alignment = slot.kind === 'words' ? 8 : 16;
  const fits =
    Number.isSafeInteger(slot.offset) &&
    slot.offset >= 0 &&
    slot.offset % alignment === 0 &&
    Number.isSafeInteger(slot.length) &&
    slot.length >= 0 &&
    (slot.kind === 'words' || (Number.isSafeInteger(slot.planes) && slot.planes >= 0)) &&
    slot.offset + slotBytes(slot) <= bytes;
  if (!fits) {
    const text = slot.kind === 'words' ? `${slot.length} words` : `${slot.planes} planes of ${slot.length} bits`;
    fail(`A slot of ${text} at byte ${slot.offset} does not fit a memory of ${bytes} bytes.`);
  }
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}

/** A strided view with this shape touches only elements 0 .. length - 1. */
function checkView(
  view: { shape: readonly number[]; strides: readonly number[]; start: number },
  length: number,
  where: string,
): void {
  const { shape, strides, start } = view;
  expectThat(shape.length === strides.length, () => `${where}: ${shape.length} sizes but ${strides.length} strides.`);
  expectThat(
    shape.every((size) => Number.isSafeInteger(size) && size >= 0) && strides.every(Number.isSafeInteger),
    () => `${where}: sizes and strides must be whole numbers.`,
  );
  if (product(shape) === 0) return;
  let lowest = start;
  let highest = start;
  shape.forEach((size, d) => {
    const reach = (size - 1) * strides[d]!;
    if (reach < 0) lowest += reach;
    else highest += reach;
  });
  expectThat(
    lowest >= 0 && highest < length,
    () => `${where}: the view reaches elements ${lowest} to ${highest} of a tensor of ${length}.`,
  );
}

/** No two positions of a view are the same element: each stride passes everything that the smaller ones reach. */
function checkDistinct(view: { shape: readonly number[]; strides: readonly number[] }, where: string): void {
  if (product(view.shape) === 0) return;
  const dimensions = view.shape
    .map((size, d) => ({ size, stride: Math.abs(view.strides[d]!) }))
    .filter(({ size }) => size > 1)
    .sort((a, b) => a.stride - b.stride);
  let reach = 0;
  for (const { size, stride } of dimensions) {
    expectThat(stride > reach, () => `${where}: the view names an element twice.`);
    reach += (size - 1) * stride;
  }
}

export interface Operands {
  readonly outputs: readonly Slot[];
  readonly inputs: readonly Slot[];
}

/** What an instruction reads and writes. Throws unless lengths fit each other. */
export function operandsOf(instruction: Instruction, wordBits: number): Operands {
  const { op } = instruction;
  const words = (slot: WordSlot, length: number, name: string): void =>
    expectThat(slot.length === length, () => `${op}: ${name} has ${slot.length} words instead of ${length}.`);
  const bits = (slot: BitSlot, length: number, planes: number, name: string): void =>
    expectThat(
      slot.length === length && slot.planes === planes,
      () => `${op}: ${name} has ${slot.planes} planes of ${slot.length} bits instead of ${planes} of ${length}.`,
    );
  const range = (value: number, lowest: number, highest: number, name: string): void =>
    expectThat(
      Number.isSafeInteger(value) && value >= lowest && value <= highest,
      () => `${op}: ${name} is ${value}, outside ${lowest} to ${highest}.`,
    );

  /** Words of the images, rows of windows and words of a row, of a geometry that makes sense. */
  const windowSizes = (g: Windows): { image: number; rows: number; columns: number } => {
    const [outHeight, outWidth] = windowsOut(g);
    for (const size of [g.batch, g.channels, g.height, g.width, outHeight, outWidth]) {
      range(size, 0, Number.MAX_SAFE_INTEGER, 'a size of the windows');
    }
    for (const size of [...g.kernel, ...g.stride, ...g.dilation]) {
      range(size, 1, Number.MAX_SAFE_INTEGER, 'kernel, stride or dilation');
    }
    for (const size of g.padding) range(size, 0, Number.MAX_SAFE_INTEGER, 'padding');
    return {
      image: g.batch * g.channels * g.height * g.width,
      rows: g.batch * outHeight * outWidth,
      columns: g.channels * g.kernel[0] * g.kernel[1],
    };
  };

  switch (instruction.op) {
    case 'combine': {
      const { out, terms } = instruction;
      for (const { factors } of terms) {
        range(factors.length, 0, 4, 'number of factors');
        for (const { slot } of factors) {
          expectThat(
            out.length === 0 || (slot.length > 0 && out.length % slot.length === 0),
            () => `${op}: a factor of ${slot.length} words does not divide an output of ${out.length}.`,
          );
        }
      }
      return { outputs: [out], inputs: terms.flatMap((term) => term.factors.map((factor) => factor.slot)) };
    }
    case 'strided': {
      const { out, input, shape } = instruction;
      words(out, product(shape), 'out');
      checkView(instruction, input.length, `${op} input`);
      return { outputs: [out], inputs: [input] };
    }
    case 'assemble': {
      for (const part of instruction.parts) {
        words(part.input, product(part.shape), 'a part');
        checkView(part, instruction.out.length, `${op} part`);
        checkDistinct(part, `${op} part`);
      }
      return { outputs: [instruction.out], inputs: instruction.parts.map((part) => part.input) };
    }
    case 'gatherRows': {
      const { out, input, index, inner } = instruction;
      range(inner, 0, Number.MAX_SAFE_INTEGER, 'inner');
      words(out, index.length * inner, 'out');
      expectThat(
        inner === 0 || input.length % inner === 0,
        () => `${op}: input of ${input.length} words has no rows of ${inner}.`,
      );
      return { outputs: [out], inputs: [input, index] };
    }
    case 'matmul': {
      const { out, pairs, batch, m, k, n, transposeA, transposeB, windows } = instruction;
      for (const size of [batch, m, k, n]) range(size, 0, Number.MAX_SAFE_INTEGER, 'a size');
      const matrix = (
        slot: WordSlot,
        of: 'a' | 'b' | 'out',
        rows: number,
        columns: number,
        isShared: boolean,
      ): void => {
        if (windows?.of !== of) {
          if (!isShared || slot.length !== rows * columns) words(slot, batch * rows * columns, of);
          return;
        }
        const size = windowSizes(windows.geometry);
        words(slot, size.image, `the image of ${of}`);
        expectThat(
          size.rows === batch * rows && size.columns === columns && windows.geometry.batch % Math.max(batch, 1) === 0,
          () => `${op}: ${size.rows} windows of ${size.columns} stand for ${batch} matrices of ${rows} x ${columns}.`,
        );
        const isTransposed = of === 'b' ? transposeB : transposeA;
        expectThat(!isTransposed, () => `${op}: windows in ${of} go with no transposed ${of === 'b' ? 'b' : 'a'}.`);
      };
      matrix(out, 'out', m, n, false);
      for (const { a, b } of pairs) {
        matrix(a, 'a', m, k, true);
        matrix(b, 'b', k, n, true);
      }
      return { outputs: [out], inputs: pairs.flatMap(({ a, b }) => [a, b]) };
    }
    case 'sum': {
      const { out, input, outer, count, inner } = instruction;
      words(out, outer * inner, 'out');
      words(input, outer * count * inner, 'input');
      return { outputs: [out], inputs: [input] };
    }
    case 'field': {
      const { out, input, shift, width } = instruction;
      words(out, input.length, 'out');
      range(shift, 0, wordBits, 'shift');
      range(width, 0, wordBits - shift, 'width');
      return { outputs: [out], inputs: [input] };
    }
    case 'wrap': {
      const { out, opened, top, zero, wrap, lift } = instruction;
      words(opened, out.length, 'opened');
      words(zero, out.length, 'zero');
      words(wrap, out.length, 'wrap');
      range(top, 0, wordBits - 1, 'top');
      range(lift, 0, wordBits - 1, 'lift');
      return { outputs: [out], inputs: [opened, zero, wrap] };
    }
    case 'bitPlanes': {
      const { out, input, from } = instruction;
      bits(out, input.length, out.planes, 'out');
      range(from, 0, wordBits - out.planes, 'from');
      return { outputs: [out], inputs: [input] };
    }
    case 'bitsToWords': {
      const { out, input } = instruction;
      bits(input, out.length, 1, 'input');
      return { outputs: [out], inputs: [input] };
    }
    case 'combineBits': {
      const { out, terms } = instruction;
      for (const { factors } of terms) {
        range(factors.length, 1, 8, 'number of factors');
        for (const factor of factors) bits(factor, out.length, factor.planes === 1 ? 1 : out.planes, 'a factor');
      }
      return { outputs: [out], inputs: terms.flatMap((term) => term.factors) };
    }
    case 'stackBits': {
      const { out, inputs } = instruction;
      const planes = inputs.reduce((count, input) => count + input.planes, 0);
      bits(out, out.length, planes, 'out');
      for (const input of inputs) bits(input, out.length, input.planes, 'an input');
      return { outputs: [out], inputs };
    }
    case 'splitBits': {
      const { out, input } = instruction;
      bits(input, out.length * out.planes, 1, 'input');
      return { outputs: [out], inputs: [input] };
    }
    case 'joinBits': {
      const { out, input } = instruction;
      bits(out, input.length * input.planes, 1, 'out');
      return { outputs: [out], inputs: [input] };
    }
    case 'digitLookup': {
      const { less, equal, digit, table } = instruction;
      range(digit.planes, 1, 12, 'digit planes');
      bits(table, digit.length, 2 ** digit.planes - 1, 'table');
      bits(less, digit.length, 1, 'less');
      bits(equal, digit.length, 1, 'equal');
      return { outputs: [less, equal], inputs: [digit, table] };
    }
    case 'oneHotBits': {
      const { out, input } = instruction;
      range(input.planes, 1, 12, 'input planes');
      bits(out, input.length, 2 ** input.planes - 1, 'out');
      return { outputs: [out], inputs: [input] };
    }
    case 'oneHotWords': {
      const { out, input, shift, bits: width } = instruction;
      range(width, 0, Math.min(12, wordBits), 'bits');
      range(shift, 0, wordBits - width, 'shift');
      words(out, input.length * 2 ** width, 'out');
      return { outputs: [out], inputs: [input] };
    }
    case 'tableLookup': {
      const { out, opened, oneHot, table, polynomials, shift, bits: width } = instruction;
      range(width, 0, Math.min(12, wordBits), 'bits');
      range(shift, 0, wordBits - width, 'shift');
      words(out, polynomials * opened.length, 'out');
      words(oneHot, opened.length * 2 ** width, 'oneHot');
      words(table, polynomials * 2 ** width, 'table');
      return { outputs: [out], inputs: [opened, oneHot, table] };
    }
    case 'selectMasked': {
      const { out, v, value, masked } = instruction;
      bits(v, out.length, 1, 'v');
      words(value, out.length, 'value');
      words(masked, out.length, 'masked');
      return { outputs: [out], inputs: [v, value, masked] };
    }
    case 'unfold':
    case 'fold': {
      const { out, input } = instruction;
      const { image, rows, columns } = windowSizes(instruction.windows);
      words(op === 'unfold' ? input : out, image, 'the image');
      words(op === 'unfold' ? out : input, rows * columns, 'the windows');
      return { outputs: [out], inputs: [input] };
    }
  }
}

function overlap(a: Slot, b: Slot): boolean {
  const empty = slotBytes(a) === 0 || slotBytes(b) === 0;
  return !empty && a.offset < b.offset + slotBytes(b) && b.offset < a.offset + slotBytes(a);
}

/**
 * Throws InternalError `kernel-bad-instruction`, naming the instruction, unless every instruction keeps the contract.
 * Indices of gatherRows are data and not checked here.
 */
export function checkProgram(program: readonly Instruction[], memoryBytes: number, wordBits: number): void {
  program.forEach((instruction, index) => {
    try {
      const { outputs, inputs } = operandsOf(instruction, wordBits);
      for (const slot of [...outputs, ...inputs]) checkSlot(slot, memoryBytes);
      outputs.forEach((output, o) => {
        const others = [...inputs, ...outputs.slice(o + 1)];
        if (others.some((other) => overlap(output, other))) fail('the output overlaps another operand.');
      });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new InternalError('kernel-bad-instruction', `Instruction ${index} (${instruction.op}): ${text}`);
    }
  });
}
