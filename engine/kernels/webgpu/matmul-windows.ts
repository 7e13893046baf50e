/**
 * Products of which one matrix is windows of images (WindowedMatrix), for all kernels of products: convolutions as implicit
 * matrix products. A and B read a window's word from its pixel. Of an `out` every pixel is one result: its row is the pixel, its
 * column the channel, and its terms are all cells of the kernel and all words of A's rows, so that no two threads add to one word.
 */
import type { Instruction, WindowedMatrix } from '../kernels.ts';
import { windowsOut } from '../kernels.ts';
import { entryArguments, GROUP_THREADS, groupNumber, spread } from './kernel.ts';
import type { Kernel } from './kernel.ts';
import { storedA, storedB, storedOut } from './matmul-operands.ts';
import type { Operands } from './matmul-operands.ts';

/** q behind the pairs: channels, height, width, out height, out width, kernel, stride, dilation, top, left, words of A's rows. */
const geometry = `let g = 8u + 4u * q[7];
  let channels = q[g];
  let height = q[g + 1u];
  let width = q[g + 2u];
  let outHeight = q[g + 3u];
  let outWidth = q[g + 4u];
  let kernel = vec2u(q[g + 5u], q[g + 6u]);
  let stride = vec2u(q[g + 7u], q[g + 8u]);
  let dilation = vec2u(q[g + 9u], q[g + 10u]);
  let top = q[g + 11u];
  let left = q[g + 12u];`;

const windowFunction = `
fn windowWord(base: u32, row: u32, cell: u32) -> vec2u {
  ${geometry}
  let oy = (row / outWidth) % outHeight;
  let image = row / (outWidth * outHeight);
  let c = cell / (kernel.x * kernel.y);
  // Cells of the top and left padding wrap around to numbers far above the size.
  let y = oy * stride.x + ((cell / kernel.y) % kernel.x) * dilation.x - top;
  let x = (row % outWidth) * stride.y + (cell % kernel.y) * dilation.y - left;
  if (y >= height || x >= width) { return vec2u(0u); }
  return ld(base + ((image * channels + c) * height + y) * width + x);
}`;

const windowedA = `${windowFunction}
fn elementA(base: u32, row: u32, l: u32) -> vec2u {
  if (row >= q[0] || l >= q[2]) { return vec2u(0u); }
  return windowWord(base, row, l);
}`;

const windowedB = `${windowFunction}
fn elementB(base: u32, l: u32, column: u32) -> vec2u {
  if (l >= q[2] || column >= q[1]) { return vec2u(0u); }
  return windowWord(base, l, column);
}`;

/** Term l of a pixel is word l % depth of the row of A whose window has the pixel as its cell l / depth. */
const windowedOut = `
fn elementA(base: u32, row: u32, l: u32) -> vec2u {
  ${geometry}
  if (row >= q[0] || l >= q[2]) { return vec2u(0u); }
  let depth = q[g + 13u];
  let ky = l / depth / kernel.y;
  let kx = (l / depth) % kernel.y;
  let y = (row / width) % height + top;
  let x = row % width + left;
  if (y < ky * dilation.x || x < kx * dilation.y) { return vec2u(0u); }
  let ahead = vec2u(y - ky * dilation.x, x - kx * dilation.y);
  let at = ahead / stride;
  if (any(ahead % stride != vec2u(0u)) || at.x >= outHeight || at.y >= outWidth) { return vec2u(0u); }
  let image = row / (width * height);
  return ld(base + ((image * outHeight + at.x) * outWidth + at.y) * depth + l % depth);
}
fn elementB(base: u32, l: u32, column: u32) -> vec2u {
  ${geometry}
  if (l >= q[2] || column >= q[1]) { return vec2u(0u); }
  let depth = q[g + 13u];
  let cells = kernel.x * kernel.y;
  let word = column * cells + l / depth;
  return ld(base + select((l % depth) * channels * cells + word, word * depth + l % depth, q[6] == 1u));
}
fn put(matrix: u32, row: u32, column: u32, word: vec2u) {
  let g = 8u + 4u * q[7];
  let pixels = q[g + 1u] * q[g + 2u];
  st(q[4] + matrix * q[0] * q[1] + ((row / pixels) * q[1] + column) * pixels + row % pixels, word);
}`;

const operandsOf: Readonly<Record<WindowedMatrix['of'], Operands>> = {
  a: { name: 'windows of a', functions: windowedA + storedB + storedOut },
  b: { name: 'windows of b', functions: storedA + windowedB + storedOut },
  out: { name: 'windows of out', functions: windowedOut },
};

/** A product of a device: the sizes of what its kernel multiplies, where it finds that, and arguments behind the pairs. */
export interface WindowedProduct {
  readonly operands: Operands;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly args: readonly number[];
}

export function windowedProduct(instruction: Instruction & { op: 'matmul' }, windows: WindowedMatrix): WindowedProduct {
  const { batch, m, k, n } = instruction;
  const { of, geometry: g } = windows;
  const args = [g.channels, g.height, g.width, ...windowsOut(g), ...g.kernel, ...g.stride, ...g.dilation];
  args.push(g.padding[0], g.padding[1], k);
  const operands = operandsOf[of];
  if (of !== 'out') return { operands, m, k, n, args };
  const pixels = (g.batch / Math.max(batch, 1)) * g.height * g.width;
  return { operands, m: pixels, k: k * g.kernel[0] * g.kernel[1], n: g.channels, args };
}

/** One thread a result: short to compile, and for products too thin for tiles. */
export function untiledKernel({ name, functions }: Operands): Kernel {
  const code = `${functions}
@compute @workgroup_size(${GROUP_THREADS}) fn main(${entryArguments}) {
  let i = (${groupNumber}) * ${GROUP_THREADS}u + lid;
  if (i >= q[0] * q[1] * q[3]) { return; }
  let column = i % q[1];
  let row = (i / q[1]) % q[0];
  let matrix = i / (q[0] * q[1]);
  var sum = vec2u(0u);
  for (var pair = 0u; pair < q[7]; pair++) {
    let a = q[8u + 4u * pair] + matrix * q[9u + 4u * pair];
    let b = q[10u + 4u * pair] + matrix * q[11u + 4u * pair];
    for (var l = 0u; l < q[2]; l++) { sum = add(sum, mul(elementA(a, row, l), elementB(b, l, column))); }
  }
  put(matrix, row, column, sum);
}`;
  return { key: `matmul naive16 ${name}`, view: 'words', use: 'program', code };
}

export function untiledGroups(results: number): readonly [x: number, y: number] {
  return spread(Math.ceil(results / GROUP_THREADS));
}
