/**
 * A TF.js graph model's model.json: TensorFlow's GraphDef as JSON (texts in base64, 64-bit numbers as texts), and a manifest of
 * its constants' values. Source: the GraphDef messages of TensorFlow (node_def, attr_value, tensor_shape), in proto3's JSON form.
 */
import { z } from 'zod';
import { manifestSchema } from '../tfjs-layers/manifest.ts';

const whole = z.union([z.number(), z.string()]).transform(Number).pipe(z.int());
const base64 = z.string().transform((text) => {
  try {
    return atob(text);
  } catch {
    return text;
  }
});

const shapeSchema = z.object({
  dim: z.array(z.object({ size: whole.default(0) })).default([]),
  unknownRank: z.boolean().nullish(),
});

const attributeSchema = z.object({
  s: base64.optional(),
  i: whole.optional(),
  f: z.union([z.number(), z.string()]).transform(Number).optional(),
  b: z.boolean().optional(),
  type: z.union([z.string(), z.number()]).optional(),
  shape: shapeSchema.optional(),
  list: z.object({ s: z.array(base64).default([]), i: z.array(whole).default([]) }).optional(),
});
export type Attribute = z.output<typeof attributeSchema>;

const nodeSchema = z.object({
  name: z.string().min(1),
  op: z.string().min(1),
  input: z.array(z.string().min(1)).default([]),
  attr: z.record(z.string(), attributeSchema).default({}),
});
export type GraphNode = z.output<typeof nodeSchema>;

const endsSchema = z.record(
  z.string(),
  z.object({ name: z.string().min(1).optional(), tensorShape: shapeSchema.optional() }),
);

export const graphModelSchema = z.object({
  modelTopology: z.object({ node: z.array(nodeSchema).min(1).max(100_000) }),
  weightsManifest: manifestSchema,
  /** What callers feed and get; older files have none. */
  signature: z.object({ inputs: endsSchema.default({}), outputs: endsSchema.default({}) }).nullish(),
});
