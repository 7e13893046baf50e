/** Attention of sequences [length, size] (Vaswani et al. 2017, section 3.2). */
import { z } from 'zod';
import { InputError } from '../errors.ts';
import { init, layerKind, mismatch, size } from './kind.ts';
import type { WeightFacts } from './kind.ts';

/**
 * softmax(Q K^T / sqrt(size / heads)) V for each head, with trained maps before and after. The first input asks; the second, or
 * the first itself, is asked. `causal`: no place looks at later ones.
 */
const multiHeadAttention = layerKind({
  attributes: { size, memorySize: size, heads: size, causal: z.boolean(), useBias: z.boolean(), init },
  spec: { heads: size.default(1), causal: z.boolean().default(false), bias: z.boolean().default(true), init },
  arity: [1, 2],
  outputShape(layer, inputs) {
    const [query = [], memory = query] = inputs;
    if (query.length !== 2 || query[1] !== layer.size) throw mismatch(layer, `[length, ${layer.size}]`, query);
    if (memory.length !== 2 || memory[1] !== layer.memorySize)
      throw mismatch(layer, `[length, ${layer.memorySize}] as its second input`, memory);
    if (layer.causal && memory[0] !== query[0])
      throw mismatch(layer, `a second input as long as its first (${query[0]}), being causal,`, memory);
    if (layer.size % layer.heads !== 0) {
      throw new InputError(
        'model-heads-uneven',
        `Layer ${layer.name} (${layer.kind}): ${layer.heads} heads do not divide a size of ${layer.size}.`,
        { hint: 'Let the size be a multiple of the heads.' },
      );
    }
    return query;
  },
  weights: (layer) => {
    const map = (part: string, inputs: number): WeightFacts[] => [
      { part, shape: [inputs, layer.size], role: 'factor', start: { fanIn: inputs, fanOut: layer.size } },
      ...(layer.useBias ? [{ part: `${part}Bias`, shape: [layer.size], role: 'term', start: 0 } as const] : []),
    ];
    return [
      ...map('query', layer.size),
      ...map('key', layer.memorySize),
      ...map('value', layer.memorySize),
      ...map('result', layer.size),
    ];
  },
  complete({ bias, ...spec }, inputs) {
    const [query = [], memory = query] = inputs;
    return { ...spec, size: query[1] ?? 1, memorySize: memory[1] ?? 1, useBias: bias };
  },
});

export const attentionKinds = { multiHeadAttention };
