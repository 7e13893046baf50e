/**
 * The weights of a TF.js model, of layers or of operators: groups of binary files, cut up as the manifest says, and numbers that
 * were stored in fewer bits spread again. Knows nothing of what the weights are for, nor of the file system: files come through
 * an injected function.
 */
import { z } from 'zod';
import { InputError } from '../../../shared/errors.ts';
import { count, elementCount } from '../../../shared/layers/kind.ts';
import { checkFinite } from '../../../shared/model.ts';
import { leavesFolder } from '../relative-path.ts';
import { elementBytes, tensorFromBytes, tensorFromNumbers, toFloat64 } from '../tensor.ts';
import type { PlainTensor } from '../tensor.ts';

/** Reads a whole weight file; the path is relative to model.json and was checked not to leave its folder by name. */
export type ReadShard = (path: string) => Uint8Array;

const quantization = z.discriminatedUnion('dtype', [
  z.object({ dtype: z.enum(['uint8', 'uint16']), scale: z.number(), min: z.number() }),
  z.object({ dtype: z.literal('float16') }),
]);

const weightSchema = z.object({
  name: z.string().min(1),
  shape: z.array(count),
  dtype: z.string(),
  quantization: quantization.optional(),
});

export const manifestSchema = z.array(
  z.object({ paths: z.array(z.string().min(1)).min(1), weights: z.array(weightSchema) }),
);

type Group = z.infer<typeof manifestSchema>[number];

const types = ['float32', 'int32', 'bool'] as const;

/**
 * All weights by name, float32, int32 or bool.
 * @param what names the model in errors.
 * @throws InputError `tfjs-shards`, `tensor-size`, `tfjs-unsupported`, `tfjs-format` and `not-finite`, naming file or weight.
 */
export function readWeights(groups: readonly Group[], readShard: ReadShard, what: string): Map<string, PlainTensor> {
  const weights = new Map<string, PlainTensor>();
  for (const group of groups) readGroup(group, readShard, what, weights);
  return weights;
}

/** One group of the manifest: its files joined, then its weights one after the other. */
function readGroup(group: Group, readShard: ReadShard, what: string, into: Map<string, PlainTensor>): void {
  const shards = group.paths.map((path) => {
    if (!leavesFolder(path)) return readShard(path);
    throw new InputError('tfjs-shards', `${what}: its weight file "${path}" lies outside the folder of the model.`);
  });
  const bytes = new Uint8Array(shards.reduce((sum, shard) => sum + shard.length, 0));
  let offset = 0;
  for (const shard of shards) {
    bytes.set(shard, offset);
    offset += shard.length;
  }
  offset = 0;
  for (const { name, shape, dtype, quantization: stored } of group.weights) {
    const label = `${what}: weight "${name}"`;
    const type = types.find((known) => known === dtype);
    if (type === undefined)
      throw new InputError('tfjs-unsupported', `${label} is of type ${dtype}; supported are ${types.join(', ')}.`);
    const storedType = stored?.dtype ?? type;
    const length = elementCount(shape) * (storedType === 'float16' ? 2 : elementBytes[storedType]);
    const raw = tensorFromBytes(label, storedType, shape, bytes.subarray(offset, offset + length));
    offset += length;
    const tensor = stored === undefined || stored.dtype === 'float16' ? raw : spread(label, type, raw, stored);
    if (tensor.type === 'float32') checkFinite(label, tensor.data);
    if (into.has(name))
      throw new InputError(
        'tfjs-format',
        `${what} is not a readable TF.js model: it lists the weight "${name}" twice.`,
      );
    into.set(name, tensor);
  }
  if (offset !== bytes.length) {
    throw new InputError(
      'tfjs-shards',
      `${what}: its weight files ${group.paths.join(', ')} hold ${bytes.length} bytes, the manifest lists ${offset}.`,
      { hint: 'The files do not belong together, or one was cut short.' },
    );
  }
}

function spread(
  label: string,
  type: (typeof types)[number],
  raw: PlainTensor,
  { scale, min }: { readonly scale: number; readonly min: number },
): PlainTensor {
  const values = Array.from(toFloat64(label, raw), (code) => code * scale + min);
  return tensorFromNumbers(type, raw.shape, type === 'float32' ? values : values.map(Math.round));
}
