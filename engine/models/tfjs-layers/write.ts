/**
 * Writes a model in the TF.js Layers format: model.json and one weights.bin, which tf.loadLayersModel takes as they are.
 * Images stay channels first, as in the description. Weights are float32. Knows nothing of shares: weights come in the clear.
 */
import { InputError } from '../../../shared/errors.ts';
import { checkFinite, checkModel, layerOutputShape } from '../../../shared/model.ts';
import type { Layer, TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { samePadding } from '../same-padding.ts';
import { foldStandardisation } from '../standardisation.ts';

export interface TfjsLayersFiles {
  /** Content of model.json; it names weights.bin beside it. */
  readonly modelJson: string;
  /** Content of weights.bin. */
  readonly weights: Uint8Array<ArrayBuffer>;
}

interface WrittenLayer {
  readonly class_name: string;
  readonly config: Record<string, unknown>;
}

type ImageLayer = Extract<Layer, { kind: 'conv2d' | 'maxPool2d' | 'averagePool2d' }>;

/**
 * The two files. The format has no per-feature standardisation, so it is folded into the first dense layer.
 * @throws InputError `tfjs-unsupported` naming a layer that the format cannot express; `not-finite` naming a weight.
 */
export function writeTfjsLayers(model: TrainedModel): TfjsLayersFiles {
  checkModel(model);
  const { description, weights } = foldStandardisation(model);
  const layers: WrittenLayer[] = [];
  const manifest: { name: string; shape: readonly number[]; dtype: 'float32' }[] = [];
  const chunks: Float32Array[] = [];
  let shape = description.inputShape;
  for (const layer of description.layers) {
    layers.push(...writeLayer(layer, shape));
    for (const part of ['kernel', 'bias']) {
      const name = `${layer.name}/${part}`;
      const tensor = weights.get(name);
      if (tensor === undefined) continue;
      const stored = layer.kind === 'conv2d' && part === 'kernel' ? filtersLast(tensor) : tensor;
      const data = Float32Array.from(stored.data);
      checkFinite(`Weight ${name}, stored as float32,`, data);
      manifest.push({ name, shape: stored.shape, dtype: 'float32' });
      chunks.push(data);
    }
    shape = layerOutputShape(layer, shape);
  }
  const first = layers[0];
  if (first !== undefined) first.config['batch_input_shape'] = [null, ...description.inputShape];
  const all = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let offset = 0;
  for (const chunk of chunks) {
    all.set(chunk, offset);
    offset += chunk.length;
  }
  const modelJson = JSON.stringify({
    format: 'layers-model',
    generatedBy: 'tacit',
    convertedBy: null,
    modelTopology: {
      class_name: 'Sequential',
      config: { name: 'model', layers },
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    },
    weightsManifest: [{ paths: ['weights.bin'], weights: manifest }],
  });
  return { modelJson, weights: new Uint8Array(all.buffer) };
}

function writeLayer(layer: Layer, input: readonly number[]): WrittenLayer[] {
  const common = { name: layer.name, trainable: true, dtype: 'float32' };
  switch (layer.kind) {
    case 'dense':
      return [
        {
          class_name: 'Dense',
          config: { ...common, units: layer.outputs, activation: 'linear', use_bias: layer.useBias },
        },
      ];
    case 'relu':
    case 'sigmoid':
    case 'tanh':
    case 'softmax':
      return [{ class_name: 'Activation', config: { ...common, activation: layer.kind } }];
    case 'flatten':
      // Without data_format: with channels_first, TF.js would reorder to channels last.
      return [{ class_name: 'Flatten', config: common }];
    case 'conv2d':
    case 'maxPool2d':
    case 'averagePool2d':
      return writeImageLayer(layer, input, common);
  }
}

function writeImageLayer(
  layer: ImageLayer,
  input: readonly number[],
  common: Readonly<Record<string, unknown>>,
): WrittenLayer[] {
  const unsupported = (reason: string): InputError =>
    new InputError(
      'tfjs-unsupported',
      `The TF.js Layers format cannot express layer ${layer.name} (${layer.kind}): ${reason}.`,
      {
        hint: 'Write the model as ONNX instead.',
      },
    );
  const dilation = layer.kind === 'averagePool2d' ? ([1, 1] as const) : layer.dilation;
  const dilated = dilation[0] > 1 || dilation[1] > 1;
  if (layer.kind === 'maxPool2d' && dilated) throw unsupported('its window is dilated');
  if (layer.kind === 'conv2d' && layer.groups > 1) throw unsupported('it has groups');
  if (layer.kind === 'conv2d' && dilated && (layer.stride[0] > 1 || layer.stride[1] > 1)) {
    throw unsupported('it has both a stride and a dilation');
  }
  const shared = { ...common, strides: layer.stride, data_format: 'channels_first' };
  const written = (padding: 'valid' | 'same'): WrittenLayer => {
    if (layer.kind !== 'conv2d') {
      const className = layer.kind === 'maxPool2d' ? 'MaxPooling2D' : 'AveragePooling2D';
      return { class_name: className, config: { ...shared, pool_size: layer.kernel, padding } };
    }
    return {
      class_name: 'Conv2D',
      config: {
        ...shared,
        filters: layer.filters,
        kernel_size: layer.kernel,
        padding,
        dilation_rate: layer.dilation,
        activation: 'linear',
        use_bias: layer.useBias,
      },
    };
  };
  if (layer.padding.every((cells) => cells === 0)) return [written('valid')];
  const [top, left, bottom, right] = layer.padding;
  const isSame = [
    [top, bottom],
    [left, right],
  ].every(([before, after], axis) => {
    const total = samePadding(
      input[axis + 1] ?? 0,
      layer.kernel[axis] ?? 1,
      layer.stride[axis] ?? 1,
      dilation[axis] ?? 1,
    );
    return before === Math.floor(total / 2) && after === Math.ceil(total / 2);
  });
  const zerosCount = layer.kind === 'conv2d' || (layer.kind === 'averagePool2d' && layer.countPadding);
  if (isSame && (layer.kind === 'conv2d' || !zerosCount)) return [written('same')];
  if (!zerosCount) throw unsupported('its padding is neither none nor "same"');
  const zeros: WrittenLayer = {
    class_name: 'ZeroPadding2D',
    config: {
      ...common,
      name: `${layer.name}_padding`,
      padding: [
        [top, bottom],
        [left, right],
      ],
      data_format: 'channels_first',
    },
  };
  return [zeros, written('valid')];
}

/** [filters, channels, height, width] to TF.js's [height, width, channels, filters]. */
function filtersLast({ shape, data }: WeightTensor): WeightTensor {
  const [filters = 0, channels = 0, height = 0, width = 0] = shape;
  const result = new Float64Array(data.length);
  let source = 0;
  for (let f = 0; f < filters; f++) {
    for (let c = 0; c < channels; c++) {
      for (let cell = 0; cell < height * width; cell++)
        result[(cell * channels + c) * filters + f] = data[source++] ?? 0;
    }
  }
  return { shape: [height, width, channels, filters], data: result };
}
