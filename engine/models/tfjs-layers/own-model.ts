/**
 * Our own TF.js Layers files come back as the layers that they were written from: the description stands in the file's
 * metadata, and counts only where writing it again gives the very same file. A file that another tool has changed is read like
 * any other.
 */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import { modelDescriptionSchema } from '../../../shared/model.ts';
import type { TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { weightsFrom } from './weights.ts';
import { writeTfjsLayers } from './write.ts';

const ownSchema = z.object({
  modelTopology: z.unknown(),
  weightsManifest: z.tuple([z.object({ paths: z.tuple([z.literal('weights.bin')]) })]),
  userDefinedMetadata: z.object({ tacit: modelDescriptionSchema }),
});

/** @param stored the file's weights by name. Undefined where the file is not one of ours, unchanged since. */
export function ownModel(json: unknown, stored: ReadonlyMap<string, WeightTensor>): TrainedModel | undefined {
  const parsed = ownSchema.safeParse(json);
  if (!parsed.success) return undefined;
  const description = parsed.data.userDefinedMetadata.tacit;
  const weights = weightsFrom(description, stored);
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
