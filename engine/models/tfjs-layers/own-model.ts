/**
 * Our own TF.js Layers files come back as the layers that they were written from: the description stands in the file's
 * metadata, and counts only where writing it again gives the very same file. A file that another tool has changed is read like
 * any other.
 */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import { modelDescriptionSchema } from '../../../shared/model.ts';
import type { TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { toFloat64 } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';
import { weightsFrom } from './weights.ts';
import { writeTfjsLayers } from './write.ts';

const ownSchema = z.object({
  modelTopology: z.unknown(),
  weightsManifest: z.tuple([z.object({ paths: z.tuple([z.literal('weights.bin')]) })]),
  userDefinedMetadata: z.object({ tacit: modelDescriptionSchema }),
});

/** @param stored the file's weights by name. Undefined where the file is not one of ours, unchanged since. */
export function ownModel(json: unknown, stored: ReadonlyMap<string, PlainTensor>): TrainedModel | undefined {
  const parsed = ownSchema.safeParse(json);
  if (!parsed.success || [...stored.values()].some(({ type }) => type !== 'float32')) return undefined;
  const description = parsed.data.userDefinedMetadata.tacit;
  const tensors = new Map(
    [...stored].map(([name, tensor]): [string, WeightTensor] => [
      name,
      { shape: tensor.shape, data: toFloat64(name, tensor) },
    ]),
  );
  const weights = weightsFrom(description, tensors);
  if (weights === undefined) return undefined;
  try {
    const again = ownSchema.parse(JSON.parse(writeTfjsLayers({ description, weights }).modelJson));
    const isSame = JSON.stringify(again.modelTopology) === JSON.stringify(parsed.data.modelTopology);
    return isSame ? { description, weights } : undefined;
  } catch (cause) {
    // What does not fit its description is for the general reader to judge.
    if (cause instanceof InputError) return undefined;
    throw cause;
  }
}
