/**
 * How one row's gradients by all weights depend on its label, for the owner of the features alone: a program of one party, without
 * a link. It computes a row as the step computes it among others, to the bit, so that what it finds holds for the step. Knows
 * nothing of what is done with it.
 *
 * Of the gradients g_k of the scores by all weights only inner products leave: <g_a, g_b>, weight by weight. A gradient that is a
 * product of a column and a row, as that of a dense layer's kernel, is never formed: <u v', u' v''> = <u, u'> <v, v''> (Goodfellow,
 * Efficient per-example gradient computations, 2015).
 */
import { gradients } from '../../autograd/gradients.ts';
import { Graph } from '../../tensor/graph.ts';
import { concat, constant, privateInput } from '../../tensor/tensor.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { decodeFixed } from '../../runtime/words.ts';
import { forward, scoreLayers } from '../forward.ts';
import { graphOptions } from '../table.ts';
import { scoreWidth } from '../training/spec.ts';
import { gradientByLabel, ownWeights, splitPass, trainedKeys } from './graphs.ts';
import type { SplitSpec } from './spec.ts';

export const rowNames = { program: 'row', row: 'row', offset: 'offset', slope: 'slope' } as const;

const partNames = (key: string): { products: string; columns: string } => ({
  products: `products/${key}`,
  columns: `columns/${key}`,
});

/** How a row's gradient depends on its label: by each score offset + slope y; products [outputs, outputs], row-major. */
export interface RowGradients {
  readonly offset: Float64Array;
  readonly slope: Float64Array;
  readonly products: Float64Array;
}

export function rowGraph(spec: SplitSpec): Graph {
  const { description, split, featureMagnitudeBits } = spec;
  const graph = new Graph(graphOptions(spec, rowNames.program));
  const owner = [split.owner];
  const x = privateInput(graph, rowNames.row, split.owner, [1, ...description.inputShape], featureMagnitudeBits);
  const weights = ownWeights(graph, spec);
  const scores = forward(scoreLayers(description), weights, x, splitPass(graph, spec));
  const { offset, slope } = gradientByLabel(spec, scores);
  offset.reveal(rowNames.offset, owner);
  slope.reveal(rowNames.slope, owner);
  const keys = trainedKeys(spec);
  const wanted = keys.flatMap((key) => weights.get(key) ?? []);
  const outputs = scoreWidth(spec);
  const ofScores = Array.from({ length: outputs }, (_, k) =>
    gradients(
      [
        [
          scores,
          constant(
            graph,
            Array.from({ length: outputs }, (_, j) => Number(j === k)),
            [1, outputs],
          ),
        ],
      ],
      wanted,
    ),
  );
  keys.forEach((key, i) => {
    const own = ofScores.flatMap((found) => found[i] ?? []);
    const factors = own.flatMap((gradient) => outerProduct(gradient) ?? []);
    const { products, columns } = partNames(key);
    const tell = (name: string, vectors: readonly Tensor[]): void => {
      const stacked = concat(
        vectors.map((vector) => vector.reshape([1, vector.size]).rescaled(spec.fractionBits)),
        0,
      );
      stacked.matmulRaw(stacked, { transposeB: true }).reveal(name, owner);
    };
    if (factors.length < own.length) tell(products, own);
    else {
      tell(
        columns,
        factors.map(([column]) => column),
      );
      tell(
        products,
        factors.map(([, row]) => row),
      );
    }
  });
  return graph;
}

/** Column and row whose product the gradient is, if it is one. */
function outerProduct(gradient: Tensor): readonly [readonly [Tensor, Tensor]] | undefined {
  const { graph, node } = gradient.raw;
  const { operation, inputs } = node;
  if (operation.op !== 'matmul' || operation.k !== 1 || operation.batch !== 1) return undefined;
  const factor = (i: number): Tensor => new Tensor(graph, graph.node(inputs[i] ?? -1));
  return [[factor(0), factor(1)]];
}

/** From what the program revealed. */
export function rowGradients(spec: SplitSpec, revealed: ReadonlyMap<string, BigUint64Array>): RowGradients {
  const { fractionBits } = spec;
  const numbers = (name: string, scale: number): Float64Array | undefined => {
    const words = revealed.get(name);
    return words && decodeFixed(words, scale);
  };
  const outputs = scoreWidth(spec);
  const products = new Float64Array(outputs ** 2);
  for (const key of trainedKeys(spec)) {
    const part = partNames(key);
    const columns = numbers(part.columns, 2 * fractionBits);
    numbers(part.products, 2 * fractionBits)?.forEach((value, at) => {
      products[at] = (products[at] ?? 0) + value * (columns?.[at] ?? 1);
    });
  }
  return {
    offset: numbers(rowNames.offset, fractionBits) ?? new Float64Array(outputs),
    slope: numbers(rowNames.slope, fractionBits) ?? new Float64Array(outputs),
    products,
  };
}
