/**
 * Matrix products mod 2^64. A word is split into 32-bit halves: lo*lo by the widening multiplications (extmul), the two
 * cross products mod 2^32. B is packed into panels of 4 columns ([lo x 4][hi x 4] per depth), a block of MATMUL_DEPTH x
 * MATMUL_WIDTH at a time so that it stays in the second-level cache; tiles of 2 x 4 keep 6 accumulators in registers
 * (larger tiles spill: 15 SIMD registers).
 */
import { arg, least } from './args';
import { MATMUL_DEPTH, MATMUL_WIDTH, WINDOWS_OF_A, WINDOWS_OF_B, WINDOWS_OF_NONE } from './opcodes';
import { addToImages, cellsOfChannel, channelsOf, clearChannels, gatherWindows, imageBytes, rowsOfImage } from './windows';

const PANEL_STEP: usize = 32;
/** Rows of a transposed A that are packed together: one cache line of 8 words per depth. */
const PACKED_ROWS: u32 = 8;
/** Words of the scratch behind the packed block: packed rows of A, rows of windows, or of a product about to be folded. */
const PACKED_WORDS: u32 = PACKED_ROWS * MATMUL_DEPTH;

@inline
function storeTile(out: usize, sumLow: v128, sumHigh: v128, cross: v128, columns: u32, first: bool): void {
  let low = i64x2.add(sumLow, i64x2.shl(i64x2.extend_low_i32x4_u(cross), 32));
  let high = i64x2.add(sumHigh, i64x2.shl(i64x2.extend_high_i32x4_u(cross), 32));
  if (columns >= 4) {
    if (!first) {
      low = i64x2.add(low, v128.load(out));
      high = i64x2.add(high, v128.load(out, 16));
    }
    v128.store(out, low);
    v128.store(out, high, 16);
    return;
  }
  store<u64>(out, <u64>i64x2.extract_lane(low, 0) + (first ? 0 : load<u64>(out)));
  if (columns > 1) store<u64>(out, <u64>i64x2.extract_lane(low, 1) + (first ? 0 : load<u64>(out, 8)), 8);
  if (columns > 2) store<u64>(out, <u64>i64x2.extract_lane(high, 0) + (first ? 0 : load<u64>(out, 16)), 16);
}

/** Two rows of A against all panels of a packed block. `rows` is 1 or 2; with 1, a1 repeats a0 and is not stored. */
function multiplyRows(
  a0: usize,
  a1: usize,
  panels: usize,
  depth: u32,
  columns: u32,
  out: usize,
  outRow: usize,
  rows: u32,
  first: bool,
): void {
  const panelBytes = <usize>depth * PANEL_STEP;
  for (let j: u32 = 0; j < columns; j += 4) {
    let x = a0;
    let y = a1;
    let b = panels;
    const end = panels + panelBytes;
    let xLow = i64x2.splat(0);
    let xHigh = i64x2.splat(0);
    let xCross = i64x2.splat(0);
    let yLow = i64x2.splat(0);
    let yHigh = i64x2.splat(0);
    let yCross = i64x2.splat(0);
    while (b < end) {
      const bLo = v128.load(b);
      const bHi = v128.load(b, 16);
      const xLo = v128.load_splat<u32>(x);
      const xHi = v128.load_splat<u32>(x, 4);
      xLow = i64x2.add(xLow, i64x2.extmul_low_i32x4_u(bLo, xLo));
      xHigh = i64x2.add(xHigh, i64x2.extmul_high_i32x4_u(bLo, xLo));
      xCross = i32x4.add(xCross, i32x4.mul(bHi, xLo));
      xCross = i32x4.add(xCross, i32x4.mul(bLo, xHi));
      const yLo = v128.load_splat<u32>(y);
      const yHi = v128.load_splat<u32>(y, 4);
      yLow = i64x2.add(yLow, i64x2.extmul_low_i32x4_u(bLo, yLo));
      yHigh = i64x2.add(yHigh, i64x2.extmul_high_i32x4_u(bLo, yLo));
      yCross = i32x4.add(yCross, i32x4.mul(bHi, yLo));
      yCross = i32x4.add(yCross, i32x4.mul(bLo, yHi));
      b += PANEL_STEP;
      x += 8;
      y += 8;
    }
    storeTile(out, xLow, xHigh, xCross, columns - j, first);
    if (rows > 1) storeTile(out + outRow, yLow, yHigh, yCross, columns - j, first);
    panels = end;
    out += 32;
  }
}

