/** Fourier transforms, which are products with public matrices, and the mel scale. Complex numbers are pairs along the last axis. */
import { range, take } from '../../tensor/rearrange.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { typeAttribute } from './constants.ts';
import { moveAxisOf } from './moves.ts';
import { numbersOf, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { TensorValue } from './value.ts';

/** Cells of a transform's matrix: it travels in the plan. */
const MOST_MATRIX_CELLS = 2 ** 22;

interface Transform {
  readonly points: number;
  readonly isInverse: boolean;
  /** Only the first half of the bins: of real numbers the others are their mirror images. */
  readonly isOneSided: boolean;
}

/** [..., length, 1 or 2] to [..., bins, 2], with zeros behind a signal that is shorter than the transform. 1 round. */
function transformed(call: OperatorCall, x: Tensor, { points, isInverse, isOneSided }: Transform): Tensor {
  const [length = 0, parts = 0] = x.shape.slice(-2);
  if (parts !== 1 && parts !== 2) throw call.unsupported(`has numbers of ${parts} parts`, 'Repair the model.');
  if (x.isPublic) throw call.unsupported('transforms public numbers', 'Fold them when exporting the model.');
  const bins = isOneSided ? Math.floor(points / 2) + 1 : points;
  const [rows, columns] = [length * parts, bins * 2];
  if (rows * columns > MOST_MATRIX_CELLS)
    throw call.unsupported(`is a product with ${rows} x ${columns} numbers; ${MOST_MATRIX_CELLS} are supported`);
  const factor = isInverse ? 1 / points : 1;
  const values = range(rows * columns).map((cell) => {
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    const [place, bin] = [Math.floor(row / parts), Math.floor(column / 2)];
    if (place >= points) return 0;
    const angle = ((isInverse ? 2 : -2) * Math.PI * ((place * bin) % points)) / points;
    const [fromImaginary, toImaginary] = [row % parts === 1, column % 2 === 1];
    if (fromImaginary === toImaginary) return factor * Math.cos(angle);
    return factor * (fromImaginary ? -Math.sin(angle) : Math.sin(angle));
  });
  const { fractionBits } = x.graph.options;
  const matrix = constant(x.graph, values, [rows, columns], fractionBits - Math.floor(Math.log2(factor)));
  const product = x
    .reshape([x.size / rows, rows])
    .matmulRaw(matrix)
    .rescaled(fractionBits);
  return product.reshape([...x.shape.slice(0, -2), bins, 2]);
}

function fourier(call: OperatorCall): TensorValue {
  const x = call.tensor(0);
  const rank = shapeOf(x).length;
  const given =
    call.version >= 20 ? (call.isGiven(2) ? call.publicNumbers(2, 'its axis')[0] : -2) : call.int('axis', 1);
  const axis = call.axis(given ?? -2);
  if (axis === rank - 1) throw call.unsupported('transforms the axis of real and imaginary parts', 'Repair the model.');
  const length = shapeOf(x)[axis] ?? 0;
  const points = call.isGiven(1) ? (call.publicNumbers(1, 'its length')[0] ?? length) : length;
  const result = transformed(call, numbersOf(call.graph, moveAxisOf(x, axis, rank - 2)), {
    points,
    isInverse: call.int('inverse', 0) !== 0,
    isOneSided: call.int('onesided', 0) !== 0,
  });
  return moveAxisOf(secretTensor(x.type, result), rank - 2, axis);
}

/** Of frames of the signal, one `step` behind the other, each times a window. */
function shortTimeFourier(call: OperatorCall): TensorValue {
  const x = call.numbers(0);
  const [batch = 0, length = 0, parts = 1] = x.shape;
  const step = call.publicNumbers(1, 'its step')[0] ?? 1;
  const window = call.isGiven(2) ? call.numbers(2) : undefined;
  const size = call.isGiven(3) ? (call.publicNumbers(3, 'its length')[0] ?? 0) : (window?.size ?? 0);
  if (size < 1 || size > length || step < 1)
    throw call.unsupported(`cuts frames of ${size}, ${step} apart, from a signal of ${length}`, 'Repair the model.');
  const count = Math.floor((length - size) / step) + 1;
  const places = range(count).flatMap((frame) => range(size).map((i) => frame * step + i));
  const frames = take(x, places, 1).reshape([batch, count, size, parts]);
  const weighted = window === undefined ? frames : frames.mul(window.reshape([size, 1]));
  const isOneSided = call.int('onesided', 1) !== 0;
  return secretTensor(call.type(0), transformed(call, weighted, { points: size, isInverse: false, isOneSided }));
}

/** Triangles on the mel scale over the bins of a spectrum, [bins, triangles] (ONNX, MelWeightMatrix). */
function melWeights(call: OperatorCall): TensorValue {
  const [triangles = 0, points = 0, rate = 0, low = 0, high = 0] = range(5).map(
    (i) => call.publicNumbers(i, 'its numbers')[0] ?? 0,
  );
  const mel = (frequency: number): number => 2595 * Math.log10(1 + frequency / 700);
  const width = (mel(high) - mel(low)) / (triangles + 2);
  const corners = range(triangles + 2).map((i) =>
    Math.floor(((points + 1) * 700 * (10 ** ((mel(low) + i * width) / 2595) - 1)) / rate),
  );
  const bins = Math.floor(points / 2) + 1;
  const values = range(bins * triangles).map((cell) => {
    const [bin, triangle] = [Math.floor(cell / triangles), cell % triangles];
    const [from = 0, centre = 0, to = 0] = corners.slice(triangle, triangle + 3);
    if (bin >= centre && bin < to) return (to - bin) / (to - centre);
    if (centre === from) return Number(bin === centre);
    return bin >= from && bin <= centre ? (bin - from) / (centre - from) : 0;
  });
  return publicTensor(typeAttribute(call, 'output_datatype', 'float32'), [bins, triangles], values);
}

export const signals: OperatorFamily = {
  DFT: { attributes: ['axis', 'inverse', 'onesided'], run: fourier },
  STFT: { attributes: ['onesided'], run: shortTimeFourier },
  MelWeightMatrix: { attributes: ['output_datatype'], run: melWeights },
};
