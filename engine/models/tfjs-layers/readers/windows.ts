/** Convolutions and pools. Images are moved, channels first, unless the file has them so. */
import { samePadding } from '../../../../shared/layers/same-padding.ts';
import type { WeightTensor } from '../../../../shared/model.ts';
import type { LayerCall } from '../layer-call.ts';
import { ownShape } from '../network-builder.ts';
import type { Value } from '../network-builder.ts';
import { convolutionSchema, globalPoolSchema, poolSchema } from '../schema.ts';
import { permuted } from '../weights.ts';
import { activated } from './activations.ts';
import type { LayerReaders, ReadLayer } from './reader.ts';

type Axes = 1 | 2 | 3;

/** The images that a layer takes, channels first. */
export function images(call: LayerCall, channelsFirst: boolean): Value {
  return channelsFirst ? call.plain : call.network.moved(call.input);
}

interface Window {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
}

/** Cells of padding: all before, then all after. Causal windows end at their place. */
function paddingOf(
  mode: 'valid' | 'same' | 'causal',
  { kernel, stride, dilation }: Window,
  cells: readonly number[],
): number[] {
  if (mode === 'valid') return new Array<number>(2 * kernel.length).fill(0);
  const at = (axis: number) => [kernel[axis] ?? 1, stride[axis] ?? 1, dilation[axis] ?? 1] as const;
  if (mode === 'causal') return [...kernel.map((n, axis) => (n - 1) * at(axis)[2]), ...kernel.map(() => 0)];
  const totals = kernel.map((_, axis) => samePadding(cells[axis] ?? 1, ...at(axis)));
  return [...totals.map((total) => Math.floor(total / 2)), ...totals.map((total) => Math.ceil(total / 2))];
}

/** Kernels have channels and filters last; ours have them first, in this order or the other. */
const filtersFirst = (axes: number): number[] => [axes + 1, axes, ...Array.from({ length: axes }, (_, axis) => axis)];

/** `along`: axes of cells that come before those of the window, which it does not reach along. */
function windowOf(call: LayerCall, axes: Axes, along: 0 | 1) {
  const config = call.config(convolutionSchema(axes));
  if (along > 0 && config.data_format) throw call.unsupported('has channels first for each of several places');
  const input = images(call, config.data_format);
  const [channels = 1, ...cells] = ownShape(input);
  const wide = (sizes: readonly number[]): number[] => [...new Array<number>(along).fill(1), ...sizes];
  const ones = new Array<number>(axes).fill(1);
  const window = {
    kernel: wide(config.kernel_size),
    stride: wide(config.strides ?? ones),
    dilation: wide(config.dilation_rate ?? ones),
  };
  return { config, input, channels, cells, window };
}

/** The kernel as it says in the file, with an axis of size 1 for each that it does not reach along. */
function kernelOf(call: LayerCall, part: string, along: 0 | 1): WeightTensor {
  const { shape, data } = call.weight(part);
  return { shape: [...new Array<number>(along).fill(1), ...shape], data };
}

const together = (axes: Axes, along: 0 | 1): Axes => (axes + along) as Axes;

function biasOf(call: LayerCall, useBias: boolean): { bias?: WeightTensor } {
  return useBias ? { bias: call.weight('bias') } : {};
}

const convolution =
  (axes: Axes, along: 0 | 1 = 0): ReadLayer =>
  (call) => {
    const { config, input, channels, cells, window } = windowOf(call, axes, along);
    const all = together(axes, along);
    const weights = {
      kernel: permuted(kernelOf(call, 'kernel', along), filtersFirst(all)),
      ...biasOf(call, config.use_bias),
    };
    const convolved = call.add(
      {
        kind: `conv${all}d`,
        channels,
        filters: config.filters ?? 1,
        ...window,
        padding: paddingOf(config.padding, window, cells),
        groups: config.groups ?? 1,
        useBias: config.use_bias,
      },
      [input],
      { weights },
    );
    return activated(call, config.activation, convolved, config.activation);
  };

/** Each channel by filters of its own: [...kernel, channels, multiplier] becomes as many groups as there are channels. */
function byChannels(call: LayerCall, axes: Axes, along: 0 | 1, isLast: boolean): Value {
  const { config, input, channels, cells, window } = windowOf(call, axes, along);
  const all = together(axes, along);
  // Keras 3 calls it just a kernel where there is no other.
  const stored = kernelOf(call, call.has('depthwise_kernel') || !isLast ? 'depthwise_kernel' : 'kernel', along);
  const multiplier = stored.shape.at(-1) ?? 1;
  const { data } = permuted(stored, [all, all + 1, ...Array.from({ length: all }, (_, axis) => axis)]);
  const filters = channels * multiplier;
  const kernel = { shape: [filters, 1, ...window.kernel], data };
  const useBias = isLast && config.use_bias;
  return call.add(
    {
      kind: `conv${all}d`,
      channels,
      filters,
      ...window,
      padding: paddingOf(config.padding, window, cells),
      groups: channels,
      useBias,
    },
    [input],
    { weights: { kernel, ...biasOf(call, useBias) }, ...(isLast ? {} : { suffix: 'depthwise' }) },
  );
}

const depthwise =
  (axes: Axes, along: 0 | 1 = 0): ReadLayer =>
  (call) => {
    const { activation } = call.config(convolutionSchema(axes));
    return activated(call, activation, byChannels(call, axes, along, true), activation);
  };

