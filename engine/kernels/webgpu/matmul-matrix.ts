/**
 * The kernel of matrix products mod 2^64 on matrix units (matrix-units.ts): a workgroup splits slabs of both operands into planes
 * of bytes in its memory, each subgroup runs 36 instructions for every instruction's worth of words, and sums come back by way of
 * the same memory, one diagonal after the other. Knows nothing of which card has such units.
 */
import type { Kernel } from './kernel.ts';
import { entryArguments } from './kernel.ts';
import { stored, tilePlace } from './matmul-operands.ts';
import { BYTE_PAIRS, MATRIX_EXACT_TERMS, MATRIX_FEATURE, WORD_BYTES } from './matrix-units.ts';
import type { MatrixTiling, MatrixUnits } from './matrix-units.ts';

/** WGSL's names of what MATRIX_FEATURE allows. */
const directives = `enable subgroups;
enable ${MATRIX_FEATURE.replaceAll('-', '_')};
diagnostic(off, chromium.subgroup_matrix_uniformity);`;

/** The four bytes of each of four words, transposed: word p of the result has byte p of x.x, x.y, x.z, x.w. */
const transposeFunction = `
fn transposed(x: vec4u) -> vec4u {
  let even = vec2u((x.x & 0xff00ffu) | ((x.y & 0xff00ffu) << 8u), (x.z & 0xff00ffu) | ((x.w & 0xff00ffu) << 8u));
  let odd = vec2u(((x.x >> 8u) & 0xff00ffu) | (x.y & 0xff00ff00u), ((x.z >> 8u) & 0xff00ffu) | (x.w & 0xff00ff00u));
  return vec4u((even.x & 0xffffu) | (even.y << 16u), (odd.x & 0xffffu) | (odd.y << 16u),
    (even.x >> 16u) | (even.y & 0xffff0000u), (odd.x >> 16u) | (odd.y & 0xffff0000u));
}`;

const lines = <T>(items: readonly T[], make: (item: T) => string): string => items.map(make).join('\n');

const counting = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/**
 * Arguments as those of the tiled kernels (matmul-operands.ts); a workgroup a tile. Subgroups may turn out smaller than the
 * largest size: those beyond the tile's only help to load.
 */
