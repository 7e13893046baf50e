/** Words moved without arithmetic: strided copies, concatenation, rows by index. One thread a word. */
import type { Instruction } from '../kernels.ts';
import { slotBytes } from '../kernels.ts';
import { elementKernel } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep, wordIndex } from './step.ts';

const zeroKernel = elementKernel('zero', 'words', 'st(q[1] + i, vec2u(0u));');

/** q: threads, to, from, number of dimensions, then of each dimension, the innermost first: size, stride of to, of from. */
const copyKernel = elementKernel(
  'copy',
  'words',
  `var rest = i;
  var to = q[1];
  var source = q[2];
  for (var d = 0u; d < q[3]; d++) {
    let size = q[4u + 3u * d];
    let at = rest % size;
    rest = rest / size;
    to += at * q[5u + 3u * d];
    source += at * q[6u + 3u * d];
  }
  st(to, ld(source));`,
);

/** q: threads, out, input, index, inner, rows, number of the instruction. */
const gatherKernel = elementKernel(
  'gather rows',
  'words',
  `let row = ld(q[3] + i / q[4]);
  if (row.y != 0u || row.x >= q[5]) {
    atomicMax(&status[0], q[6] + 1u);
    return;
  }
  st(q[1] + i, ld(q[2] + row.x * q[4] + i % q[4]));`,
);

interface Dimension {
  readonly size: number;
  readonly to: number;
  readonly from: number;
}

/** The same copy with the fewest dimensions, the innermost first. */
function merged(shape: readonly number[], to: readonly number[], from: readonly number[]): Dimension[] {
  const dimensions: Dimension[] = [];
  for (let d = shape.length - 1; d >= 0; d--) {
    const next = { size: shape[d]!, to: to[d]!, from: from[d]! };
    const inner = dimensions.at(-1);
    if (next.size === 1) continue;
    if (inner !== undefined && next.to === inner.to * inner.size && next.from === inner.from * inner.size) {
      dimensions[dimensions.length - 1] = { ...inner, size: inner.size * next.size };
    } else {
      dimensions.push(next);
    }
  }
  return dimensions;
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

/** `to` and `from` are indices of words. */
function copyStep(
  to: number,
  from: number,
  shape: readonly number[],
  toStrides: readonly number[],
  fromStrides: readonly number[],
): Step {
  const dimensions = merged(shape, toStrides, fromStrides);
  const args = dimensions.flatMap((dimension) => [dimension.size, dimension.to, dimension.from]);
  const count = shape.reduce((product, size) => product * size, 1);
  return elementStep(copyKernel, count, to, from, dimensions.length, ...args);
}

export function stridedSteps({ out, input, shape, strides, start }: Instruction & { op: 'strided' }): Step[] {
  return [copyStep(wordIndex(out), wordIndex(input) + start, shape, rowMajorStrides(shape), strides)];
}

export function assembleSteps({ out, parts }: Instruction & { op: 'assemble' }): Step[] {
  const copies = parts.map(({ input, shape, strides, start }) =>
    copyStep(wordIndex(out) + start, wordIndex(input), shape, strides, rowMajorStrides(shape)),
  );
  const [only] = parts;
  if (parts.length === 1 && only?.input.length === out.length) return copies;
  return [elementStep(zeroKernel, out.length, wordIndex(out)), ...copies];
}

export function gatherRowsSteps(instruction: Instruction & { op: 'gatherRows' }, number: number): Step[] {
  const { out, input, index, inner } = instruction;
  const rows = inner === 0 ? 0 : input.length / inner;
  const args = [wordIndex(out), wordIndex(input), wordIndex(index), inner, rows, number];
  return [elementStep(gatherKernel, out.length, ...args)];
}

/** Whole planes one after the other: planes take whole words. */
export function stackBitsSteps({ out, inputs }: Instruction & { op: 'stackBits' }): Step[] {
  let to = wordIndex(out);
  return inputs.map((input) => {
    const words = slotBytes(input) / 8;
    const step = copyStep(to, wordIndex(input), [words], [1], [1]);
    to += words;
    return step;
  });
}