/** Packs any part of B, word by word; columns beyond `columns` are zero. */
function packPanelSlowly(
  to: usize,
  b: usize,
  depthStep: usize,
  columnStep: usize,
  depth: u32,
  columns: u32,
): void {
  for (let l: u32 = 0; l < depth; l++) {
    for (let j: u32 = 0; j < 4; j++) {
      const word = j < columns ? load<u64>(b + <usize>j * columnStep) : 0;
      store<u32>(to + ((<usize>j) << 2), <u32>word);
      store<u32>(to + ((<usize>j) << 2), <u32>(word >> 32), 16);
    }
    to += PANEL_STEP;
    b += depthStep;
  }
}

/** Panel from 4 columns of a row-major B. */
function packPanel(to: usize, b: usize, depthStep: usize, depth: u32): void {
  for (let l: u32 = 0; l < depth; l++) {
    const left = v128.load(b);
    const right = v128.load(b, 16);
    v128.store(to, v128.shuffle<i32>(left, right, 0, 2, 4, 6));
    v128.store(to, v128.shuffle<i32>(left, right, 1, 3, 5, 7), 16);
    to += PANEL_STEP;
    b += depthStep;
  }
}

/** Panel from 4 rows of a transposed B. */
function packTransposedPanel(to: usize, b: usize, rowBytes: usize, depth: u32): void {
  const even = depth & ~1;
  const b1 = b + rowBytes;
  const b2 = b1 + rowBytes;
  const b3 = b2 + rowBytes;
  for (let l: u32 = 0; l < even; l += 2) {
    const at = (<usize>l) << 3;
    const r0 = v128.load(b + at);
    const r1 = v128.load(b1 + at);
    const r2 = v128.load(b2 + at);
    const r3 = v128.load(b3 + at);
    const p = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const q = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    v128.store(to, v128.shuffle<i64>(p, q, 0, 2));
    v128.store(to, v128.shuffle<i64>(p, q, 1, 3), 16);
    const s = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const t = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(s, t, 0, 2), 32);
    v128.store(to, v128.shuffle<i64>(s, t, 1, 3), 48);
    to += 2 * PANEL_STEP;
  }
  if (depth & 1) packPanelSlowly(to, b + ((<usize>even) << 3), 8, rowBytes, 1, 4);
}

function packBlock(
  to: usize,
  b: usize,
  k: u32,
  n: u32,
  transposed: bool,
  depthStart: u32,
  depth: u32,
  columnStart: u32,
  columns: u32,
): void {
  const panelBytes = <usize>depth * PANEL_STEP;
  const depthStep = transposed ? <usize>8 : (<usize>n) << 3;
  const columnStep = transposed ? (<usize>k) << 3 : <usize>8;
  b += <usize>depthStart * depthStep + <usize>columnStart * columnStep;
  for (let j: u32 = 0; j < columns; j += 4) {
    if (columns - j < 4) packPanelSlowly(to, b, depthStep, columnStep, depth, columns - j);
    else if (transposed) packTransposedPanel(to, b, columnStep, depth);
    else packPanel(to, b, depthStep, depth);
    to += panelBytes;
    b += 4 * columnStep;
  }
}

/** Rows rowStart .. rowStart + rows - 1 of a transposed A, each contiguous over the depth. */
function packTransposedRows(to: usize, a: usize, m: u32, depth: u32, rows: u32): void {
  const step = (<usize>m) << 3;
  const rowBytes: usize = MATMUL_DEPTH * 8;
  for (let l: u32 = 0; l < depth; l++) {
    let target = to;
    for (let i: u32 = 0; i < rows; i++) {
      store<u64>(target, load<u64>(a + ((<usize>i) << 3)));
      target += rowBytes;
    }
    to += 8;
    a += step;
  }
}

