/** Convolutions and their transposes along one to three axes. Kernels are laid out as in ONNX. */
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { count, elementCount, init, layerKind, paddings, single, size, sizes } from './kind.ts';
import type { AnyLayer, WeightFacts } from './kind.ts';
import { completePadding, imageOf, paddingSpec, perAxis, spread, windowCells } from './windows.ts';

interface Filters {
  readonly channels: number;
  readonly filters: number;
  readonly groups: number;
  readonly kernel: readonly number[];
  readonly useBias: boolean;
}

function checkGroups(layer: AnyLayer & Filters): void {
  if (layer.channels % layer.groups === 0 && layer.filters % layer.groups === 0) return;
  throw new InputError(
    'model-groups-uneven',
    `Layer ${layer.name} (${layer.kind}): ${layer.groups} groups do not divide ${layer.channels} channels and ${layer.filters} filters.`,
    { hint: 'Let channels and filters be multiples of the groups.' },
  );
}

function filterWeights(layer: Filters, shape: readonly number[]): WeightFacts[] {
  const cells = elementCount(layer.kernel);
  const fans = { fanIn: (layer.channels / layer.groups) * cells, fanOut: (layer.filters / layer.groups) * cells };
  return [
    { part: 'kernel', shape: [...shape, ...layer.kernel], role: 'factor', start: fans },
    ...(layer.useBias ? [{ part: 'bias', shape: [layer.filters], role: 'term', start: 0 } as const] : []),
  ];
}

const attributesOf = (axes: number) => ({
  channels: size,
  filters: size,
  kernel: sizes(axes),
  stride: sizes(axes),
  dilation: sizes(axes),
  padding: paddings(axes),
  groups: size,
  useBias: z.boolean(),
  init,
});

const specOf = (axes: number) => ({
  filters: size.max(65_536),
  groups: size.default(1),
  bias: z.boolean().default(true),
  init,
  kernel: perAxis(axes),
  stride: perAxis(axes).default(1),
  dilation: perAxis(axes).default(1),
  padding: paddingSpec(axes).default('valid'),
});

const convolution = (axes: number) =>
  layerKind({
    attributes: attributesOf(axes),
    spec: specOf(axes),
    outputShape(layer, inputs) {
      const [, cells] = imageOf(layer, single(inputs), axes, layer.channels);
      checkGroups(layer);
      return [layer.filters, ...windowCells(layer, layer, cells)];
    },
    weights: (layer) => filterWeights(layer, [layer.filters, layer.channels / layer.groups]),
    complete({ bias, padding, ...spec }, inputs, layer) {
      const [channels, cells] = imageOf(layer, single(inputs), axes);
      const window = {
        kernel: spread(spec.kernel, axes),
        stride: spread(spec.stride, axes),
        dilation: spread(spec.dilation, axes),
      };
      return { ...spec, ...window, channels, padding: completePadding(padding, cells, window), useBias: bias };
    },
  });

/**
 * Output cells: (cells - 1) stride - padding + dilation (kernel - 1) + 1 + outputPadding. `same` in a job file pads so that
 * there are cells times stride of them.
 */
const transposed = (axes: number) =>
  layerKind({
    attributes: { ...attributesOf(axes), outputPadding: z.array(count).length(axes).readonly() },
    spec: {
      ...specOf(axes),
      outputPadding: z.union([count, z.array(count).length(axes)]).default(0),
    },
    outputShape(layer, inputs) {
      const [, cells] = imageOf(layer, single(inputs), axes, layer.channels);
      checkGroups(layer);
      const { kernel, stride, dilation, padding, outputPadding } = layer;
      if (outputPadding.some((extra, axis) => extra >= (stride[axis] ?? 1))) {
        throw new InputError(
          'model-output-padding',
          `Layer ${layer.name} (${layer.kind}): its output padding [${outputPadding.join(', ')}] is not below its stride [${stride.join(', ')}].`,
        );
      }
      const out = cells.map(
        (n, axis) =>
          (n - 1) * (stride[axis] ?? 1) -
          (padding[axis] ?? 0) -
          (padding[axis + axes] ?? 0) +
          (dilation[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) +
          1 +
          (outputPadding[axis] ?? 0),
      );
      if (out.some((n) => n < 1)) {
        throw new InputError(
          'model-window-too-large',
          `Layer ${layer.name} (${layer.kind}): its padding [${padding.join(', ')}] leaves nothing of its output.`,
          { hint: 'Use less padding.' },
        );
      }
      return [layer.filters, ...out];
    },
    weights: (layer) => filterWeights(layer, [layer.channels, layer.filters / layer.groups]),
    complete({ bias, padding, ...spec }, inputs, layer) {
      const [channels] = imageOf(layer, single(inputs), axes);
      const window = {
        kernel: spread(spec.kernel, axes),
        stride: spread(spec.stride, axes),
        dilation: spread(spec.dilation, axes),
      };
      const covered = window.kernel.map((n, axis) => (window.dilation[axis] ?? 1) * (n - 1) + 1);
      // With `same`, what the windows cover beyond one stride is cut off, half on each side; where they cover less, more is added.
      const surplus = covered.map((n, axis) => n - (window.stride[axis] ?? 1));
      const isSame = padding === 'same';
      const cut = isSame
        ? [...surplus.map((n) => Math.max(0, Math.floor(n / 2))), ...surplus.map((n) => Math.max(0, Math.ceil(n / 2)))]
        : completePadding(padding, new Array<number>(axes).fill(1), window);
      const outputPadding = isSame ? surplus.map((n) => Math.max(0, -n)) : spread(spec.outputPadding, axes);
      return { ...spec, ...window, channels, padding: cut, outputPadding, useBias: bias };
    },
  });

export const convolutionKinds = {
  conv1d: convolution(1),
  conv2d: convolution(2),
  conv3d: convolution(3),
  convTranspose1d: transposed(1),
  convTranspose2d: transposed(2),
  convTranspose3d: transposed(3),
};
