/** Dense layers, embeddings and positions. */
import { range } from '../../tensor/rearrange.ts';
import { takeSecretly } from '../../tensor/secret-index.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Table } from './layer.ts';

/**
 * Rows of the table: picked locally by public numbers, by products with one-hot forms otherwise: 6 rounds where the numbers are
 * secret, one where a party knows them. Gradients by the table are sums by the same numbers: local, or the same products.
 */
function embed(kernel: Tensor, x: Tensor): Tensor {
  if (!x.isPublic) return takeSecretly(kernel, x);
  const index = x.reshape([x.size]).rescaled(0);
  return kernel.gatherRows(index).reshape([...x.shape, kernel.shape[1] ?? 1]);
}

/** sin(p / 10000^(2i / size)) at even places of the vector, cos at odd ones. */
function sinusoids(length: number, size: number): number[] {
  return range(length).flatMap((place) =>
    range(size).map((i) => {
      const angle = place / 10_000 ** ((i - (i % 2)) / size);
      return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }),
  );
}

export const denseLayers: Table<'dense' | 'embedding' | 'positionEmbedding' | 'sinusoidalPositions'> = {
  dense: ({ inputs, outputs, useBias }, { x, weight }) => {
    // One matrix of rows, whatever stands before the last axis.
    const rows = x.shape.length === 2 ? x : x.reshape([x.size / inputs, inputs]);
    const product = rows.matmulRaw(weight('kernel'));
    const raw = useBias ? product.add(weight('bias')) : product;
    return raw.reshape([...x.shape.slice(0, -1), outputs]).rescaled(x.graph.options.fractionBits);
  },
  embedding: (_, { x, weight }) => embed(weight('kernel'), x),
  positionEmbedding: (_, { x, weight }) => x.add(weight('positions')),
  sinusoidalPositions: (_, { x }) => {
    const [, length = 1, size = 1] = x.shape;
    return x.add(constant(x.graph, sinusoids(length, size), [length, size]));
  },
};
