/** Average and maximum over windows, over given numbers of parts (adaptive), and over whole images (global). */
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { layerKind, mismatch, paddings, plainKind, single, size, sizes } from './kind.ts';
import type { AnyLayer, Shape } from './kind.ts';
import { completePadding, imageOf, paddingSpec, perAxis, spread, windowCells } from './windows.ts';
import type { WindowAttributes } from './windows.ts';

function pooledShape(layer: AnyLayer, window: WindowAttributes, input: Shape): Shape {
  const axes = window.kernel.length;
  const [channels, cells] = imageOf(layer, input, axes);
  if (window.padding.some((n, i) => n >= (window.kernel[i % axes] ?? 1))) {
    throw new InputError(
      'model-pool-padding',
      `Layer ${layer.name} (${layer.kind}): its padding is as large as its window.`,
      { hint: 'Pad by less than the window.' },
    );
  }
  return [channels, ...windowCells(layer, window, cells)];
}

/** In a job file windows do not overlap unless a stride is given. */
const windowSpec = (axes: number) => ({
  kernel: perAxis(axes).default(2),
  stride: perAxis(axes).optional(),
  padding: paddingSpec(axes).default('valid'),
});

interface WindowSpec {
  readonly kernel: number | readonly number[];
  readonly stride?: number | readonly number[] | undefined;
  readonly padding: z.output<ReturnType<typeof paddingSpec>>;
}

function completeWindow(spec: WindowSpec, dilation: readonly number[], input: Shape, layer: AnyLayer) {
  const axes = dilation.length;
  const [, cells] = imageOf(layer, input, axes);
  const kernel = spread(spec.kernel, axes);
  const stride = spread(spec.stride ?? kernel, axes);
  return { kernel, stride, padding: completePadding(spec.padding, cells, { kernel, stride, dilation }) };
}

/** Padded cells never win. */
const maxPool = (axes: number) =>
  layerKind({
    attributes: { kernel: sizes(axes), stride: sizes(axes), dilation: sizes(axes), padding: paddings(axes) },
    spec: { ...windowSpec(axes), dilation: perAxis(axes).default(1) },
    outputShape: (layer, inputs) => pooledShape(layer, layer, single(inputs)),
    complete(spec, inputs, layer) {
      const dilation = spread(spec.dilation, axes);
      return { ...completeWindow(spec, dilation, single(inputs), layer), dilation };
    },
  });

/** `countPadding`: whether padded cells (zeros) count in the divisor. */
const averagePool = (axes: number) => {
  const dilation = new Array<number>(axes).fill(1);
  return layerKind({
    attributes: { kernel: sizes(axes), stride: sizes(axes), padding: paddings(axes), countPadding: z.boolean() },
    spec: { ...windowSpec(axes), countPadding: z.boolean().default(false) },
    outputShape: (layer, inputs) => pooledShape(layer, { ...layer, dilation }, single(inputs)),
    complete: (spec, inputs, layer) => ({
      ...completeWindow(spec, dilation, single(inputs), layer),
      countPadding: spec.countPadding,
    }),
  });
};

/** Parts i of n: cells floor(i cells / n) to ceil((i + 1) cells / n), as in PyTorch. */
const adaptivePool = () =>
  plainKind({
    attributes: { output: z.array(size).min(1).max(3).readonly() },
    outputShape(layer, inputs) {
      const [channels, cells] = imageOf(layer, single(inputs), layer.output.length);
      if (layer.output.some((n, axis) => n > (cells[axis] ?? 0)))
        throw mismatch(layer, `images of at least ${layer.output.join('x')}`, single(inputs));
      return [channels, ...layer.output];
    },
  });

/** One number a channel. */
const globalPool = () =>
  plainKind({
    attributes: {},
    outputShape(layer, inputs) {
      const input = single(inputs);
      if (input.length < 2) throw mismatch(layer, '[channels, ...cells]', input);
      return input.slice(0, 1);
    },
  });

export const poolingKinds = {
  maxPool1d: maxPool(1),
  maxPool2d: maxPool(2),
  maxPool3d: maxPool(3),
  averagePool1d: averagePool(1),
  averagePool2d: averagePool(2),
  averagePool3d: averagePool(3),
  adaptiveMaxPool: adaptivePool(),
  adaptiveAveragePool: adaptivePool(),
  globalMaxPool: globalPool(),
  globalAveragePool: globalPool(),
};
