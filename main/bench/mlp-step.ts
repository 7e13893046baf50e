/** One training step of 784-128-128-10 at batch 128 on random rows, two parties and a dealer in one process. */
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { trainingGraphs } from '../../engine/nn/training/graphs.ts';
import { names } from '../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../engine/nn/training/spec.ts';
import { trainingScript } from '../../engine/nn/training/script.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import type { Plan } from '../../engine/plan/plan.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { Simulation } from '../../engine/runtime/simulation.ts';
import { encodeFixed } from '../../engine/runtime/words.ts';
import { initialWeights } from '../../shared/initialise.ts';
import type { ModelDescription } from '../../shared/model.ts';
import { expandTemplate } from '../../shared/templates.ts';
import { PublicRandom } from '../../shared/shuffle.ts';
import { median } from './benchmark.ts';
import type { Benchmark } from './benchmark.ts';

const [ROWS, STEPS] = [512, 12];
export const BATCH = 128;
const [INPUTS, CLASSES] = [784, 10];

/** The plan of the step's two parties. */
export function mlpStepPlan(): { plan: Plan; spec: TrainingSpec; description: ModelDescription } {
  const description = expandTemplate(
    { template: 'mlp', hidden: [128, 128], activation: 'relu' },
    [INPUTS],
    CLASSES,
    'classification',
  );
  const spec: TrainingSpec = {
    features: [{ owner: 'a', rows: ROWS, columns: INPUTS }],
    arrangement: 'columns',
    labels: [{ owner: 'b', rows: ROWS }],
    description,
    task: 'classification',
    trainingRows: ROWS,
    testRows: 0,
    batch: BATCH,
    optimizer: { name: 'sgd', lr: 0.1, momentum: 0.9, dampening: 0, nesterov: false, weightDecay: 0 },
    reveal: { model: [], metrics: [] },
    fractionBits: 16,
    assumedBound: 54,
    featureMagnitudeBits: 1,
    labelMagnitudeBits: 1,
    standardise: undefined,
  };
  const plan = planJob(
    trainingGraphs(spec).map((graph) => lower(graph, { parties: ['a', 'b'] })),
    nodeCrypto.sha256,
  );
  return { plan, spec, description };
}

export const mlpStep: Benchmark = {
  name: 'mlp-step',
  summary: 'one training step of 784-128-128-10, batch 128, lr 0.1, softmax cross-entropy, momentum',
  async run({ signal, report }) {
    report('planning');
    const { plan, spec, description } = mlpStepPlan();
    const cost = plan.programs.get(names.step(BATCH))?.cost;
    if (cost === undefined) throw new RangeError('the plan has a step');
    const simulation = await Simulation.create({
      plan,
      crypto: nodeCrypto,
      kernels: () => wasmKernels({ threads: 1 }),
    });
    const inputs = randomRows();
    const totals: number[] = [];
    try {
      const script = trainingScript({
        spec,
        seed: 0,
        epochs: Math.ceil((STEPS * BATCH) / ROWS),
        train: Uint32Array.from({ length: ROWS }, (_, row) => row),
        test: new Uint32Array(0),
        initialWeights: initialWeights(description, 0),
        metricsEvery: undefined,
      });
      for (const { program, kind, known, step } of script) {
        signal.throwIfAborted();
        report(kind === 'step' ? `step ${step + 1} of ${STEPS}` : kind);
        const from = performance.now();
        await simulation.execute(program, { inputs, known });
        if (kind === 'step' && step > 1) totals.push((performance.now() - from) / 1000);
      }
    } finally {
      await simulation.close();
    }
    // In one process the parties' work alternates: a party's own share of the step is half of what both take.
    const parties = median(
      (simulation.profilers[0]?.executions ?? []).slice(-totals.length).map(({ wallMs }) => wallMs / 1000),
    );
    const whole = median(totals);
    return [
      { name: 'dealer / parties, time', value: (whole - parties) / parties, unit: 'times' },
      {
        name: 'opened by a party',
        value: Math.max(...cost.bytesOpened),
        unit: 'bytes',
        goal: { sense: 'at most', value: 3.1e6 },
        exact: true,
      },
      { name: 'rounds', value: cost.rounds, unit: 'rounds', goal: { sense: 'at most', value: 34 }, exact: true },
      {
        name: 'from the dealer, to all',
        value: cost.dealerBytes.reduce((sum, bytes) => sum + bytes, 0),
        unit: 'bytes',
        goal: { sense: 'at most', value: 4.5e6 },
        exact: true,
      },
      { name: 'multiply-adds of a party', value: Math.max(...cost.multiplyAdds), unit: 'multiply-adds', exact: true },
      { name: 'both parties', value: parties, unit: 'seconds' },
      { name: 'dealer', value: whole - parties, unit: 'seconds' },
      { name: 'parties and dealer in turn', value: whole, unit: 'seconds', goal: { sense: 'at most', value: 0.12 } },
    ];
  },
};

/** Rows in [0, 1) and one-hot labels. */
function randomRows(): Map<string, Map<string, BigUint64Array>> {
  const random = new PublicRandom(0, 'weights');
  const cells = Float64Array.from({ length: ROWS * INPUTS }, () => random.nextBelow(2 ** 16) / 2 ** 16);
  const labels = new Float64Array(ROWS * CLASSES);
  for (let row = 0; row < ROWS; row++) labels[row * CLASSES + random.nextBelow(CLASSES)] = 1;
  const encode = (values: Float64Array): BigUint64Array => encodeFixed(values, 16, 1, (i) => `Cell ${i}`);
  return new Map([
    ['a', new Map([[`${names.features}/0`, encode(cells)]])],
    ['b', new Map([[`${names.labels}/0`, encode(labels)]])],
  ]);
}
