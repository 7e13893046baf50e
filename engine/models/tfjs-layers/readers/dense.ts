/** Dense layers, embeddings, and factors that are no weights. */
import type { LayerCall } from '../layer-call.ts';
import type { Value } from '../network-builder.ts';
import { denseSchema, embeddingSchema, rescalingSchema } from '../schema.ts';
import { activated } from './activations.ts';
import type { LayerReaders } from './reader.ts';

/** Over the last axis. */
function dense(call: LayerCall): Value {
  const { units, activation, use_bias: useBias } = call.config(denseSchema);
  const { plain } = call;
  const weights = { kernel: call.weight('kernel'), ...(useBias ? { bias: call.weight('bias') } : {}) };
  const inputs = plain.shape.at(-1) ?? 1;
  const sums = call.add({ kind: 'dense', inputs, outputs: units, useBias }, [plain], { weights });
  return activated(call, activation, sums, activation);
}

function embedding(call: LayerCall): Value {
  const { input_dim: tokens, output_dim: size, mask_zero: masks } = call.config(embeddingSchema);
  if (masks === true)
    throw call.unsupported(
      'hides places whose token is 0 from the layers after it (mask_zero), which would show where they are',
    );
  return call.add({ kind: 'embedding', tokens, size }, [call.plain], {
    weights: { kernel: call.weight('embeddings') },
  });
}

function rescaling(call: LayerCall): Value {
  const { scale, offset } = call.config(rescalingSchema);
  const width = call.input.shape.at(-1) ?? 1;
  const numbers = (name: string, given: number | readonly number[]) => {
    const data = Float64Array.from(typeof given === 'number' ? [given] : given);
    if (data.length !== 1 && data.length !== width)
      throw call.unsupported(`has ${data.length} numbers as its ${name}, for ${width} channels`);
    return { shape: data.length === 1 ? [] : [data.length], data };
  };
  const [factor, sum] = [numbers('scale', scale), numbers('offset', offset)];
  return call.operators([call.input], (graph, x = '') =>
    graph.op('Add', [graph.op('Mul', [x, graph.weight('scale', factor)]), graph.weight('offset', sum)]),
  );
}

export const denseReaders: LayerReaders = { Dense: dense, Embedding: embedding, Rescaling: rescaling };
