/**
 * Training behind a hidden join with all parties in this process: identifiers are joined for real, every party puts its rows in
 * its slots, and the job runs to its end over links that are watched.
 */
import { simulateJoin } from '../../engine/join/simulation.ts';
import type { Curve } from '../../engine/join/curve.ts';
import type { JoinTerms } from '../../engine/join/terms.ts';
import { slotCount } from '../../engine/join/terms.ts';
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import type { MemberSpec } from '../../engine/nn/membership.ts';
import { memberNames, presenceWords, wordsInSlots } from '../../engine/nn/membership.ts';
import { slotWords } from '../../engine/nn/table.ts';
import { trainingGraphs } from '../../engine/nn/training/graphs.ts';
import { trainingScript } from '../../engine/nn/training/script.ts';
import { names } from '../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../engine/nn/training/spec.ts';
import type { Execution } from '../../engine/runtime/script.ts';
import { encodeFixed } from '../../engine/runtime/words.ts';
import { sizeOf } from '../../engine/tensor/shape.ts';
import { modelShapes } from '../../shared/model.ts';
import type { ModelDescription, ModelWeights } from '../../shared/model.ts';
import { splitRows } from '../../shared/schedule.ts';
import { pack } from '../engine/join/joins.ts';
import { fixedCrypto } from './fixed-crypto.ts';
import { hasHead } from './plain-training.ts';
import type { Execution as SeenExecution } from './run-job.ts';
import { TestJob } from './run-job.ts';

/** What a party brings: an identifier, features and, at one party, targets a row. */
export interface PartyRows {
  readonly identifiers: readonly string[];
  readonly features: readonly (readonly number[])[];
  readonly targets?: readonly (readonly number[])[];
}

export interface HiddenJob {
  readonly rows: ReadonlyMap<string, PartyRows>;
  /** Identifiers that each party declares; as many as it has if not given. */
  readonly sizes?: Readonly<Record<string, number>>;
  /** The party whose rows are kept, in a left join. */
  readonly keeps?: string;
  readonly description: ModelDescription;
  readonly initialWeights: ModelWeights;
  readonly epochs: number;
  readonly batch: number | 'all';
  readonly testFraction: number;
  readonly standardise?: boolean;
  readonly floor?: number;
  readonly lr: number;
  readonly momentum: number;
  readonly curve: Curve;
}

export interface HiddenRun {
  readonly spec: MemberSpec<TrainingSpec>;
  readonly job: TestJob;
  readonly slots: ReadonlyMap<string, Uint32Array>;
  readonly train: Uint32Array;
  readonly test: Uint32Array;
  readonly executions: readonly (readonly [Execution, SeenExecution])[];
  /** What party a learns, by name. */
  readonly revealed: ReadonlyMap<string, BigUint64Array>;
}

const FRACTION_BITS = 16;
const SEED = 5;

export async function trainHidden(options: HiddenJob): Promise<HiddenRun> {
  const { rows, keeps, description } = options;
  const parties = [...rows.keys()];
  const terms: JoinTerms = {
    session: 'test',
    attempt: 0,
    execution: 0,
    purpose: 'hidden',
    form: 'keyedHash',
    parties,
    matcher: 'dealer',
    sizes:
      options.sizes ?? Object.fromEntries([...rows].map(([party, { identifiers }]) => [party, identifiers.length])),
    floor: 1,
  };
  const identifiers = new Map([...rows].map(([party, own]) => [party, pack(own.identifiers)]));
  const { results } = await simulateJoin({ terms, identifiers, curve: options.curve, crypto: fixedCrypto() });
  const slots = new Map(
    [...results].map(([party, result]) => {
      if (result.purpose !== 'hidden') throw new RangeError('another join');
      return [party, result.slots] as const;
    }),
  );
  const count = slotCount(terms);
  const { train, test } = splitRows(count, options.testFraction, SEED);
  const owners = parties.filter((party) => (rows.get(party)?.features[0]?.length ?? 0) > 0);
  const width = (party: string): number => rows.get(party)?.features[0]?.length ?? 0;
  const columns = owners.reduce((sum, party) => sum + width(party), 0);
  const labelled = parties.filter((party) => rows.get(party)?.targets !== undefined);
  const spec: MemberSpec<TrainingSpec> = {
    features: owners.map((owner) => ({ owner, rows: count, columns: width(owner) })),
    arrangement: 'columns',
    labels: labelled.map((owner) => ({ owner, rows: count })),
    description,
    task: hasHead(description) ? 'classification' : 'regression',
    trainingRows: train.length,
    testRows: test.length,
    batch: options.batch,
    optimizer: {
      name: 'sgd',
      lr: options.lr,
      momentum: options.momentum,
      dampening: 0,
      nesterov: false,
      weightDecay: 0,
    },
    reveal: { model: ['a'], metrics: ['a'] },
    fractionBits: FRACTION_BITS,
    assumedBound: 54,
    featureMagnitudeBits: 0.01,
    labelMagnitudeBits: 0.01,
    standardise: options.standardise === true ? new Array<boolean>(columns).fill(true) : undefined,
    membership: {
      required: keeps === undefined ? parties : [keeps],
      optional: keeps === undefined ? [] : parties.filter((party) => party !== keeps),
      floor: options.floor ?? 1,
      parties,
    },
  };
  const job = await TestJob.start(trainingGraphs(spec), {
    parties: parties.length,
    kernels: () => wasmKernels({ threads: 1 }),
  });
  const encode = (values: readonly number[]): BigUint64Array =>
    encodeFixed(values, FRACTION_BITS, 0.01, (i) => `cell ${i}`);
  const inputs: Record<string, BigUint64Array> = {};
  for (const [party, own] of rows) {
    const at = slots.get(party)!;
    inputs[memberNames.presence(party)] = presenceWords(at, count);
    const block = owners.indexOf(party);
    if (block >= 0) {
      Object.assign(inputs, Object.fromEntries(slotWords(spec, block, encode(own.features.flat()), at)));
    }
    if (own.targets !== undefined) {
      const outputs = sizeOf(modelShapes(description).at(-1) ?? []);
      inputs[`${names.labels}/${labelled.indexOf(party)}`] = wordsInSlots(
        encode(own.targets.flat()),
        outputs,
        at,
        count,
      );
    }
  }
  const executions: (readonly [Execution, SeenExecution])[] = [];
  const revealed = new Map<string, BigUint64Array>();
  const script = trainingScript({
    spec,
    seed: SEED,
    epochs: options.epochs,
    train,
    test,
    initialWeights: options.initialWeights,
    metricsEvery: undefined,
  });
  for (const execution of script) {
    const seen = await job.execute(execution.program, { inputs, known: Object.fromEntries(execution.known) });
    executions.push([execution, seen]);
    for (const [name, words] of seen.revealed.get('a') ?? []) revealed.set(name, words);
  }
  return { spec, job, slots, train, test, executions, revealed };
}