export function matrixKernel(name: string, units: MatrixUnits, tiling: MatrixTiling, operands = stored): Kernel {
  const { subgroups, results, tileRows, tileColumns, depth, stride, sharedWords, threads } = tiling;
  const { rows, columns } = units;
  const quads = depth / 4;
  const tileB = WORD_BYTES * tileRows * stride;
  const [down, across] = [counting(results[0]), counting(results[1])];
  const diagonals = counting(WORD_BYTES);
  const each = (make: (i: number, j: number) => string): string => lines(down, (i) => lines(across, (j) => make(i, j)));
  const sums = (make: (sum: string, d: number, i: number, j: number) => string): string =>
    lines(diagonals, (d) => each((i, j) => make(`s${d}_${i}_${j}`, d, i, j)));
  const zero = `subgroup_matrix_result<u32, ${columns}, ${rows}>(0u)`;
  const load = (kind: 'left' | 'right', plane: number, item: number): string => {
    const [shape, major, base, size, first] =
      kind === 'left'
        ? [`${units.depth}, ${rows}`, 'row_major', 0, tileRows, `row + ${item * rows}u`]
        : [`${columns}, ${units.depth}`, 'col_major', tileB, tileColumns, `column + ${item * columns}u`];
    const offset = `${base + plane * size * stride}u + (${first}) * ${stride}u + l / 4u`;
    return `subgroupMatrixLoad<subgroup_matrix_${kind}<u8, ${shape}>, ${major}>(&slabs, ${offset}, ${stride}u)`;
  };
  const split = (tile: number, size: number, at: string, element: (l: string) => string): string => `
        let x0 = ${element('0u')}; let x1 = ${element('1u')};
        let x2 = ${element('2u')}; let x3 = ${element('3u')};
        let low = transposed(vec4u(x0.x, x1.x, x2.x, x3.x));
        let high = transposed(vec4u(x0.y, x1.y, x2.y, x3.y));
        ${lines(diagonals, (p) => `slabs[${tile + p * size * stride}u + ${at} * ${stride}u + quad] = ${p < 4 ? 'low' : 'high'}[${p % 4}];`)}`;
  const shifted = (d: number): string =>
    d === 0 ? 'vec2u(s, 0u)' : d < 4 ? `vec2u(s << ${8 * d}u, s >> ${32 - 8 * d}u)` : `vec2u(0u, s << ${8 * (d - 4)}u)`;
  const fold = lines(
    diagonals,
    (d) => `
      if (works) {
        ${each((i, j) => `subgroupMatrixStore<row_major>(&slabs, (row + ${i * rows}u) * ${tileColumns}u + column + ${j * columns}u, s${d}_${i}_${j}, ${tileColumns}u); s${d}_${i}_${j} = ${zero};`)}
      }
      workgroupBarrier();
      for (var e = 0u; e < ${tileRows * tileColumns}u; e += ${threads}u) {
        let s = slabs[min(e + lid, ${sharedWords - 1}u)];
        totals[e / ${threads}u] = add(totals[e / ${threads}u], ${shifted(d)});
      }
      workgroupBarrier();`,
  );
  const code = `${operands.functions}
${transposeFunction}
var<workgroup> slabs: array<u32, ${sharedWords}>;
@compute @workgroup_size(${threads}) fn main(${entryArguments}, @builtin(subgroup_id) subgroup: u32) {
${tilePlace(tileRows, tileColumns)}
  let works = subgroup < ${subgroups[0] * subgroups[1]}u;
  let row = (subgroup / ${subgroups[1]}u) * ${results[0] * rows}u;
  let column = (subgroup % ${subgroups[1]}u) * ${results[1] * columns}u;
  var totals: array<vec2u, ${Math.ceil((tileRows * tileColumns) / threads)}>;
  ${sums((sum) => `var ${sum} = ${zero};`)}
  var terms = 0u;
  for (var pair = 0u; pair < q[7]; pair++) {
    let aBase = q[8u + 4u * pair] + matrix * q[9u + 4u * pair];
    let bBase = q[10u + 4u * pair] + matrix * q[11u + 4u * pair];
    for (var l0 = 0u; l0 < q[2]; l0 += ${depth}u) {
      for (var e = lid; e < ${tileRows * quads}u; e += ${threads}u) {
        let at = select(e / ${quads}u, e % ${tileRows}u, q[5] == 1u);
        let quad = select(e % ${quads}u, e / ${tileRows}u, q[5] == 1u);
        ${split(0, tileRows, 'at', (l) => `elementA(aBase, row0 + at, l0 + 4u * quad + ${l})`)}
      }
      for (var e = lid; e < ${tileColumns * quads}u; e += ${threads}u) {
        let at = select(e % ${tileColumns}u, e / ${quads}u, q[6] == 1u);
        let quad = select(e / ${tileColumns}u, e % ${quads}u, q[6] == 1u);
        ${split(tileB, tileColumns, 'at', (l) => `elementB(bBase, l0 + 4u * quad + ${l}, column0 + at)`)}
      }
      workgroupBarrier();
      if (works) {
        for (var l = 0u; l < ${depth}u; l += ${units.depth}u) {
          ${lines(diagonals, (p) => lines(down, (i) => `let a${p}_${i} = ${load('left', p, i)};`))}
          ${lines(diagonals, (b) =>
            lines(
              across,
              (j) =>
                `let b${b}_${j} = ${load('right', b, j)};\n${lines(
                  BYTE_PAIRS.filter((pair) => pair[1] === b),
                  ([a]) =>
                    lines(
                      down,
                      (i) =>
                        `s${a + b}_${i}_${j} = subgroupMatrixMultiplyAccumulate(a${a}_${i}, b${b}_${j}, s${a + b}_${i}_${j});`,
                    ),
                )}`,
            ),
          )}
        }
      }
      workgroupBarrier();
      terms += ${depth}u;
      if (terms == ${MATRIX_EXACT_TERMS}u) {
        ${fold}
        terms = 0u;
      }
    }
  }
  ${fold}
  for (var e = 0u; e < ${tileRows * tileColumns}u; e += ${threads}u) {
    let r = row0 + (e + lid) / ${tileColumns}u;
    let c = column0 + (e + lid) % ${tileColumns}u;
    if (e + lid < ${tileRows * tileColumns}u && r < q[0] && c < q[1]) {
      put(matrix, r, c, totals[e / ${threads}u]);
    }
  }
}`;
  const key = `matmul ${name} ${rows}x${columns}x${units.depth} ${operands.name}`;
  return { key, view: 'words', use: 'program', directives, code };
}
