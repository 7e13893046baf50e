/**
 * Matrix products mod 2^64 on tiles in workgroup memory. With a = al + ah 2^32 and b likewise, only al bl needs 64 bits;
 * al bh + ah bl goes into the high half, mod 2^32. The variants differ in how they make al bl from narrower products:
 *   naive16  four products of 16 bits a multiply-add, no tile: short to compile, for thin matrices and as a yardstick;
 *   imad9    9 multiply-adds of 32 bits: al in 2 parts of 16 bits, bl in 4 of 8, sums of 24-bit products exact for 128 terms;
 *   dp4a36   9 dot products of 4 bytes: all 36 pairs of byte limbs that matter, four k at a time, by diagonals; a diagonal that
 *            is shifted into the low half has at most 4 pairs, so it is exact for 16384 terms; the others may wrap;
 *   hyb6     4 dot products for al bl by diagonals as above, 2 multiply-adds of 32 bits for the rest;
 *   matrix36 all 36 pairs of byte limbs on matrix units, on cards that offer those (matmul-matrix.ts).
 * Which one is fastest depends on the card: tune.ts measures. Knows nothing of protocols.
 */
import type { Instruction, WordSlot } from '../kernels.ts';
import type { Kernel } from './kernel.ts';
import { elementKernel, entryArguments, spread } from './kernel.ts';
import { matrixKernel } from './matmul-matrix.ts';
import { stored, tilePlace } from './matmul-operands.ts';
import type { Operands } from './matmul-operands.ts';
import { untiledGroups, untiledKernel, windowedProduct } from './matmul-windows.ts';
import { matrixTiling } from './matrix-units.ts';
import type { MatrixUnits } from './matrix-units.ts';
import type { Step } from './step.ts';
import { elementStep, wordIndex } from './step.ts';
import { InternalError } from '../../../shared/errors.ts';

/** Variant, then rows x columns of a thread. Kept from the smallest to compile to the largest. */
export const MATMUL_VARIANTS = [
  'naive16',
  'imad9_2x2',
  'imad9_4x2',
  'imad9_4x4',
  'dp4a36_2x2',
  'dp4a36_4x2',
  'hyb6_2x2',
  'hyb6_4x2',
  'hyb6_4x4',
  'matrix36_1x1',
  'matrix36_1x2',
] as const;
export type MatmulVariant = (typeof MATMUL_VARIANTS)[number];

/** How a device carries out products. */
export interface Products {
  readonly variant: MatmulVariant;
  /** What the device offers; the variants on matrix units need it. */
  readonly matrixUnits?: MatrixUnits | undefined;
}

/** Rows x columns of a thread, or of a subgroup in results of matrix units. */
function partOf(variant: MatmulVariant): readonly [scheme: string, rows: number, columns: number] {
  const [scheme = '', size] = variant.split('_');
  const [rows = 1, columns = 1] = (size ?? '1x1').split('x').map(Number);
  return [scheme, rows, columns];
}

/** The variants that a device with these matrix units, or without any, has. */
export function offeredVariants(units: MatrixUnits | undefined): MatmulVariant[] {
  return MATMUL_VARIANTS.filter((variant) => {
    const [scheme, rows, columns] = partOf(variant);
    return scheme !== 'matrix36' || (units !== undefined && matrixTiling(units, [rows, columns]) !== undefined);
  });
}

/** A workgroup is SIDE x SIDE threads. */
const SIDE = 16;
/** Products with fewer rows or columns would leave most of a tile idle. */
const THIN = 4;

const IMAD_EXACT_TERMS = 128;
const BYTES_EXACT_TERMS = 16384;

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** Lines for every (row, column) of a thread. */
function each(rows: number, columns: number, make: (i: number, j: number) => string): string {
  return range(rows, (i) => range(columns, (j) => make(i, j)).join('\n')).join('\n');
}

/** What a variant puts around the loops that all have: load a tile of depth, multiply, fold. */
interface Scheme {
  /** Depth of a tile. */
  readonly depth: number;
  /** Terms after which sums must be folded; a multiple of depth. */
  readonly exactTerms: number;
  /** Workgroup variables. */
  readonly shared: string;
  /** Names of a result's sums, all u32. */
  readonly sums: readonly string[];
  /** Fills the tile from `aBase`, `bBase` at depth `l0`. */
  readonly load: string;
  readonly multiply: string;
  /** Expression of the word that sums with suffix `at` stand for. */
  readonly folded: (at: string) => string;
}