/** The block of a B that is windows: some rows of windows at a time, then their columns as panels. */
function packWindowsBlock(
  to: usize,
  rows: usize,
  images: usize,
  windows: usize,
  depthStart: u32,
  depth: u32,
  columnStart: u32,
  columns: u32,
): void {
  const panelBytes = <usize>depth * PANEL_STEP;
  const rowBytes = (<usize>columns) << 3;
  const group = PACKED_WORDS / columns;
  for (let l: u32 = 0; l < depth; l += group) {
    const count = least(group, depth - l);
    gatherWindows(rows, rowBytes, images, windows, depthStart + l, count, columnStart, columns);
    let panel = to + <usize>l * PANEL_STEP;
    let from = rows;
    for (let j: u32 = 0; j < columns; j += 4) {
      if (columns - j < 4) packPanelSlowly(panel, from, rowBytes, 8, count, columns - j);
      else packPanel(panel, from, rowBytes, count);
      panel += panelBytes;
      from += 32;
    }
  }
}

function zeroBlock(out: usize, n: u32, rowStart: u32, rowEnd: u32, columnStart: u32, columnEnd: u32): void {
  for (let i = rowStart; i < rowEnd; i++) {
    memory.fill(out + ((<usize>i * n + columnStart) << 3), 0, (<usize>(columnEnd - columnStart)) << 3);
  }
}

/** out[r] = sum of matrix[r, l] * x[l]: rows of `k` words. */
function multiplyVectorByRows(out: usize, matrix: usize, x: usize, k: u32, start: u32, end: u32, first: bool): void {
  for (let r = start; r < end; r++) {
    let at = matrix + ((<usize>r * k) << 3);
    let vector = x;
    let sum0: u64 = 0;
    let sum1: u64 = 0;
    const pairs = at + ((<usize>k >> 1) << 4);
    while (at < pairs) {
      sum0 += load<u64>(at) * load<u64>(vector);
      sum1 += load<u64>(at, 8) * load<u64>(vector, 8);
      at += 16;
      vector += 16;
    }
    if (k & 1) sum0 += load<u64>(at) * load<u64>(vector);
    const target = out + ((<usize>r) << 3);
    store<u64>(target, sum0 + sum1 + (first ? 0 : load<u64>(target)));
  }
}

/** out[c] = sum of x[l] * matrix[l, c]: rows of `width` words, added four at a time into the output. */
function multiplyVectorByColumns(
  out: usize,
  matrix: usize,
  x: usize,
  k: u32,
  width: u32,
  start: u32,
  end: u32,
  first: bool,
): void {
  const rowBytes = (<usize>width) << 3;
  if (first) memory.fill(out + ((<usize>start) << 3), 0, (<usize>(end - start)) << 3);
  for (let tile = start; tile < end; tile += 2048) {
    const from = out + ((<usize>tile) << 3);
    const to = out + ((<usize>least(tile + 2048, end)) << 3);
    let l: u32 = 0;
    for (; l + 4 <= k; l += 4) {
      const vector = x + ((<usize>l) << 3);
      const x0 = load<u64>(vector);
      const x1 = load<u64>(vector, 8);
      const x2 = load<u64>(vector, 16);
      const x3 = load<u64>(vector, 24);
      let r0 = matrix + <usize>l * rowBytes + ((<usize>tile) << 3);
      let r1 = r0 + rowBytes;
      let r2 = r1 + rowBytes;
      let r3 = r2 + rowBytes;
      for (let at = from; at < to; at += 8) {
        store<u64>(
          at,
          load<u64>(at) + load<u64>(r0) * x0 + load<u64>(r1) * x1 + (load<u64>(r2) * x2 + load<u64>(r3) * x3),
        );
        r0 += 8;
        r1 += 8;
        r2 += 8;
        r3 += 8;
      }
    }
    for (; l < k; l++) {
      const x0 = load<u64>(x + ((<usize>l) << 3));
      let r0 = matrix + <usize>l * rowBytes + ((<usize>tile) << 3);
      for (let at = from; at < to; at += 8) {
        store<u64>(at, load<u64>(at) + load<u64>(r0) * x0);
        r0 += 8;
      }
    }
  }
}

