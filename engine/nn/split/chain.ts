/** A network whose forward pass one party runs in the clear, as a chain of dense layers. Knows neither shares nor data. */
import { InputError } from '../../../shared/errors.ts';
import type { LayerOf } from '../../../shared/layers/table.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { scoreLayers } from '../forward.ts';

const activations = ['relu', 'sigmoid', 'tanh'] as const;
export type ChainActivation = (typeof activations)[number];

/** A dense layer with what follows it, up to the next one. */
export interface ChainLink {
  readonly layer: LayerOf<'dense'>;
  readonly activations: readonly ChainActivation[];
}

/**
 * The layers up to the scores.
 * @throws InputError `split-layers` for a model that is no chain of dense layers and activations.
 */
export function denseChain(description: ModelDescription): readonly ChainLink[] {
  const links: { layer: LayerOf<'dense'>; activations: ChainActivation[] }[] = [];
  for (const layer of scoreLayers(description)) {
    const activation = activations.find((name) => name === layer.kind);
    const last = links.at(-1);
    if (layer.kind === 'dense' && layer.from === undefined && description.inputShape.length === 1)
      links.push({ layer, activations: [] });
    else if (activation !== undefined && layer.from === undefined && last !== undefined)
      last.activations.push(activation);
    else {
      throw new InputError(
        'split-layers',
        `Layer ${layer.name} (${layer.kind}): a split model is a chain of dense layers and activations.`,
        { hint: 'Use the templates linear, logistic or mlp, or take privacy.split out.' },
      );
    }
  }
  const last = links.at(-1);
  if (last === undefined || last.activations.length > 0) {
    throw new InputError('split-layers', 'The scores of a split model come from a dense layer.', {
      hint: 'End the layers in a dense one, and for a classification a sigmoid or softmax.',
    });
  }
  return links;
}