function imad9(rows: number, columns: number): Scheme {
  const [tileRows, tileColumns, depth] = [SIDE * rows, SIDE * columns, 16];
  return {
    depth,
    exactTerms: IMAD_EXACT_TERMS,
    shared: `var<workgroup> tileA: array<vec2u, ${tileRows * depth}>;
var<workgroup> tileB: array<vec2u, ${tileColumns * depth}>;`,
    sums: ['s0', 's8', 's16', 's24', 'high'],
    load: `
    for (var e = lid; e < ${tileRows * depth}u; e += ${SIDE * SIDE}u) {
      let row = select(e / ${depth}u, e % ${tileRows}u, q[5] == 1u);
      let l = select(e % ${depth}u, e / ${tileRows}u, q[5] == 1u);
      tileA[l * ${tileRows}u + row] = elementA(aBase, row0 + row, l0 + l);
    }
    for (var e = lid; e < ${tileColumns * depth}u; e += ${SIDE * SIDE}u) {
      let column = select(e % ${tileColumns}u, e / ${depth}u, q[6] == 1u);
      let l = select(e / ${tileColumns}u, e % ${depth}u, q[6] == 1u);
      tileB[l * ${tileColumns}u + column] = elementB(bBase, l0 + l, column0 + column);
    }`,
    multiply: `
    for (var l = 0u; l < ${depth}u; l++) {
      ${range(rows, (i) => `let a${i} = tileA[l * ${tileRows}u + ty + ${SIDE * i}u]; let p${i} = a${i}.x & 0xffffu; let r${i} = a${i}.x >> 16u;`).join('\n')}
      ${range(
        columns,
        (j) => `let b${j} = tileB[l * ${tileColumns}u + tx + ${SIDE * j}u];
      let x${j} = b${j}.x & 255u; let y${j} = (b${j}.x >> 8u) & 255u; let z${j} = (b${j}.x >> 16u) & 255u;
      let w${j} = b${j}.x >> 24u; let v${j} = b${j}.x >> 16u;`,
      ).join('\n')}
      ${each(
        rows,
        columns,
        (i, j) => `s0_${i}_${j} += p${i} * x${j}; s8_${i}_${j} += p${i} * y${j};
      s16_${i}_${j} += p${i} * z${j} + r${i} * x${j}; s24_${i}_${j} += p${i} * w${j} + r${i} * y${j};
      high_${i}_${j} += r${i} * v${j} + a${i}.x * b${j}.y + a${i}.y * b${j}.x;`,
      )}
    }`,
    folded: (at) =>
      `add(add(vec2u(s0_${at}, high_${at}), vec2u(s8_${at} << 8u, s8_${at} >> 24u)),
        add(vec2u(s16_${at} << 16u, s16_${at} >> 16u), vec2u(s24_${at} << 24u, s24_${at} >> 8u)))`,
  };
}

/** Diagonals 0 .. count - 1 of byte products as a word; those from 4 on reach the high half only. */
function foldedDiagonals(at: string, count: number, high: string): string {
  const upper = range(count - 4, (d) => `(d${d + 4}_${at} << ${8 * d}u)`);
  const low = range(3, (d) => `vec2u(d${d + 1}_${at} << ${8 * (d + 1)}u, d${d + 1}_${at} >> ${32 - 8 * (d + 1)}u)`);
  return `add(add(vec2u(d0_${at}, ${[...upper, high].filter((part) => part !== '').join(' + ')}), ${low[0]}), add(${low[1]}, ${low[2]}))`;
}

/**
 * Schemes on bytes: a quad is four elements of neighbouring k, kept as words of the four bytes of one limb (and, for hyb6, the
 * eight halves as they are).
 */
