/** Convolution windows as rows of a matrix, and back. */
import { arg, fillWords } from './args';

// Record of both: out, input, channels, height, width, outHeight, outWidth, kernel (2), stride (2), dilation (2), padding top, left.

/** Units: rows of output positions (batch * outHeight). */
export function unfold(record: usize, from: u32, to: u32): void {
  const input = <usize>arg(record, 1);
  const channels = arg(record, 2);
  const height = <i32>arg(record, 3);
  const width = <i32>arg(record, 4);
  const outHeight = arg(record, 5);
  const outWidth = arg(record, 6);
  const kernelHeight = <i32>arg(record, 7);
  const kernelWidth = <i32>arg(record, 8);
  const strideY = <i32>arg(record, 9);
  const strideX = <i32>arg(record, 10);
  const dilationY = <i32>arg(record, 11);
  const dilationX = <i32>arg(record, 12);
  const top = <i32>arg(record, 13);
  const left = <i32>arg(record, 14);
  const window = <usize>channels * kernelHeight * kernelWidth;
  let out = <usize>arg(record, 0) + ((<usize>from * outWidth * window) << 3);
  for (let unit = from; unit < to; unit++) {
    const image = (unit / outHeight) * channels;
    const y0 = <i32>(unit % outHeight) * strideY - top;
    for (let ox: u32 = 0; ox < outWidth; ox++) {
      const x0 = <i32>ox * strideX - left;
      for (let c: u32 = 0; c < channels; c++) {
        for (let ky = 0; ky < kernelHeight; ky++) {
          const y = y0 + ky * dilationY;
          if (y < 0 || y >= height) {
            fillWords(out, 0, kernelWidth);
            out += (<usize>kernelWidth) << 3;
            continue;
          }
          const row = input + ((<usize>((image + c) * height + y) * width) << 3);
          let x = x0;
          for (let kx = 0; kx < kernelWidth; kx++) {
            store<u64>(out, x >= 0 && x < width ? load<u64>(row + ((<usize>x) << 3)) : 0);
            out += 8;
            x += dilationX;
          }
        }
      }
    }
  }
}

/** Units: channel images (batch * channels); windows of one image overlap, those of two never do. */
export function fold(record: usize, from: u32, to: u32): void {
  const input = <usize>arg(record, 1);
  const channels = arg(record, 2);
  const height = <i32>arg(record, 3);
  const width = <i32>arg(record, 4);
  const outHeight = arg(record, 5);
  const outWidth = arg(record, 6);
  const kernelHeight = <i32>arg(record, 7);
  const kernelWidth = <i32>arg(record, 8);
  const strideY = <i32>arg(record, 9);
  const strideX = <i32>arg(record, 10);
  const dilationY = <i32>arg(record, 11);
  const dilationX = <i32>arg(record, 12);
  const top = <i32>arg(record, 13);
  const left = <i32>arg(record, 14);
  const cells = <usize>kernelHeight * kernelWidth;
  const window = (<usize>channels * cells) << 3;
  const imageBytes = (<usize>height * width) << 3;
  for (let unit = from; unit < to; unit++) {
    const image = <usize>arg(record, 0) + <usize>unit * imageBytes;
    memory.fill(image, 0, imageBytes);
    const b = unit / channels;
    let cell = input + <usize>b * outHeight * outWidth * window + ((<usize>(unit % channels) * cells) << 3);
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      const y0 = <i32>oy * strideY - top;
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const x0 = <i32>ox * strideX - left;
        let at = cell;
        for (let ky = 0; ky < kernelHeight; ky++) {
          const y = y0 + ky * dilationY;
          if (y >= 0 && y < height) {
            const row = image + ((<usize>(y * width)) << 3);
            let x = x0;
            for (let kx = 0; kx < kernelWidth; kx++) {
              if (x >= 0 && x < width) {
                const target = row + ((<usize>x) << 3);
                store<u64>(target, load<u64>(target) + load<u64>(at + ((<usize>kx) << 3)));
              }
              x += dilationX;
            }
          }
          at += (<usize>kernelWidth) << 3;
        }
        cell += window;
      }
    }
  }
}
