/** Multi-head attention: three products with trained maps, two of secrets with secrets, a softmax between. */
import type { LayerOf } from '../../../shared/layers/table.ts';
import { alongAxis, softmax } from '../../functions/softmax.ts';
import { range } from '../../tensor/rearrange.ts';
import { constant } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { batchOf } from './layer.ts';
import type { LayerContext, Table } from './layer.ts';

/** Fraction bits of 1 / sqrt(size of a head), where that is no power of two. */
const FACTOR_BITS = 12;
/** What a causal mask adds to the scores of later places; e^-15.25 counts as 0. */
const MASKED_SCORE_BITS = 9;

function multiHeadAttention(layer: LayerOf<'multiHeadAttention'>, { inputs, x, weight }: LayerContext): Tensor {
  const { size, heads, causal, useBias } = layer;
  const memory = inputs[1] ?? x;
  const batch = batchOf(x);
  const { graph } = x;
  const { fractionBits } = graph.options;
  const map = (source: Tensor, part: string): Tensor => {
    const rows = source.reshape([source.size / (source.shape[2] ?? 1), source.shape[2] ?? 1]);
    const product = rows.matmulRaw(weight(part));
    return useBias ? product.add(weight(`${part}Bias`)) : product;
  };
  /** [batch, heads, length, size of a head]. */
  const split = (rows: Tensor): Tensor =>
    rows.reshape([batch, rows.size / (batch * size), heads, size / heads]).transpose([0, 2, 1, 3]);
  // Scores are divided by sqrt(size of a head) in the truncation of the queries.
  const query = split(overRoot(map(x, 'query'), size / heads).rescaled(fractionBits));
  const key = split(map(memory, 'key').rescaled(fractionBits));
  const value = split(map(memory, 'value').rescaled(fractionBits));
  const raw = query.matmulRaw(key, { transposeB: true });
  const scores = (causal ? raw.add(later(raw)) : raw).rescaled(fractionBits);
  const mixed = alongAxis(scores, -1, (rows) => softmax(rows)).matmul(value);
  const joined = mixed.transpose([0, 2, 1, 3]).reshape(x.shape);
  return map(joined, 'result').reshape(x.shape).rescaled(fractionBits);
}

function overRoot(x: Tensor, size: number): Tensor {
  const halvings = Math.log2(size) / 2;
  return Number.isInteger(halvings) ? x.timesPowerOfTwo(-halvings) : x.timesRaw(1 / Math.sqrt(size), FACTOR_BITS);
}

/** A low number where the key's place is later than the query's. */
function later(scores: Tensor): Tensor {
  const length = scores.shape[3] ?? 1;
  const low = -(2 ** MASKED_SCORE_BITS);
  const cells = range(length * length).map((i) => (i % length > Math.floor(i / length) ? low : 0));
  return constant(scores.graph, cells, [length, length], scores.scale);
}

export const attentionLayers: Table<'multiHeadAttention'> = { multiHeadAttention };