function bytesScheme(rows: number, columns: number, hybrid: boolean): Scheme {
  const [tileRows, tileColumns] = [SIDE * rows, SIDE * columns];
  const depth = rows === 4 && hybrid ? 8 : 16;
  const quads = depth / 4;
  const quadWords = hybrid ? 12 : 8;
  const limbs = hybrid ? 4 : 8;
  const diagonals = hybrid ? 7 : 8;
  const store = (tile: string, width: number, at: string): string => {
    const words = hybrid
      ? [
          ...range(4, (j) => `bytes4(x0.x, x1.x, x2.x, x3.x, ${8 * j}u)`),
          ...range(4, (e) => `x${e}.x`),
          ...range(4, (e) => `x${e}.y`),
        ]
      : [
          ...range(4, (j) => `bytes4(x0.x, x1.x, x2.x, x3.x, ${8 * j}u)`),
          ...range(4, (j) => `bytes4(x0.y, x1.y, x2.y, x3.y, ${8 * j}u)`),
        ];
    return words.map((word, w) => `${tile}[(quad * ${quadWords}u + ${w}u) * ${width}u + ${at}] = ${word};`).join('\n');
  };
  const pairs = (i: number, j: number): string => {
    const lines: string[] = [];
    for (let a = 0; a < limbs; a++)
      for (let b = 0; a + b < diagonals && b < limbs; b++)
        lines.push(`d${a + b}_${i}_${j} += dot4U8Packed(a${i}_${a}, b${j}_${b});`);
    if (hybrid)
      for (let e = 0; e < 4; e++)
        lines.push(`high_${i}_${j} += a${i}_${4 + e} * b${j}_${8 + e} + a${i}_${8 + e} * b${j}_${4 + e};`);
    return lines.join('\n');
  };
  return {
    depth,
    exactTerms: BYTES_EXACT_TERMS,
    shared: `var<workgroup> tileA: array<u32, ${tileRows * quads * quadWords}>;
var<workgroup> tileB: array<u32, ${tileColumns * quads * quadWords}>;
fn bytes4(x0: u32, x1: u32, x2: u32, x3: u32, by: u32) -> u32 {
  return ((x0 >> by) & 255u) | (((x1 >> by) & 255u) << 8u) | (((x2 >> by) & 255u) << 16u) | (((x3 >> by) & 255u) << 24u);
}`,
    sums: [...range(diagonals, (d) => `d${d}`), ...(hybrid ? ['high'] : [])],
    load: `
    for (var e = lid; e < ${tileRows * quads}u; e += ${SIDE * SIDE}u) {
      let row = select(e / ${quads}u, e % ${tileRows}u, q[5] == 1u);
      let quad = select(e % ${quads}u, e / ${tileRows}u, q[5] == 1u);
      ${range(4, (x) => `let x${x} = elementA(aBase, row0 + row, l0 + 4u * quad + ${x}u);`).join('\n')}
      ${store('tileA', tileRows, 'row')}
    }
    for (var e = lid; e < ${tileColumns * quads}u; e += ${SIDE * SIDE}u) {
      let column = select(e % ${tileColumns}u, e / ${quads}u, q[6] == 1u);
      let quad = select(e / ${tileColumns}u, e % ${quads}u, q[6] == 1u);
      ${range(4, (x) => `let x${x} = elementB(bBase, l0 + 4u * quad + ${x}u, column0 + column);`).join('\n')}
      ${store('tileB', tileColumns, 'column')}
    }`,
    multiply: `
    for (var quad = 0u; quad < ${quads}u; quad++) {
      ${range(rows, (i) => range(quadWords, (w) => `let a${i}_${w} = tileA[(quad * ${quadWords}u + ${w}u) * ${tileRows}u + ty + ${SIDE * i}u];`).join('\n')).join('\n')}
      ${range(columns, (j) => range(quadWords, (w) => `let b${j}_${w} = tileB[(quad * ${quadWords}u + ${w}u) * ${tileColumns}u + tx + ${SIDE * j}u];`).join('\n')).join('\n')}
      ${each(rows, columns, pairs)}
    }`,
    folded: (at) => foldedDiagonals(at, diagonals, hybrid ? `high_${at}` : ''),
  };
}

function tiledKernel(
  variant: MatmulVariant,
  operands: Operands,
  scheme: Scheme,
  rows: number,
  columns: number,
): Kernel {
  const [tileRows, tileColumns] = [SIDE * rows, SIDE * columns];
  const fold = each(rows, columns, (i, j) => {
    const reset = scheme.sums.map((sum) => `${sum}_${i}_${j} = 0u;`).join(' ');
    return `total_${i}_${j} = add(total_${i}_${j}, ${scheme.folded(`${i}_${j}`)}); ${reset}`;
  });
  const code = `${operands.functions}
${scheme.shared}
@compute @workgroup_size(${SIDE * SIDE}) fn main(${entryArguments}) {
  let ty = lid / ${SIDE}u;
  let tx = lid % ${SIDE}u;
${tilePlace(tileRows, tileColumns)}
  ${each(rows, columns, (i, j) => `var total_${i}_${j} = vec2u(0u); ${scheme.sums.map((sum) => `var ${sum}_${i}_${j} = 0u;`).join(' ')}`)}
  var terms = 0u;
  for (var pair = 0u; pair < q[7]; pair++) {
    let aBase = q[8u + 4u * pair] + matrix * q[9u + 4u * pair];
    let bBase = q[10u + 4u * pair] + matrix * q[11u + 4u * pair];
    for (var l0 = 0u; l0 < q[2]; l0 += ${scheme.depth}u) {
      ${scheme.load}
      workgroupBarrier();
      ${scheme.multiply}
      workgroupBarrier();
      terms += ${scheme.depth}u;
      if (terms == ${scheme.exactTerms}u) {
        ${fold}
        terms = 0u;
      }
    }
  }
  ${fold}
  ${each(
    rows,
    columns,
    (i, j) => `{
    let row = row0 + ty + ${SIDE * i}u;
    let column = column0 + tx + ${SIDE * j}u;
    if (row < q[0] && column < q[1]) { put(matrix, row, column, total_${i}_${j}); }
  }`,
  )}
}`;
  return { key: `matmul ${variant} ${operands.name}`, view: 'words', use: 'program', code };
}

