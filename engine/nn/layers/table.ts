/** How each kind of layer is computed; shared/layers/table.ts says what each is. */
import type { KindName } from '../../../shared/layers/table.ts';
import { activationLayers } from './activations.ts';
import { arrangeLayers } from './arrange.ts';
import { attentionLayers } from './attention.ts';
import { convolutionLayers } from './convolution.ts';
import { denseLayers } from './dense.ts';
import type { Table } from './layer.ts';
import { mergeLayers } from './merge.ts';
import { normalisationLayers } from './normalisation.ts';
import { operatorLayers } from './operators.ts';
import { poolingLayers } from './pooling.ts';
import { recurrentLayers } from './recurrent.ts';

export const layerTable: Table<KindName> = {
  ...denseLayers,
  ...convolutionLayers,
  ...poolingLayers,
  ...activationLayers,
  ...normalisationLayers,
  ...arrangeLayers,
  ...mergeLayers,
  ...attentionLayers,
  ...recurrentLayers,
  ...operatorLayers,
};