/** Depth 1: every row of out is a multiple of b. */
function outerProduct(
  out: usize,
  a: usize,
  b: usize,
  n: u32,
  rowStart: u32,
  rowEnd: u32,
  columnStart: u32,
  columnEnd: u32,
  first: bool,
): void {
  for (let i = rowStart; i < rowEnd; i++) {
    const x = load<u64>(a + ((<usize>i) << 3));
    let at = out + ((<usize>i * n + columnStart) << 3);
    let y = b + ((<usize>columnStart) << 3);
    const end = b + ((<usize>columnEnd) << 3);
    if (first) {
      for (; y < end; y += 8, at += 8) store<u64>(at, load<u64>(y) * x);
    } else {
      for (; y < end; y += 8, at += 8) store<u64>(at, load<u64>(at) + load<u64>(y) * x);
    }
  }
}

/**
 * One block of out (rows x columns of one matrix of the batch): adds the products of one pair. `windowed` says whether A or B
 * is the windows, a geometry at `windows`, of the images there.
 */
function multiplyTiled(
  out: usize,
  a: usize,
  b: usize,
  m: u32,
  k: u32,
  n: u32,
  transposeA: bool,
  transposeB: bool,
  windowed: u32,
  windows: usize,
  rowStart: u32,
  rowEnd: u32,
  columnStart: u32,
  columnEnd: u32,
  firstPair: bool,
  scratch: usize,
): void {
  const packedA = scratch + <usize>(MATMUL_DEPTH * MATMUL_WIDTH * 8);
  const outRow = (<usize>n) << 3;
  for (let column = columnStart; column < columnEnd; column += MATMUL_WIDTH) {
    const columns = least(MATMUL_WIDTH, columnEnd - column);
    for (let l: u32 = 0; l < k; l += MATMUL_DEPTH) {
      const depth = least(MATMUL_DEPTH, k - l);
      const first = firstPair && l == 0;
      if (windowed == WINDOWS_OF_B) packWindowsBlock(scratch, packedA, b, windows, l, depth, column, columns);
      else packBlock(scratch, b, k, n, transposeB, l, depth, column, columns);
      let i = rowStart;
      while (i < rowEnd) {
        let group = rowEnd - i;
        let rowBytes = (<usize>k) << 3;
        let at = a + ((<usize>i * k + l) << 3);
        if (windowed == WINDOWS_OF_A) {
          group = least(group, PACKED_WORDS / depth);
          rowBytes = (<usize>depth) << 3;
          at = packedA;
          gatherWindows(at, rowBytes, a, windows, i, group, l, depth);
        } else if (transposeA) {
          group = least(group, PACKED_ROWS);
          rowBytes = MATMUL_DEPTH * 8;
          at = packedA;
          packTransposedRows(at, a + ((<usize>l * m + i) << 3), m, depth, group);
        }
        for (let r: u32 = 0; r < group; r += 2) {
          const rows = least(2, group - r);
          const target = out + ((<usize>(i + r) * n + column) << 3);
          multiplyRows(at, rows > 1 ? at + rowBytes : at, scratch, depth, columns, target, outRow, rows, first);
          at += 2 * rowBytes;
        }
        i += group;
      }
    }
  }
}

/**
 * A vector times windows, a tile of them gathered at a time: columns `columnStart` to `columnEnd` of windows `start` to `end`.
 * Of a row (WINDOWS_OF_A, one filter) out[r] = sum of the words of window r by those of x; of a column (WINDOWS_OF_B, the
 * gradient of one filter) out[c] = sum of x[l] by word c of window l.
 */
function multiplyVectorByWindows(
  out: usize,
  images: usize,
  windows: usize,
  windowed: u32,
  x: usize,
  start: u32,
  end: u32,
  columnStart: u32,
  columnEnd: u32,
  isFirstPair: bool,
  rows: usize,
): void {
  const widest: u32 = windowed == WINDOWS_OF_A ? MATMUL_DEPTH : MATMUL_WIDTH;
  for (let column = columnStart; column < columnEnd; column += widest) {
    const columns = least(widest, columnEnd - column);
    const group = PACKED_WORDS / columns;
    for (let row = start; row < end; row += group) {
      const count = least(group, end - row);
      gatherWindows(rows, (<usize>columns) << 3, images, windows, row, count, column, columns);
      const ofRow = (<usize>row) << 3;
      const ofColumn = (<usize>column) << 3;
      if (windowed == WINDOWS_OF_A) {
        multiplyVectorByRows(out + ofRow, rows, x + ofColumn, columns, 0, count, isFirstPair && column == 0);
      } else {
        multiplyVectorByColumns(out + ofColumn, rows, x + ofRow, count, columns, 0, columns, isFirstPair && row == 0);
      }
    }
  }
}

