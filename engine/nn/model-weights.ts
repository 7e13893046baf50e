/**
 * A trained model on the parties' side: its weights as secret states where one party owns them, each masked once, or as public
 * numbers given to every execution, which cost nothing. Knows nothing of rows, files, transports or processes.
 */
import { elementCount } from '../../shared/layers/kind.ts';
import { checkFinite, modelWeights, weightShapes } from '../../shared/model.ts';
import type { ModelDescription, TrainedModel } from '../../shared/model.ts';
import { checkRange, encodeFixed } from '../runtime/words.ts';
import type { Graph } from '../tensor/graph.ts';
import { knownInput, privateInput, stateInput } from '../tensor/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { WeightTensors } from './layers/layer.ts';

export interface ModelSpec {
  /** Public: layers and shapes. */
  readonly description: ModelDescription;
  /** Who knows the weights; undefined where they are public. */
  readonly modelOwner: string | undefined;
  /** Whether inputs are subtracted from and multiplied first, and whether by factors of the owner's or by public ones. */
  readonly standardised: 'no' | 'privately' | 'publicly';
  readonly fractionBits: number;
  readonly assumedBound: number;
}

/** Names of states and inputs. */
export const modelNames = {
  weight: (key: string): string => `weight/${key}`,
  subtract: 'standardise/subtract',
  multiply: 'standardise/multiply',
} as const;

/** Inputs and weights have magnitudes below 2^22 (4,194,304), or are refused before anything is shared. */
export const PLAINTEXT_BITS = 22;
/** Private factors of a standardisation are small, and kept to this many fraction bits; magnitudes below 2^FACTOR_BITS. */
const FACTOR_FRACTION_BITS = 24;
const FACTOR_BITS = 14;

/** In the set-up: takes what is private to the model's owner. */
export function storeModel(graph: Graph, spec: ModelSpec): void {
  const { modelOwner: owner, description } = spec;
  if (owner === undefined) return;
  for (const { key, shape, role, layer } of modelWeights(description)) {
    graph.scope(layer.name, 'setup', () => {
      const name = modelNames.weight(key);
      // What a product multiplies is opened under its owner's mask, once; what is only added stays as it is.
      privateInput(graph, name, owner, shape, PLAINTEXT_BITS).store(name, { masked: role === 'factor' });
    });
  }
  if (spec.standardised !== 'privately') return;
  const inputs = elementCount(description.inputShape);
  graph.scope('standardise', 'setup', () => {
    privateInput(graph, modelNames.subtract, owner, [inputs], PLAINTEXT_BITS).store(modelNames.subtract);
    // Its words come at their own scale; the bound is that of the words.
    const bits = FACTOR_FRACTION_BITS + FACTOR_BITS - spec.fractionBits;
    privateInput(graph, modelNames.multiply, owner, [inputs], bits).store(modelNames.multiply, { masked: true });
  });
}

/** In any other program: the weights. */
export function modelTensors(graph: Graph, spec: ModelSpec): WeightTensors {
  const bound = spec.fractionBits + PLAINTEXT_BITS;
  return new Map(
    modelWeights(spec.description).map(({ key, shape, role }) => {
      const name = modelNames.weight(key);
      return [
        key,
        spec.modelOwner === undefined
          ? knownInput(graph, name, shape, PLAINTEXT_BITS)
          : stateInput(graph, name, shape, { bound, masked: role === 'factor', owner: spec.modelOwner }),
      ];
    }),
  );
}

/** (x - subtract) * multiply, elementwise over the rows' cells; x as it is where nothing is standardised. */
export function standardiseRows(spec: ModelSpec, x: Tensor): Tensor {
  if (spec.standardised === 'no') return x;
  const { graph } = x;
  const inputs = elementCount(spec.description.inputShape);
  const isPublic = spec.standardised === 'publicly';
  const subtract = isPublic
    ? knownInput(graph, modelNames.subtract, [inputs], PLAINTEXT_BITS)
    : stateInput(graph, modelNames.subtract, [inputs], {
        bound: spec.fractionBits + PLAINTEXT_BITS,
        owner: spec.modelOwner,
      });
  const multiply = isPublic
    ? knownInput(graph, modelNames.multiply, [inputs], PLAINTEXT_BITS)
    : stateInput(graph, modelNames.multiply, [inputs], {
        bound: FACTOR_FRACTION_BITS + FACTOR_BITS,
        scale: FACTOR_FRACTION_BITS,
        masked: true,
        owner: spec.modelOwner,
      });
  const rows = x.reshape([x.size / inputs, inputs]);
  return rows.sub(subtract).mulRaw(multiply).rescaled(spec.fractionBits).reshape(x.shape);
}

/**
 * The model's values as ring words by input name: its owner's inputs, or what is public.
 * @throws InputError `weight-out-of-range`, `not-finite`, naming the tensor and the bound.
 */
export function weightWords(
  model: TrainedModel,
  spec: Pick<ModelSpec, 'description' | 'standardised' | 'fractionBits'>,
): Map<string, BigUint64Array> {
  const words = new Map<string, BigUint64Array>();
  const add = (name: string, what: string, values: Float64Array, fractionBits: number, magnitudeBits: number): void => {
    checkFinite(what, values);
    checkRange('weight-out-of-range', what, values, { fractionBits, magnitudeBits });
    words.set(
      name,
      encodeFixed(values, fractionBits, magnitudeBits, (i) => `${what}, position ${i},`),
    );
  };
  for (const key of weightShapes(spec.description).keys()) {
    const data = model.weights.get(key)?.data ?? new Float64Array(0);
    add(modelNames.weight(key), `The weight ${key}`, data, spec.fractionBits, PLAINTEXT_BITS);
  }
  if (model.standardisation !== undefined && spec.standardised !== 'no') {
    const { subtract, multiply } = model.standardisation;
    const what = 'The input standardisation';
    add(modelNames.subtract, `${what} (subtract)`, subtract, spec.fractionBits, PLAINTEXT_BITS);
    const isPublic = spec.standardised === 'publicly';
    const [bits, magnitude] = isPublic ? [spec.fractionBits, PLAINTEXT_BITS] : [FACTOR_FRACTION_BITS, FACTOR_BITS];
    add(modelNames.multiply, `${what} (multiply)`, multiply, bits, magnitude);
  }
  return words;
}
