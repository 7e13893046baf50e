/** What a description means, in float64 and in the most obvious way: the yardstick for readers, writers and the baseline. */
import type { Layer, TrainedModel } from '../../../shared/model.ts';
import { elementCount, layerOutputShape } from '../../../shared/model.ts';

/** Answers for row-major inputs, row-major. */
export function plainForward(model: TrainedModel, inputs: Float64Array): Float64Array {
  const width = elementCount(model.description.inputShape);
  const answers: number[] = [];
  for (let start = 0; start < inputs.length; start += width) {
    let shape = model.description.inputShape;
    let cells = [...inputs.subarray(start, start + width)];
    const { standardisation } = model;
    if (standardisation !== undefined) {
      cells = cells.map((cell, i) => (cell - standardisation.subtract[i]!) * standardisation.multiply[i]!);
    }
    for (const layer of model.description.layers) {
      const output = layerOutputShape(layer, shape);
      cells = forward(layer, cells, shape, output, model);
      shape = output;
    }
    answers.push(...cells);
  }
  return Float64Array.from(answers);
}

function forward(
  layer: Layer,
  x: readonly number[],
  shape: readonly number[],
  output: readonly number[],
  model: TrainedModel,
): number[] {
  const kernel = model.weights.get(`${layer.name}/kernel`)?.data;
  const bias = model.weights.get(`${layer.name}/bias`)?.data;
  const [, height = 0, width = 0] = shape;
  switch (layer.kind) {
    case 'flatten':
      return [...x];
    case 'relu':
      return x.map((cell) => Math.max(cell, 0));
    case 'sigmoid':
      return x.map((cell) => 1 / (1 + Math.exp(-cell)));
    case 'tanh':
      return x.map(Math.tanh);
    case 'softmax': {
      const powers = x.map((cell) => Math.exp(cell - Math.max(...x)));
      return powers.map((power) => power / powers.reduce((a, b) => a + b));
    }
    case 'dense':
      return Array.from({ length: layer.outputs }, (_, j) =>
        x.reduce((sum, cell, i) => sum + cell * kernel![i * layer.outputs + j]!, bias?.[j] ?? 0),
      );
    case 'conv2d':
    case 'maxPool2d':
    case 'averagePool2d': {
      const [kh, kw] = layer.kernel;
      const [dh, dw] = layer.kind === 'averagePool2d' ? [1, 1] : layer.dilation;
      const [outChannels = 0, outHeight = 0, outWidth = 0] = output;
      const result: number[] = [];
      /** Position of a window's cell in its channel; -1 is padding. */
      const place = (row: number, column: number, i: number, j: number): number => {
        const r = row * layer.stride[0] - layer.padding[0] + i * dh;
        const c = column * layer.stride[1] - layer.padding[1] + j * dw;
        return r >= 0 && r < height && c >= 0 && c < width ? r * width + c : -1;
      };
      /** The cells of a window in one channel, without padding. */
      const window = (channel: number, row: number, column: number): number[] => {
        const places = Array.from({ length: kh * kw }, (_, k) => place(row, column, Math.floor(k / kw), k % kw));
        return places.filter((at) => at >= 0).map((at) => x[channel * height * width + at]!);
      };
      for (let f = 0; f < outChannels; f++) {
        for (let row = 0; row < outHeight; row++) {
          for (let column = 0; column < outWidth; column++) {
            if (layer.kind === 'maxPool2d') {
              result.push(Math.max(...window(f, row, column)));
            } else if (layer.kind === 'averagePool2d') {
              const cells = window(f, row, column);
              result.push(cells.reduce((a, b) => a + b, 0) / (layer.countPadding ? kh * kw : cells.length));
            } else {
              const perGroup = layer.channels / layer.groups;
              const first = Math.floor(f / (layer.filters / layer.groups)) * perGroup;
              let sum = bias?.[f] ?? 0;
              for (let i = 0; i < kh; i++) {
                for (let j = 0; j < kw; j++) {
                  const at = place(row, column, i, j);
                  for (let c = 0; at >= 0 && c < perGroup; c++) {
                    sum += x[(first + c) * height * width + at]! * kernel![((f * perGroup + c) * kh + i) * kw + j]!;
                  }
                }
              }
              result.push(sum);
            }
          }
        }
      }
      return result;
    }
  }
}
