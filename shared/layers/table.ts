/**
 * All kinds of layers, and the layers and schemas that follow from them. To add a kind: a line in its family's table here, its
 * computation in engine/nn/layers, and what model files make of it in engine/models.
 */
import { z } from 'zod';
import { strict } from '../strict.ts';
import { activationKinds } from './activations.ts';
import { arrangeKinds } from './arrange.ts';
import { attentionKinds } from './attention.ts';
import { convolutionKinds } from './convolution.ts';
import { denseKinds } from './dense.ts';
import type { LayerKind } from './kind.ts';
import { mergeKinds } from './merge.ts';
import { normalisationKinds } from './normalisation.ts';
import { operatorKinds } from './operators.ts';
import { poolingKinds } from './pooling.ts';
import { recurrentKinds } from './recurrent.ts';

export const kinds = {
  ...denseKinds,
  ...convolutionKinds,
  ...poolingKinds,
  ...activationKinds,
  ...normalisationKinds,
  ...arrangeKinds,
  ...mergeKinds,
  ...attentionKinds,
  ...recurrentKinds,
  ...operatorKinds,
};

export type KindName = keyof typeof kinds;
/** What a schema of these keys gives; without keys, nothing more (zod's own type forbids every key then). */
type Output<Keys extends z.core.$ZodLooseShape> = keyof Keys extends never
  ? unknown
  : Readonly<z.output<z.ZodObject<Keys, z.core.$strict>>>;
type Attributes<K extends KindName> = Output<(typeof kinds)[K]['attributes']>;
type Spec<K extends KindName> = Output<(typeof kinds)[K]['spec']>;

/** Earlier layers, by name, or the model's own input. */
export const MODEL_INPUT = 'input';

/** One layer with every attribute spelt out. */
export type LayerOf<K extends KindName> = {
  [N in K]: {
    readonly kind: N;
    readonly name: string;
    readonly from?: readonly string[] | undefined;
  } & Attributes<N>;
}[K];
export type Layer = LayerOf<KindName>;

/** One layer as written in a job file; the name is its kind and a number if left out. */
export type LayerSpec = {
  [N in KindName]: {
    readonly kind: N;
    readonly name?: string | undefined;
    readonly from?: readonly string[] | undefined;
  } & Spec<N>;
}[KindName];

/** Unique within a model, stable over export and import of our own files; no slash, as weights are named layer/part. */
export const layerName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/, 'a layer name starts with a letter; then letters, digits, _ . -');

const from = z.array(layerName).min(1).max(64).optional();

type Discriminated = z.core.$ZodTypeDiscriminable;

/** One schema an entry of a table; which of its types it has, TypeScript cannot follow through a loop. */
function tableOf(
  schemaOf: (name: string, kind: LayerKind<z.core.$ZodLooseShape, z.core.$ZodLooseShape>) => z.ZodObject,
) {
  const table = kinds as unknown as Record<string, LayerKind<z.core.$ZodLooseShape, z.core.$ZodLooseShape>>;
  return Object.entries(table).map(([name, kind]) => schemaOf(name, kind)) as unknown as [
    Discriminated,
    ...Discriminated[],
  ];
}

export const layerSchema = z.discriminatedUnion(
  'kind',
  tableOf((name, { attributes }) => z.strictObject({ kind: z.literal(name), name: layerName, from, ...attributes })),
) as unknown as z.ZodType<Layer>;

export const layerSpecSchema = z.discriminatedUnion(
  'kind',
  tableOf((name, { spec }) => strict({ kind: z.literal(name), name: layerName.optional(), from, ...spec })),
) as unknown as z.ZodType<LayerSpec>;

/** What there is to know of a layer's kind, whichever it is. */
export function kindOf(
  layer: Pick<Layer, 'kind'> | Pick<LayerSpec, 'kind'>,
): LayerKind<z.core.$ZodLooseShape, z.core.$ZodLooseShape> {
  return kinds[layer.kind] as unknown as LayerKind<z.core.$ZodLooseShape, z.core.$ZodLooseShape>;
}
