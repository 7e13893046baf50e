/** All classes of layers that are read, and those that a TimeDistributed may apply to each place. */
import type { LayerCall } from '../layer-call.ts';
import type { Value } from '../network-builder.ts';
import { wrapperSchema } from '../schema.ts';
import { activationReaders } from './activations.ts';
import { arrangeReaders, arrangeReadersByPlace } from './arrange.ts';
import { denseReaders } from './dense.ts';
import { mergeReaders } from './merge.ts';
import { normalisationReaders } from './normalisation.ts';
import type { LayerReaders, ReadLayer } from './reader.ts';
import { recurrentReaders } from './recurrent.ts';
import { windowReaders, windowReadersByPlace } from './windows.ts';

/** What does the same to each place anyway. */
const { Activation, ReLU, LeakyReLU, ELU, ThresholdedReLU } = activationReaders;
const { Dropout, GaussianNoise, GaussianDropout, AlphaDropout } = arrangeReaders;

const byPlace: ReadonlyMap<string, ReadLayer> = new Map(
  Object.entries({
    ...{ Dense: denseReaders['Dense'], Rescaling: denseReaders['Rescaling'], Embedding: denseReaders['Embedding'] },
    ...{ Activation, ReLU, LeakyReLU, ELU, ThresholdedReLU, Dropout, GaussianNoise, GaussianDropout, AlphaDropout },
    ...windowReadersByPlace,
    ...arrangeReadersByPlace,
  } as LayerReaders),
);

function timeDistributed(call: LayerCall): Value {
  const { layer } = call.config(wrapperSchema);
  const read = byPlace.get(layer.class_name);
  if (read === undefined)
    throw call.unsupported(`wraps a ${layer.class_name}; supported are ${[...byPlace.keys()].join(', ')}`);
  if (call.input.shape.length < 2) throw call.unsupported('is given no sequence');
  return read(call.wrapped(layer));
}

const readers: ReadonlyMap<string, ReadLayer> = new Map(
  Object.entries({
    ...denseReaders,
    ...windowReaders,
    ...activationReaders,
    ...normalisationReaders,
    ...arrangeReaders,
    ...mergeReaders,
    ...recurrentReaders,
    TimeDistributed: timeDistributed,
    Masking: (call: LayerCall) => {
      throw call.unsupported('hides places from the layers after it, which would show where they are');
    },
  }),
);

export function readerOf(className: string): ReadLayer | undefined {
  return readers.get(className);
}
