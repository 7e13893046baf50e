/** Training on shares with two parties and a dealer in this process: a holds the features, b the classes, a learns the model. */
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { trainingGraphs } from '../../engine/nn/training/graphs.ts';
import { names } from '../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../engine/nn/training/spec.ts';
import { trainingScript } from '../../engine/nn/training/script.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { Simulation } from '../../engine/runtime/simulation.ts';
import { decodeFixed, encodeFixed } from '../../engine/runtime/words.ts';
import type { ModelDescription, ModelWeights } from '../../shared/model.ts';
import { fixedCrypto } from './fixed-crypto.ts';
import { FRACTION_BITS, twoPartySpec } from './two-party-spec.ts';

const PARTIES = ['a', 'b'];

export interface SimulatedTraining {
  readonly description: ModelDescription;
  readonly initialWeights: ModelWeights;
  /** Row-major, below 2 in magnitude. */
  readonly features: Float64Array;
  /** A class a row. */
  readonly classes: Float64Array;
  readonly outputs: number;
  readonly epochs: number;
  readonly batch: number | 'all';
  readonly seed: number;
  readonly optimizer: TrainingSpec['optimizer'];
}

/** The weights after training on all rows; masks and rounding are the same each time. */
export async function trainOnShares(training: SimulatedTraining): Promise<ModelWeights> {
  const { description, initialWeights, features, classes, outputs, epochs, batch, seed, optimizer } = training;
  const rows = classes.length;
  const spec = twoPartySpec({ description, batch, optimizer, rows });
  const plan = planJob(
    trainingGraphs(spec).map((graph) => lower(graph, { parties: PARTIES })),
    nodeCrypto.sha256,
  );
  const oneHot = new Float64Array(rows * outputs);
  classes.forEach((label, row) => (oneHot[row * outputs + label] = 1));
  const encode = (values: Float64Array): BigUint64Array => encodeFixed(values, FRACTION_BITS, 1, (i) => `cell ${i}`);
  const inputs = new Map([
    ['a', new Map([[`${names.features}/0`, encode(features)]])],
    ['b', new Map([[`${names.labels}/0`, encode(oneHot)]])],
  ]);
  const script = {
    ...{ spec, seed, epochs, initialWeights, metricsEvery: undefined },
    train: Uint32Array.from({ length: rows }, (_, row) => row),
    test: new Uint32Array(0),
  };
  const simulation = await Simulation.create({
    plan,
    crypto: fixedCrypto(),
    kernels: () => wasmKernels({ threads: 1 }),
  });
  try {
    let revealed = new Map<string, BigUint64Array>();
    for (const { program, known } of trainingScript(script))
      revealed = (await simulation.execute(program, { inputs, known }))[0]!;
    return new Map(
      [...initialWeights].map(([key, { shape }]) => [
        key,
        { shape, data: decodeFixed(revealed.get(names.weight(key)) ?? new BigUint64Array(0), FRACTION_BITS) },
      ]),
    );
  } finally {
    await simulation.close();
  }
}
