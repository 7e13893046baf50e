/**
 * Runs a model description on symbolic tensors, layer by layer, each on the outputs of the layers that it names. Knows no kind
 * of layer: layers/ computes them. Knows nothing of losses, optimizers or files.
 */
import { layerInputs } from '../../shared/model.ts';
import type { ModelDescription } from '../../shared/model.ts';
import type { KindName, Layer, LayerOf } from '../../shared/layers/table.ts';
import { MODEL_INPUT } from '../../shared/layers/table.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { contextOf } from './layers/layer.ts';
import type { LayerContext, TrainingPass, WeightTensors } from './layers/layer.ts';
import { layerTable } from './layers/table.ts';

/** The layers before a last sigmoid or softmax: what a loss takes. */
export function scoreLayers(description: ModelDescription): readonly Layer[] {
  const last = description.layers[description.layers.length - 1];
  return last?.kind === 'sigmoid' || last?.kind === 'softmax' ? description.layers.slice(0, -1) : description.layers;
}

/** Output of the last layer for a batch x [rows, ...input shape]; for evaluation unless `training` is given. */
export function forward(layers: readonly Layer[], weights: WeightTensors, x: Tensor, training?: TrainingPass): Tensor {
  const outputs = new Map<string, Tensor>();
  let last = x;
  layers.forEach((layer, position) => {
    const [first = x, ...others] = layerInputs(layers, position).map((name) =>
      name === MODEL_INPUT ? x : (outputs.get(name) ?? x),
    );
    const context = contextOf(layer, [first, ...others], weights, training);
    last = x.graph.scope(layer.name, 'forward', () => apply(layer, context));
    outputs.set(layer.name, last);
  });
  return last;
}

function apply<K extends KindName>(layer: LayerOf<K>, context: LayerContext): Tensor {
  return layerTable[layer.kind](layer, context);
}
