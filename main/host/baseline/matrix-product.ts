/** The arithmetic behind the faster kernels of the plaintext baseline: products of matrices in typed arrays. Knows no TensorFlow.js. */

/** Where a left factor [rows, inner] lies: element (i, p) at `from` + i * `rowStep` + p * `innerStep`. */
export interface LeftFactor {
  readonly values: Float32Array;
  readonly from: number;
  readonly rowStep: number;
  readonly innerStep: number;
}

/** A row-major matrix from `from` on. */
export interface RowMajor {
  readonly values: Float32Array;
  readonly from: number;
}

/**
 * result += left * right, where right is [inner, columns] and result [rows, columns]. A sum is formed in float64 and rounded
 * once. Four rows of `right` a pass: the running row is read and written a quarter as often.
 */
export function multiplyAdd(
  { values: left, from, rowStep, innerStep }: LeftFactor,
  { values: right, from: rightFrom }: RowMajor,
  { values: result, from: resultFrom }: RowMajor,
  [rows, inner, columns]: readonly [rows: number, inner: number, columns: number],
): void {
  const row = new Float64Array(columns);
  for (let i = 0; i < rows; i++) {
    const resultAt = resultFrom + i * columns;
    for (let j = 0; j < columns; j++) row[j] = result[resultAt + j]!;
    let p = 0;
    for (; p + 4 <= inner; p += 4) {
      const at = from + i * rowStep + p * innerStep;
      const l0 = left[at]!;
      const l1 = left[at + innerStep]!;
      const l2 = left[at + 2 * innerStep]!;
      const l3 = left[at + 3 * innerStep]!;
      const r0 = rightFrom + p * columns;
      const r1 = r0 + columns;
      const r2 = r1 + columns;
      const r3 = r2 + columns;
      for (let j = 0; j < columns; j++) {
        row[j] = row[j]! + l0 * right[r0 + j]! + l1 * right[r1 + j]! + l2 * right[r2 + j]! + l3 * right[r3 + j]!;
      }
    }
    for (; p < inner; p++) {
      const l = left[from + i * rowStep + p * innerStep]!;
      for (let j = 0; j < columns; j++) row[j] = row[j]! + l * right[rightFrom + p * columns + j]!;
    }
    for (let j = 0; j < columns; j++) result[resultAt + j] = row[j]!;
  }
}

/** [rows, columns] to [columns, rows]. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = values[i * columns + j]!;
  return result;
}

/** `rows` copies of a row. */
export function repeated(row: Float32Array, rows: number): Float32Array {
  const result = new Float32Array(rows * row.length);
  for (let i = 0; i < rows; i++) result.set(row, i * row.length);
  return result;
}
