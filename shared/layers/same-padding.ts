/**
 * "Same" padding as TensorFlow and ONNX define it: the output has ceil(cells / stride) cells. Knows no file format.
 */

/** Cells that it adds along an axis, both ends together; TensorFlow puts the odd one at the end. */
export function samePadding(cells: number, kernel: number, stride: number, dilation: number): number {
  const outputs = Math.ceil(cells / stride);
  return Math.max(0, (outputs - 1) * stride + dilation * (kernel - 1) + 1 - cells);
}
