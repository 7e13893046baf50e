/**
 * The owner's factors for the rows of a batch: each row is computed by itself, by the engine of one party, as the step will compute
 * it. Knows nothing of the step, of labels or of links.
 */
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { rowGradients, rowGraph, rowNames } from '../../../engine/nn/split/row-graph.ts';
import { trainedKeys } from '../../../engine/nn/split/graphs.ts';
import { FACTOR_SCALE } from '../../../engine/nn/split/spec.ts';
import type { SplitSpec } from '../../../engine/nn/split/spec.ts';
import { names, scoreWidth } from '../../../engine/nn/training/spec.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { Simulation } from '../../../engine/runtime/simulation.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { weightShapes } from '../../../shared/model.ts';
import { rowFactor } from './cut.ts';
import type { PossibleLabels } from './cut.ts';

/** Part of the bound that is given up for roundings in the step, which are in proportion to what is rounded. */
const MARGIN = 0.001;

export class RowCuts {
  readonly #spec: SplitSpec;
  readonly #engine: Simulation;

  private constructor(spec: SplitSpec, engine: Simulation) {
    this.#spec = spec;
    this.#engine = engine;
  }

  static async create(spec: SplitSpec): Promise<RowCuts> {
    const plan = planJob([lower(rowGraph(spec), { parties: [spec.split.owner] })], nodeCrypto.sha256);
    return new RowCuts(
      spec,
      await Simulation.create({ plan, crypto: nodeCrypto, kernels: () => wasmKernels({ threads: 1 }) }),
    );
  }

  /**
   * Factors of the rows, as the step takes them, [rows, 1].
   * @param rows cells of each row, encoded. @param weights by input name. @param known of the step, for dropout masks.
   */
  async factors(
    rows: readonly BigUint64Array[],
    weights: ReadonlyMap<string, BigUint64Array>,
    known: ReadonlyMap<string, BigUint64Array>,
    norm: number,
  ): Promise<BigUint64Array> {
    const { split, description } = this.#spec;
    const labels = possibleLabels(this.#spec);
    const shapes = weightShapes(description);
    const count = trainedKeys(this.#spec).reduce((sum, key) => sum + elementCount(shapes.get(key) ?? []), 0);
    // Entries of gradients by single scores are rounded to units, half a unit off at most.
    const rounding = Math.sqrt(count) * 2 ** -(this.#spec.fractionBits + 1);
    const factors = new BigUint64Array(rows.length);
    for (const [i, row] of rows.entries()) {
      const masks = [...known].flatMap(([name, words]) => {
        const size = words.length / rows.length;
        return name.startsWith(names.mask('')) ? [[name, words.slice(i * size, (i + 1) * size)] as const] : [];
      });
      const [revealed = new Map<string, BigUint64Array>()] = await this.#engine.execute(rowNames.program, {
        inputs: new Map([[split.owner, new Map([...weights, [rowNames.row, row]])]]),
        known: new Map(masks),
      });
      const factor = rowFactor(rowGradients(this.#spec, revealed), labels, norm * (1 - MARGIN), rounding);
      factors[i] = BigInt(Math.floor(factor * 2 ** FACTOR_SCALE));
    }
    return factors;
  }

  close(): Promise<void> {
    return this.#engine.close();
  }
}

/** Numbers are at most 1 in magnitude, classes 0 or 1, or one-hot. */
function possibleLabels(spec: SplitSpec): PossibleLabels {
  const outputs = scoreWidth(spec);
  if (outputs > 1)
    return Array.from({ length: outputs }, (_, k) => Array.from({ length: outputs }, (_, j) => +(j === k)));
  const most = 2 ** spec.labelMagnitudeBits;
  return spec.task === 'regression' ? [[-most], [most]] : [[0], [1]];
}
