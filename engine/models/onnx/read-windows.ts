/** Operators over the cells of images as layers: convolutions along one to three axes, pools, padding, larger images. */
import { samePadding } from '../../../shared/layers/same-padding.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import type { NodeReading, ReadNode } from './node-reading.ts';

interface Window {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
}

/** Axes of cells of the images that the node takes. */
function cellAxes(node: NodeReading): 1 | 2 | 3 {
  const axes = node.rows().shape.length - 1;
  if (axes === 1 || axes === 2 || axes === 3) return axes;
  throw node.unsupported('is not given images of [batch, channels, one to three sizes]');
}

/** Explicit pads, or those that auto_pad stands for: all before, then all after. */
function padding(node: NodeReading, { kernel, stride, dilation }: Window): number[] {
  const axes = kernel.length;
  const automatic = node.attributes.text('auto_pad', 'NOTSET');
  const pads = node.attributes.ints('pads') ?? new Array<number>(2 * axes).fill(0);
  if (automatic === 'NOTSET') {
    if (pads.length !== 2 * axes || pads.some((cells) => cells < 0))
      throw node.unsupported(`has pads [${pads.join(', ')}]`);
    return [...pads];
  }
  if (automatic === 'VALID') return new Array<number>(2 * axes).fill(0);
  if (automatic !== 'SAME_UPPER' && automatic !== 'SAME_LOWER') throw node.unsupported(`has auto_pad ${automatic}`);
  const cells = node.rows().shape.slice(1);
  const totals = cells.map((n, i) => samePadding(n, kernel[i] ?? 1, stride[i] ?? 1, dilation[i] ?? 1));
  const [less, more] = [totals.map((n) => Math.floor(n / 2)), totals.map((n) => Math.ceil(n / 2))];
  return automatic === 'SAME_UPPER' ? [...less, ...more] : [...more, ...less];
}

const convolution =
  (isTransposed: boolean): ReadNode =>
  (node) => {
    const { attributes } = node;
    const axes = cellAxes(node);
    const weight = node.weight(1);
    const [first = 0, second = 0, ...kernel] = weight.shape;
    if (kernel.length !== axes) throw node.unsupported(`has a kernel of [${weight.shape.join(', ')}] for such images`);
    if ((attributes.ints('kernel_shape') ?? kernel).join() !== kernel.join())
      throw node.unsupported('says kernel_shape, but its weight has another shape');
    const window = { kernel, stride: attributes.sizes('strides', axes), dilation: attributes.sizes('dilations', axes) };
    const groups = attributes.int('group', 1);
    const [channels, filters] = isTransposed ? [first, second * groups] : [second * groups, first];
    const useBias = node.isGiven(2);
    const name = node.name(isTransposed ? 'convTranspose' : 'conv');
    const common = { name, channels, filters, ...window, padding: padding(node, window), groups, useBias };
    node.list.weights.set(`${name}/kernel`, weight);
    if (useBias) node.list.weights.set(`${name}/bias`, { shape: [filters], data: node.columns(2, filters) });
    if (!isTransposed) {
      node.layer({ kind: `conv${axes}d`, ...common });
      return;
    }
    const outputPadding = attributes.ints('output_padding') ?? new Array<number>(axes).fill(0);
    if (attributes.has('output_shape') || !['NOTSET', 'VALID'].includes(attributes.text('auto_pad', 'NOTSET')))
      throw node.unsupported('takes its padding from the size that it is to give');
    node.layer({ kind: `convTranspose${axes}d`, ...common, outputPadding });
  };

const pool =
  (isMaximum: boolean): ReadNode =>
  (node) => {
    const { attributes } = node;
    const axes = cellAxes(node);
    if (node.isUsed(1)) throw node.unsupported('gives out indices');
    const kernel = attributes.ints('kernel_shape') ?? [];
    if (kernel.length !== axes) throw node.unsupported(`has a window of ${kernel.length} axes for such images`);
    const window = { kernel, stride: attributes.sizes('strides', axes), dilation: attributes.sizes('dilations', axes) };
    const name = node.name('pool');
    const common = { name, kernel, stride: window.stride, padding: padding(node, window) };
    // ceil_mode is taken where it changes nothing: every window fits.
    const isCeiled = attributes.int('ceil_mode', 0) !== 0;
    const fits = node
      .rows()
      .shape.slice(1)
      .every((cells, axis) => {
        const extent = cells + (common.padding[axis] ?? 0) + (common.padding[axis + axes] ?? 0);
        return (
          (extent - (window.dilation[axis] ?? 1) * ((kernel[axis] ?? 1) - 1) - 1) % (window.stride[axis] ?? 1) === 0
        );
      });
    if (isCeiled && !fits) throw node.unsupported('rounds its output size up (ceil_mode)');
    if (isMaximum) {
      // Only orders the indices of the second output.
      attributes.ignore('storage_order');
      node.layer({ kind: `maxPool${axes}d`, ...common, dilation: window.dilation });
      return;
    }
    if (window.dilation.some((step) => step !== 1)) throw node.unsupported('is dilated');
    const countPadding = attributes.int('count_include_pad', 0) !== 0;
    node.layer({ kind: `averagePool${axes}d`, ...common, countPadding });
  };