/**
 * Record: out, m, k, n, transposes (bit 0 A, bit 1 B), rows of a block, columns of a block, pairs, then for each pair
 * a, bytes from matrix to matrix of a (0: the same for all), b, the same of b; then which of a and b is windows, and their
 * geometry (see windows.ts). Units: blocks, of all matrices of the batch.
 */
export function matmul(record: usize, from: u32, to: u32, scratch: usize): void {
  const out = <usize>arg(record, 0);
  const m = arg(record, 1);
  const k = arg(record, 2);
  const n = arg(record, 3);
  const transposeA = (arg(record, 4) & 1) != 0;
  const transposeB = (arg(record, 4) & 2) != 0;
  const blockRows = arg(record, 5);
  const blockColumns = arg(record, 6);
  const pairs = arg(record, 7);
  const windows = record + ((<usize>(9 + 4 * pairs)) << 2);
  const windowed = arg(record, 8 + 4 * pairs);
  const rows = scratch + <usize>(MATMUL_DEPTH * MATMUL_WIDTH * 8);
  const across = (n + blockColumns - 1) / blockColumns;
  const down = (m + blockRows - 1) / blockRows;
  for (let unit = from; unit < to; unit++) {
    const t = unit / (across * down);
    const rowStart = ((unit / across) % down) * blockRows;
    const rowEnd = least(m, rowStart + blockRows);
    const columnStart = (unit % across) * blockColumns;
    const columnEnd = least(n, columnStart + blockColumns);
    const matrix = out + ((<usize>t * m * n) << 3);
    if (pairs == 0 || k == 0) {
      zeroBlock(matrix, n, rowStart, rowEnd, columnStart, columnEnd);
      continue;
    }
    for (let pair: u32 = 0; pair < pairs; pair++) {
      const at = record + ((<usize>(8 + 4 * pair)) << 2);
      const a = <usize>arg(at, 0) + <usize>t * arg(at, 1);
      const b = <usize>arg(at, 2) + <usize>t * arg(at, 3);
      const first = pair == 0;
      if (windowed == WINDOWS_OF_A && n == 1) {
        multiplyVectorByWindows(matrix, a, windows, windowed, b, rowStart, rowEnd, 0, k, first, rows);
      } else if (windowed == WINDOWS_OF_B && m == 1) {
        multiplyVectorByWindows(matrix, b, windows, windowed, a, 0, k, columnStart, columnEnd, first, rows);
      } else if (windowed == WINDOWS_OF_NONE && k == 1) {
        outerProduct(matrix, a, b, n, rowStart, rowEnd, columnStart, columnEnd, first);
      } else if (windowed == WINDOWS_OF_NONE && n == 1) {
        if (transposeA) multiplyVectorByColumns(matrix, a, b, k, m, rowStart, rowEnd, first);
        else multiplyVectorByRows(matrix, a, b, k, rowStart, rowEnd, first);
      } else if (windowed == WINDOWS_OF_NONE && m == 1) {
        if (transposeB) multiplyVectorByRows(matrix, b, a, k, columnStart, columnEnd, first);
        else multiplyVectorByColumns(matrix, b, a, k, n, columnStart, columnEnd, first);
      } else {
        multiplyTiled(
          matrix,
          a,
          b,
          m,
          k,
          n,
          transposeA,
          transposeB,
          windowed,
          windows,
          rowStart,
          rowEnd,
          columnStart,
          columnEnd,
          first,
          scratch,
        );
      }
    }
  }
}

/**
 * Rows and columns of the products of one matrix, added into its images: some of each and of the depth at a time, the sum of
 * all pairs before it is folded.
 */
