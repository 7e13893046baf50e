/**
 * What all parties of a job know of a model file: its layers, and its weights where no party keeps them to itself. A job names
 * it by its digest. Knows no files.
 */
import { z } from 'zod';
import { canonicalDigest } from './canonical.ts';
import type { Sha256 } from './canonical.ts';
import { InputError } from './errors.ts';
import { elementCount } from './layers/kind.ts';
import { checkModel, modelDescriptionSchema, weightShapes } from './model.ts';
import type { ModelDescription, TrainedModel } from './model.ts';

/** Public weights travel with the agreement, as numbers in JSON. */
const MAX_PUBLIC_WEIGHTS = 250_000;

const numbers = z.array(z.number()).max(MAX_PUBLIC_WEIGHTS).readonly();

const valuesSchema = z
  .strictObject({
    /** By name, row-major. */
    weights: z.record(z.string(), numbers),
    standardisation: z.strictObject({ subtract: numbers, multiply: numbers }).optional(),
  })
  .readonly();

export interface PublishedModel {
  readonly description: ModelDescription;
  /** Whether the model subtracts from and multiplies its inputs first; with what, is part of the values. */
  readonly standardised: boolean;
  /** There only where the weights are public. */
  readonly values?: z.infer<typeof valuesSchema> | undefined;
}

export const publishedModelSchema: z.ZodType<PublishedModel> = z.strictObject({
  description: modelDescriptionSchema,
  standardised: z.boolean(),
  values: valuesSchema.optional(),
});

/** @throws InputError `model-too-large-to-publish` for public weights that are too many. */
export function publishModel(model: TrainedModel, isPublic: boolean): PublishedModel {
  const { description, weights, standardisation } = model;
  const published = { description, standardised: standardisation !== undefined };
  if (!isPublic) return published;
  const count = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
  if (count > MAX_PUBLIC_WEIGHTS) {
    throw new InputError(
      'model-too-large-to-publish',
      `The model has ${count} weights; public weights may be ${MAX_PUBLIC_WEIGHTS} at most.`,
      { hint: 'Let one party own the model: "model: { file, owner: PARTY }".' },
    );
  }
  return {
    ...published,
    values: {
      weights: Object.fromEntries([...weights].map(([key, { data }]) => [key, [...data]])),
      standardisation: standardisation && {
        subtract: [...standardisation.subtract],
        multiply: [...standardisation.multiply],
      },
    },
  };
}

/**
 * The model itself where its weights are public.
 * @throws InputError for weights that do not fit the layers.
 */
export function publicModel({ description, values }: PublishedModel): TrainedModel | undefined {
  if (values === undefined) return undefined;
  const weights = new Map(
    [...weightShapes(description)].flatMap(([key, shape]) => {
      const data = values.weights[key];
      return data?.length === elementCount(shape) ? [[key, { shape, data: Float64Array.from(data) }] as const] : [];
    }),
  );
  const { standardisation } = values;
  const model: TrainedModel = {
    description,
    weights,
    ...(standardisation === undefined
      ? {}
      : {
          standardisation: {
            subtract: Float64Array.from(standardisation.subtract),
            multiply: Float64Array.from(standardisation.multiply),
          },
        }),
  };
  checkModel(model);
  return model;
}

/** What stands for the file in a job. */
export function modelDigest(model: PublishedModel, sha256: Sha256): string {
  return canonicalDigest(model, sha256);
}