/** As the tiled ones, behind the number of threads: q[1] is m, and so on. */
const naiveKernel = elementKernel(
  'matmul naive16',
  'words',
  `let column = i % q[2];
  let row = (i / q[2]) % q[1];
  let matrix = i / (q[2] * q[1]);
  let stepA = select(1u, q[1], q[6] == 1u);
  let stepB = select(q[2], 1u, q[7] == 1u);
  var sum = vec2u(0u);
  for (var pair = 0u; pair < q[8]; pair++) {
    var a = q[9u + 4u * pair] + matrix * q[10u + 4u * pair] + select(row * q[3], row, q[6] == 1u);
    var b = q[11u + 4u * pair] + matrix * q[12u + 4u * pair] + select(column, column * q[3], q[7] == 1u);
    for (var l = 0u; l < q[3]; l++) {
      sum = add(sum, mul(ld(a), ld(b)));
      a += stepA;
      b += stepB;
    }
  }
  st(q[5] + i, sum);`,
);

interface Tiled {
  readonly kernel: Kernel;
  readonly tileRows: number;
  readonly tileColumns: number;
}

const made = new Map<string, Tiled>();

/** Throws InternalError `gpu-variant` for a variant that the device does not offer. */
function tiled({ variant, matrixUnits }: Products, operands: Operands): Tiled {
  const [scheme, rows, columns] = partOf(variant);
  if (scheme === 'matrix36') return onMatrixUnits(variant, matrixUnits, [rows, columns], operands);
  const key = `${variant} ${operands.name}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const around = scheme === 'imad9' ? imad9(rows, columns) : bytesScheme(rows, columns, scheme === 'hyb6');
  const kernel = tiledKernel(variant, operands, around, rows, columns);
  const result = { kernel, tileRows: SIDE * rows, tileColumns: SIDE * columns };
  made.set(key, result);
  return result;
}

function onMatrixUnits(
  variant: MatmulVariant,
  units: MatrixUnits | undefined,
  results: readonly [number, number],
  operands: Operands,
): Tiled {
  const tiling = units === undefined ? undefined : matrixTiling(units, results);
  if (units === undefined || tiling === undefined) {
    throw new InternalError('gpu-variant', `This device does not offer products by ${variant}.`);
  }
  return { ...tiling, kernel: matrixKernel(variant, units, tiling, operands) };
}

export function matmulSteps(instruction: Instruction & { op: 'matmul' }, products: Products): Step[] {
  const { out, pairs, batch, transposeA, transposeB, windows } = instruction;
  const product = windows === undefined ? undefined : windowedProduct(instruction, windows);
  const { operands, m, k, n } = product ?? { ...instruction, operands: stored };
  const args = [m, n, k, batch, wordIndex(out), transposeA ? 1 : 0, transposeB ? 1 : 0, pairs.length];
  /** Words from one matrix to the next. */
  const pitch = (slot: WordSlot, of: 'a' | 'b', size: number): number =>
    windows?.of !== of && slot.length === size ? 0 : slot.length / batch;
  for (const { a, b } of pairs) {
    args.push(wordIndex(a), pitch(a, 'a', instruction.m * instruction.k));
    args.push(wordIndex(b), pitch(b, 'b', instruction.k * instruction.n));
  }
  if (out.length === 0) return [];
  const isUntiled = products.variant === 'naive16' || m < THIN || n < THIN;
  if (product !== undefined) args.push(...product.args);
  if (isUntiled && product === undefined) return [elementStep(naiveKernel, out.length, ...args)];
  if (isUntiled) return [{ kernel: untiledKernel(operands), args, groups: untiledGroups(out.length) }];
  const { kernel, tileRows, tileColumns } = tiled(products, operands);
  return [{ kernel, args, groups: spread(Math.ceil(m / tileRows) * Math.ceil(n / tileColumns) * batch) }];
}