function foldTiled(
  images: usize,
  record: usize,
  t: u32,
  windows: usize,
  rowStart: u32,
  rowEnd: u32,
  columnStart: u32,
  columnEnd: u32,
  scratch: usize,
): void {
  const k = arg(record, 2);
  const n = arg(record, 3);
  const transposeB = (arg(record, 4) & 2) != 0;
  const pairs = arg(record, 7);
  const product = scratch + <usize>(MATMUL_DEPTH * MATMUL_WIDTH * 8);
  const rowBytes = (<usize>k) << 3;
  const blockDepth = MATMUL_DEPTH / pairs;
  for (let column = columnStart; column < columnEnd; column += MATMUL_WIDTH) {
    const columns = least(MATMUL_WIDTH, columnEnd - column);
    const productBytes = (<usize>columns) << 3;
    const group = PACKED_WORDS / columns;
    for (let l: u32 = 0; l < k; l += blockDepth) {
      const depth = least(blockDepth, k - l);
      const blockBytes = <usize>((columns + 3) >> 2) * depth * PANEL_STEP;
      for (let pair: u32 = 0; pair < pairs && k > 1; pair++) {
        const at = record + ((<usize>(8 + 4 * pair)) << 2);
        const b = <usize>arg(at, 2) + <usize>t * arg(at, 3);
        packBlock(scratch + <usize>pair * blockBytes, b, k, n, transposeB, l, depth, column, columns);
      }
      for (let i = rowStart; i < rowEnd; i += group) {
        const count = least(group, rowEnd - i);
        for (let pair: u32 = 0; pair < pairs; pair++) {
          const at = record + ((<usize>(8 + 4 * pair)) << 2);
          const first = pair == 0;
          let a = <usize>arg(at, 0) + <usize>t * arg(at, 1) + <usize>i * rowBytes + ((<usize>l) << 3);
          if (k == 1) {
            const b = <usize>arg(at, 2) + <usize>t * arg(at, 3) + ((<usize>column) << 3);
            outerProduct(product, a, b, columns, 0, count, 0, columns, first);
            continue;
          }
          const block = scratch + <usize>pair * blockBytes;
          let out = product;
          for (let r: u32 = 0; r < count; r += 2) {
            const rows = least(2, count - r);
            multiplyRows(a, rows > 1 ? a + rowBytes : a, block, depth, columns, out, productBytes, rows, first);
            a += 2 * rowBytes;
            out += 2 * productBytes;
          }
        }
        addToImages(images, product, productBytes, windows, i, count, column, columns);
      }
    }
  }
}

/**
 * Products added into the images whose windows they stand for. Record: as of matmul, with images at out, and in place of a
 * block's rows and columns the images of one matrix and the channels of a block, in place of what is windows the number of
 * images; A is not transposed. Units: images of the first block of channels, then of the next: windows of one image and
 * channel overlap, others never do.
 */
export function matmulFold(record: usize, from: u32, to: u32, scratch: usize): void {
  const out = <usize>arg(record, 0);
  const imagesOfMatrix = arg(record, 5);
  const blockChannels = arg(record, 6);
  const pairs = arg(record, 7);
  const images = arg(record, 8 + 4 * pairs);
  const windows = record + ((<usize>(9 + 4 * pairs)) << 2);
  const cells = cellsOfChannel(windows);
  const imageRows = rowsOfImage(windows);
  let unit = from;
  while (unit < to) {
    const image = unit % images;
    const t = image / imagesOfMatrix;
    const first = image - t * imagesOfMatrix;
    const count = least(to - unit, imagesOfMatrix - first);
    const channelStart = (unit / images) * blockChannels;
    const channelEnd = least(channelsOf(windows), channelStart + blockChannels);
    const target = out + <usize>(t * imagesOfMatrix) * imageBytes(windows);
    for (let i = first; i < first + count; i++) {
      clearChannels(target + <usize>i * imageBytes(windows), windows, channelStart, channelEnd);
    }
    if (pairs > 0) {
      foldTiled(
        target,
        record,
        t,
        windows,
        first * imageRows,
        (first + count) * imageRows,
        channelStart * cells,
        channelEnd * cells,
        scratch,
      );
    }
    unit += count;
  }
}
