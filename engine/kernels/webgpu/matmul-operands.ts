/** How kernels of matrix products find their operands and leave their results. Knows nothing of how they multiply. */
import { groupNumber } from './kernel.ts';

/**
 * WGSL of three functions for kernels whose q begins: m, n, k, batch, out, transposed A, transposed B, number of pairs, then of
 * each pair: A, words from one matrix to the next, B, likewise. `elementA` and `elementB` give the words at (row, l) and
 * (l, column) of matrices that begin at `base`, zero outside; `put` takes a result at (row, column) inside matrix `matrix`.
 */
export interface Operands {
  /** Part of the key of every kernel with these. */
  readonly name: string;
  readonly functions: string;
}

export const storedA = `
fn elementA(base: u32, row: u32, l: u32) -> vec2u {
  if (row >= q[0] || l >= q[2]) { return vec2u(0u); }
  return ld(base + select(row * q[2] + l, l * q[0] + row, q[5] == 1u));
}`;

export const storedB = `
fn elementB(base: u32, l: u32, column: u32) -> vec2u {
  if (l >= q[2] || column >= q[1]) { return vec2u(0u); }
  return ld(base + select(l * q[1] + column, column * q[2] + l, q[6] == 1u));
}`;

export const storedOut = `
fn put(matrix: u32, row: u32, column: u32, word: vec2u) {
  st(q[4] + (matrix * q[0] + row) * q[1] + column, word);
}`;

/** Matrices as they lie in memory. */
export const stored: Operands = { name: 'stored', functions: storedA + storedB + storedOut };

/** WGSL that begins a kernel whose workgroups make a tile of the result each: `matrix`, and `row0`, `column0` of its tile. */
export function tilePlace(tileRows: number, tileColumns: number): string {
  return `  let tilesAcross = (q[1] + ${tileColumns - 1}u) / ${tileColumns}u;
  let tiles = tilesAcross * ((q[0] + ${tileRows - 1}u) / ${tileRows}u);
  let tile = ${groupNumber};
  if (tile >= tiles * q[3]) { return; }
  let matrix = tile / tiles;
  let row0 = ((tile % tiles) / tilesAcross) * ${tileRows}u;
  let column0 = (tile % tilesAcross) * ${tileColumns}u;`;
}