/** By channels, then all channels of each cell. */
const separable =
  (axes: Axes): ReadLayer =>
  (call) => {
    const config = call.config(convolutionSchema(axes));
    const apart = byChannels(call, axes, 0, false);
    const ones = new Array<number>(axes).fill(1);
    const weights = {
      kernel: permuted(call.weight('pointwise_kernel'), filtersFirst(axes)),
      ...biasOf(call, config.use_bias),
    };
    const mixed = call.add(
      {
        kind: `conv${axes}d`,
        channels: ownShape(apart)[0] ?? 1,
        filters: config.filters ?? 1,
        kernel: ones,
        stride: ones,
        dilation: ones,
        padding: [...ones, ...ones].map(() => 0),
        groups: 1,
        useBias: config.use_bias,
      },
      [apart],
      { weights },
    );
    return activated(call, config.activation, mixed, config.activation);
  };

/** `valid` gives what the windows cover, and at least cells times stride; `same` cells times stride. */
const transposed =
  (axes: Axes): ReadLayer =>
  (call) => {
    const { config, input, channels, window } = windowOf(call, axes, 0);
    if (config.output_padding !== undefined && config.output_padding !== null)
      throw call.unsupported('has an output padding');
    if (window.dilation.some((step) => step > 1)) throw call.unsupported('is transposed and dilated');
    if (config.padding === 'causal') throw call.unsupported('is transposed and causal');
    const surplus = window.kernel.map((n, axis) => n - (window.stride[axis] ?? 1));
    const cut = (round: (x: number) => number): number[] =>
      surplus.map((n) => (config.padding === 'same' ? Math.max(0, round(n / 2)) : 0));
    // Theirs has filters before channels: reversed, channels come first.
    const weights = { kernel: permuted(call.weight('kernel'), filtersFirst(axes)), ...biasOf(call, config.use_bias) };
    const convolved = call.add(
      {
        kind: `convTranspose${axes}d`,
        channels,
        filters: config.filters ?? 1,
        ...window,
        padding: [...cut(Math.floor), ...cut(Math.ceil)],
        outputPadding: surplus.map((n) => Math.max(0, -n)),
        groups: config.groups ?? 1,
        useBias: config.use_bias,
      },
      [input],
      { weights },
    );
    return activated(call, config.activation, convolved, config.activation);
  };

const pool =
  (kind: 'max' | 'average', axes: Axes, along: 0 | 1 = 0): ReadLayer =>
  (call) => {
    const config = call.config(poolSchema(axes));
    if (along > 0 && config.data_format) throw call.unsupported('has channels first for each of several places');
    if (config.padding === 'causal') throw call.unsupported('pads as "causal"');
    const input = images(call, config.data_format);
    const wide = (sizes: readonly number[]): number[] => [...new Array<number>(along).fill(1), ...sizes];
    const kernel = wide(config.pool_size ?? new Array<number>(axes).fill(2));
    const stride = config.strides ? wide(config.strides) : kernel;
    const window = { kernel, stride, dilation: kernel.map(() => 1) };
    const padding = paddingOf(config.padding, window, ownShape(input).slice(1));
    const all = together(axes, along);
    if (kind === 'max') return call.add({ kind: `maxPool${all}d`, ...window, padding }, [input]);
    return call.add({ kind: `averagePool${all}d`, kernel, stride, padding, countPadding: false }, [input]);
  };

const globalPool =
  (kind: 'globalMaxPool' | 'globalAveragePool', axes: Axes): ReadLayer =>
  (call) => {
    const { data_format: channelsFirst, keepdims } = call.config(globalPoolSchema);
    if (call.input.shape.length !== axes + 1)
      throw call.unsupported(`takes images of ${axes + 1} axes, and is given [${call.input.shape.join(', ')}]`);
    const pooled = call.add({ kind }, [images(call, channelsFirst)]);
    if (keepdims !== true) return pooled;
    const ones = new Array<number>(axes).fill(1);
    const shape = channelsFirst ? [...pooled.shape, ...ones] : [...ones, ...pooled.shape];
    return call.add({ kind: 'reshape', shape }, [pooled], { suffix: 'kept' });
  };

export const windowReaders: LayerReaders = {
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  DepthwiseConv1D: depthwise(1),
  DepthwiseConv2D: depthwise(2),
  SeparableConv1D: separable(1),
  SeparableConv2D: separable(2),
  Conv1DTranspose: transposed(1),
  Conv2DTranspose: transposed(2),
  Conv3DTranspose: transposed(3),
  MaxPooling1D: pool('max', 1),
  MaxPooling2D: pool('max', 2),
  MaxPooling3D: pool('max', 3),
  AveragePooling1D: pool('average', 1),
  AveragePooling2D: pool('average', 2),
  AveragePooling3D: pool('average', 3),
  GlobalMaxPooling1D: globalPool('globalMaxPool', 1),
  GlobalMaxPooling2D: globalPool('globalMaxPool', 2),
  GlobalMaxPooling3D: globalPool('globalMaxPool', 3),
  GlobalAveragePooling1D: globalPool('globalAveragePool', 1),
  GlobalAveragePooling2D: globalPool('globalAveragePool', 2),
  GlobalAveragePooling3D: globalPool('globalAveragePool', 3),
};

/** The same for each of several places: windows along one axis more, which they do not reach along. */
export const windowReadersByPlace: LayerReaders = {
  Conv1D: convolution(1, 1),
  Conv2D: convolution(2, 1),
  DepthwiseConv2D: depthwise(2, 1),
  MaxPooling1D: pool('max', 1, 1),
  MaxPooling2D: pool('max', 2, 1),
  AveragePooling1D: pool('average', 1, 1),
  AveragePooling2D: pool('average', 2, 1),
};
