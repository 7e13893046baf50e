/**
 * Windows of images as rows, and the adjoint. One thread an element of the output: fold looks up the rows that hold its pixel,
 * so that no two threads add to one word.
 */
import type { Instruction } from '../kernels.ts';
import { windowsOut } from '../kernels.ts';
import { elementKernel } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep, wordIndex } from './step.ts';

/** q: threads, out, input, channels, height, width, out height, out width, kernel, stride, dilation, top, left. */
const geometry = `let channels = q[3];
  let height = q[4];
  let width = q[5];
  let outHeight = q[6];
  let outWidth = q[7];
  let kernel = vec2u(q[8], q[9]);
  let stride = vec2u(q[10], q[11]);
  let dilation = vec2u(q[12], q[13]);
  let top = q[14];
  let left = q[15];`;

const unfoldKernel = elementKernel(
  'unfold',
  'words',
  `${geometry}
  var rest = i;
  let kx = rest % kernel.y; rest /= kernel.y;
  let ky = rest % kernel.x; rest /= kernel.x;
  let c = rest % channels; rest /= channels;
  let ox = rest % outWidth; rest /= outWidth;
  let oy = rest % outHeight; rest /= outHeight;
  // Cells of the top and left padding wrap around to numbers far above the size.
  let y = oy * stride.x + ky * dilation.x - top;
  let x = ox * stride.y + kx * dilation.y - left;
  var word = vec2u(0u);
  if (y < height && x < width) {
    word = ld(q[2] + ((rest * channels + c) * height + y) * width + x);
  }
  st(q[1] + i, word);`,
);

const foldKernel = elementKernel(
  'fold',
  'words',
  `${geometry}
  var rest = i;
  let x = rest % width; rest /= width;
  let y = rest % height; rest /= height;
  let c = rest % channels; rest /= channels;
  var sum = vec2u(0u);
  for (var ky = 0u; ky < kernel.x; ky++) {
    let fromY = y + top - ky * dilation.x;
    if (y + top < ky * dilation.x || fromY % stride.x != 0u || fromY / stride.x >= outHeight) { continue; }
    for (var kx = 0u; kx < kernel.y; kx++) {
      let fromX = x + left - kx * dilation.y;
      if (x + left < kx * dilation.y || fromX % stride.y != 0u || fromX / stride.y >= outWidth) { continue; }
      let row = (rest * outHeight + fromY / stride.x) * outWidth + fromX / stride.y;
      sum = add(sum, ld(q[2] + ((row * channels + c) * kernel.x + ky) * kernel.y + kx));
    }
  }
  st(q[1] + i, sum);`,
);

export function windowsSteps(instruction: Instruction & { op: 'unfold' | 'fold' }): Step[] {
  const { op, out, input, windows: g } = instruction;
  const [outHeight, outWidth] = windowsOut(g);
  const args = [wordIndex(out), wordIndex(input), g.channels, g.height, g.width, outHeight, outWidth];
  args.push(...g.kernel, ...g.stride, ...g.dilation, g.padding[0], g.padding[1]);
  return [elementStep(op === 'unfold' ? unfoldKernel : foldKernel, out.length, ...args)];
}
