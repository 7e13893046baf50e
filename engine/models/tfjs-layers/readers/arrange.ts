/** Layers that move values, repeat them, cut them off or drop them. */
import { elementCount } from '../../../../shared/layers/kind.ts';
import type { LayerCall } from '../layer-call.ts';
import { text } from '../fragment.ts';
import type { Value } from '../network-builder.ts';
import {
  croppingSchema,
  dropoutSchema,
  layoutSchema,
  paddingSchema,
  permuteSchema,
  repeatSchema,
  reshapeSchema,
  upSamplingSchema,
} from '../schema.ts';
import type { LayerReaders, ReadLayer } from './reader.ts';
import { images } from './windows.ts';

/** Channels first, TensorFlow.js moves them last before it flattens. */
function flatten(call: LayerCall): Value {
  const { plain } = call;
  const isFirst = call.config(layoutSchema) && plain.shape.length > 1;
  if (!isFirst) return call.add({ kind: 'flatten' }, [plain]);
  const axes = plain.shape.map((_, axis) => axis);
  const turned = call.add({ kind: 'permute', order: [...axes.slice(1), 0] }, [plain], { suffix: 'last' });
  return call.add({ kind: 'flatten' }, [turned]);
}

/** One size may be left open, as -1 or null. `kept`: first axes that stay as they are. */
function reshape(call: LayerCall, kept = 0): Value {
  const { plain } = call;
  const { target_shape: target } = call.config(reshapeSchema);
  const cells = elementCount(plain.shape.slice(kept));
  const isOpen = (n: number | null): boolean => n === null || n === -1;
  const known = elementCount(target.filter((n) => !isOpen(n)).map(Number));
  const sizes = target.map((n) => (isOpen(n) ? cells / known : Number(n)));
  if (
    target.filter(isOpen).length > 1 ||
    sizes.some((n) => !Number.isInteger(n) || n < 1) ||
    elementCount(sizes) !== cells
  )
    throw call.unsupported(`reshapes [${plain.shape.join(', ')}] to [${target.join(', ')}]`);
  return call.add({ kind: 'reshape', shape: [...plain.shape.slice(0, kept), ...sizes] }, [plain]);
}

function permute(call: LayerCall, kept = 0): Value {
  const { dims } = call.config(permuteSchema);
  const first = Array.from({ length: kept }, (_, axis) => axis);
  return call.add({ kind: 'permute', order: [...first, ...dims.map((axis) => axis - 1 + kept)] }, [call.plain]);
}

function repeat(call: LayerCall): Value {
  const { n } = call.config(repeatSchema);
  const [size = 1, ...more] = call.plain.shape;
  if (more.length > 0) throw call.unsupported(`repeats vectors, and is given [${call.plain.shape.join(', ')}]`);
  const column = call.add({ kind: 'reshape', shape: [size, 1] }, [call.plain], { suffix: 'column' });
  const columns = call.add({ kind: 'upsample', factors: [n], mode: 'nearest' }, [column], { suffix: 'columns' });
  return call.add({ kind: 'permute', order: [1, 0] }, [columns]);
}

const zeroPadding =
  (axes: number): ReadLayer =>
  (call) => {
    const { padding, data_format: channelsFirst } = call.config(paddingSchema(axes));
    const before = [0, ...padding.map(([cells]) => cells)];
    const after = [0, ...padding.map(([, cells]) => cells)];
    return call.add({ kind: 'pad', before, after, mode: 'constant', value: 0 }, [images(call, channelsFirst)]);
  };

const cropping =
  (axes: number): ReadLayer =>
  (call) => {
    const { cropping: cut, data_format: channelsFirst } = call.config(croppingSchema(axes));
    const { plain } = call;
    const first = channelsFirst ? 1 : 0;
    const cells = plain.shape.slice(first, first + axes);
    const ends = cells.map((n, axis) => n - (cut[axis]?.[1] ?? 0));
    if (plain.shape.length !== axes + 1 || ends.some((end, axis) => end <= (cut[axis]?.[0] ?? 0)))
      throw call.unsupported(`leaves nothing of [${plain.shape.join(', ')}]`);
    return call.operators([plain], (graph, x = '') =>
      graph.op('Slice', [
        x,
        graph.wholes(
          'starts',
          cut.map(([start]) => start),
        ),
        graph.wholes('ends', ends),
        graph.wholes(
          'axes',
          cells.map((_, axis) => first + axis + 1),
        ),
      ]),
    );
  };

const upSampling =
  (axes: number): ReadLayer =>
  (call) => {
    const { size, data_format: channelsFirst, interpolation } = call.config(upSamplingSchema(axes));
    if (interpolation === 'nearest')
      return call.add({ kind: 'upsample', factors: size, mode: 'nearest' }, [images(call, channelsFirst)]);
    if (interpolation !== 'bilinear' || axes !== 2)
      throw call.unsupported(`mixes cells as "${interpolation}"; supported are nearest, and bilinear for two axes`);
    // TensorFlow.js measures from corners of cells, not from their centres as Keras does.
    const scales = channelsFirst ? [1, 1, ...size] : [1, ...size, 1];
    return call.operators([call.input], (graph, x = '') =>
      graph.op('Resize', [x, '', graph.weight('scales', { shape: [4], data: Float64Array.from(scales) })], {
        mode: text('linear'),
        coordinate_transformation_mode: text('asymmetric'),
      }),
    );
  };

const dropout =
  (wholeChannels: boolean): ReadLayer =>
  (call) => {
    const { rate, noise_shape: shape, data_format: channelsFirst } = call.config(dropoutSchema);
    if (shape !== undefined && shape !== null) throw call.unsupported('drops cells together (noise_shape)');
    if (rate === 0) return call.input;
    return call.add({ kind: 'dropout', rate, wholeChannels }, [
      wholeChannels ? images(call, channelsFirst) : call.input,
    ]);
  };

/** Does nothing but in training, and there only makes noise that we have not. */
const nothing: ReadLayer = (call) => call.input;

export const arrangeReaders: LayerReaders = {
  Flatten: flatten,
  Reshape: (call) => reshape(call),
  Permute: (call) => permute(call),
  RepeatVector: repeat,
  ZeroPadding1D: zeroPadding(1),
  ZeroPadding2D: zeroPadding(2),
  ZeroPadding3D: zeroPadding(3),
  Cropping1D: cropping(1),
  Cropping2D: cropping(2),
  Cropping3D: cropping(3),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
  Dropout: dropout(false),
  SpatialDropout1D: dropout(true),
  SpatialDropout2D: dropout(true),
  SpatialDropout3D: dropout(true),
  GaussianNoise: nothing,
  GaussianDropout: nothing,
  AlphaDropout: nothing,
  ActivityRegularization: nothing,
};

/** For each of several places. */
export const arrangeReadersByPlace: LayerReaders = {
  Flatten: (call) => {
    const [places = 1, ...rest] = call.plain.shape;
    if (call.config(layoutSchema)) throw call.unsupported('has channels first for each of several places');
    return call.add({ kind: 'reshape', shape: [places, elementCount(rest)] }, [call.plain]);
  },
  Reshape: (call) => reshape(call, 1),
  Permute: (call) => permute(call, 1),
};
