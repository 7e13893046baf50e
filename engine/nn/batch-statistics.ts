/** Which layers mix the rows of a batch: with them a row's result depends on the others. Knows nothing of how they compute. */
import type { Layer } from '../../shared/layers/table.ts';
import type { ModelDescription } from '../../shared/model.ts';

/** The first layer that takes statistics over the rows of a batch in training, if there is one. */
export function batchStatisticsLayer({ layers }: ModelDescription): Layer | undefined {
  return layers.find(
    (layer) =>
      layer.kind === 'batchNorm' ||
      (layer.kind === 'operators' && layer.graph.nodes.some(({ operator }) => operator === 'BatchNormalization')),
  );
}