type GlobalPool = 'globalMaxPool' | 'globalAveragePool';

/** A number a channel; the axes of cells stay, one cell each, unless `dropsAxes`. */
function global(node: NodeReading, kind: GlobalPool, dropsAxes: boolean): void {
  const { shape } = node.rows();
  if (shape.length < 2) throw node.unsupported('is not given images of [batch, channels, sizes ...]');
  const rows = node.layer({ kind, name: node.name('pool') });
  if (!dropsAxes) node.reshaped(rows, [...rows.shape, ...shape.slice(1).map(() => 1)]);
}

/** Over all cells of each channel, which is a global pool. */
const reduced =
  (kind: GlobalPool): ReadNode =>
  (node) => {
    const { shape } = node.rows();
    const axes = (node.integers(1, 'axes') ?? []).map((axis) => (axis < 0 ? axis + shape.length + 1 : axis));
    const keeps = node.attributes.int('keepdims', 1) !== 0;
    node.attributes.ignore('noop_with_empty_axes');
    const all = shape.slice(1).map((_, axis) => axis + 2);
    if (all.length === 0 || axes.sort((a, b) => a - b).join() !== all.join())
      throw node.unsupported('does not reduce all cells of each channel');
    global(node, kind, !keeps);
  };

const padModes = new Map([
  ['constant', 'constant'],
  ['reflect', 'reflect'],
  ['edge', 'replicate'],
] as const);

const pad: ReadNode = (node) => {
  const { shape } = node.rows();
  const axes = shape.length + 1;
  const pads = node.integers(1, 'pads') ?? [];
  const value = node.number(2) ?? node.attributes.float('value', 0);
  const mode = padModes.get(node.attributes.text('mode', 'constant') as 'constant');
  const isBatchKept = pads[0] === 0 && pads[axes] === 0;
  if (mode === undefined || pads.length !== 2 * axes || !isBatchKept || pads.some((n) => n < 0) || node.isGiven(3))
    throw node.unsupported(`pads by [${pads.join(', ')}]`);
  const layer: Layer = {
    kind: 'pad',
    name: node.name('pad'),
    before: pads.slice(1, axes),
    after: pads.slice(axes + 1),
    mode,
    value,
  };
  node.layer(layer);
};

/** Whole multiples of all cells, repeated or mixed by distance. */
function enlarged(node: NodeReading, scales: readonly number[], mode: 'nearest' | 'bilinear' | undefined): void {
  const [batch, channels, ...factors] = scales;
  const isWhole = factors.every((factor) => Number.isInteger(factor) && factor >= 1);
  if (mode === undefined || batch !== 1 || channels !== 1 || !isWhole || factors.length !== cellAxes(node))
    throw node.unsupported('does not repeat whole cells, or mix them by the distance of their centres');
  node.layer({ kind: 'upsample', name: node.name('upsample'), factors, mode });
}

const resize: ReadNode = (node) => {
  const { attributes } = node;
  const text = (name: string, preset: string): string => attributes.text(name, preset);
  const [mode, coordinates] = [text('mode', 'nearest'), text('coordinate_transformation_mode', 'half_pixel')];
  const rounding = text('nearest_mode', 'round_prefer_floor');
  attributes.ignore('cubic_coeff_a', 'exclude_outside', 'extrapolation_value', 'keep_aspect_ratio_policy');
  if (attributes.int('antialias', 0) !== 0 || attributes.has('axes')) throw node.unsupported('smooths, or names axes');
  // By whole factors nothing depends on how halves are rounded in these.
  const isRepeated = mode === 'nearest' && coordinates === 'asymmetric' && rounding === 'floor';
  const isMixed = mode === 'linear' && coordinates === 'half_pixel';
  const scales = node.isGiven(2) ? [...node.weight(2).data] : [];
  enlarged(node, scales, isRepeated ? 'nearest' : isMixed ? 'bilinear' : undefined);
};

const upsample: ReadNode = (node) => {
  const scales = node.attributes.floats('scales') ?? [...node.weight(1).data];
  enlarged(node, scales, node.attributes.text('mode', 'nearest') === 'nearest' ? 'nearest' : undefined);
};

export const windowReaders: Readonly<Record<string, ReadNode>> = {
  Conv: convolution(false),
  ConvTranspose: convolution(true),
  MaxPool: pool(true),
  AveragePool: pool(false),
  GlobalMaxPool: (node) => global(node, 'globalMaxPool', false),
  GlobalAveragePool: (node) => global(node, 'globalAveragePool', false),
  ReduceMax: reduced('globalMaxPool'),
  ReduceMean: reduced('globalAveragePool'),
  Pad: pad,
  Resize: resize,
  Upsample: upsample,
};
