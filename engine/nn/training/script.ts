/**
 * The executions of a training job in order: which program runs with which public inputs. A function of public facts only, so
 * that parties and dealer follow it without talking. Knows nothing of data, processes or time.
 */
import type { TrainingLength } from '../../../shared/learning-rate.ts';
import { batchSizes, epochBatches } from '../../../shared/schedule.ts';
import { weightShapes } from '../../../shared/model.ts';
import type { ModelWeights } from '../../../shared/model.ts';
import { ScriptWriter } from '../../runtime/script.ts';
import type { Execution } from '../../runtime/script.ts';
import { encodeFixed, rowNumberWords } from '../../runtime/words.ts';
import { dropoutMasks } from './dropout-masks.ts';
import { hasMembership } from '../membership.ts';
import { factorWords } from './update.ts';
import { isEvaluated, names, WEIGHT_MAGNITUDE_BITS } from './spec.ts';
import type { TrainingSpec } from './spec.ts';
import { evaluationRows, keepsTotals } from './totals.ts';

export interface ScriptOptions {
  readonly spec: TrainingSpec;
  readonly seed: number;
  readonly epochs: number;
  /** Row numbers in the table of features. */
  readonly train: Uint32Array;
  readonly test: Uint32Array;
  /** Not looked at where they are one party's own. */
  readonly initialWeights: ModelWeights;
  /** Epochs between two evaluations; undefined for one at the end. */
  readonly metricsEvery: number | undefined;
}

export function* trainingScript(options: ScriptOptions): Generator<Execution, void> {
  const { spec, seed, epochs, train, metricsEvery } = options;
  let step = 0;
  const stepsPerEpoch = batchSizes(train.length, spec.batch).length;
  const length = { steps: stepsPerEpoch * epochs, stepsPerEpoch };
  const writer = new ScriptWriter(length.steps);
  yield writer.next('setup', names.setup, 0, () => firstInputs(options));
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const rows of epochBatches(train, spec.batch, seed, epoch)) {
      const draw = { rows: rows.length, seed, step: step++ };
      yield writer.next('step', names.step(rows.length), epoch, () => stepInputs(spec, rows, draw, length));
    }
    const isLast = epoch === epochs - 1;
    if (isEvaluated(spec) && (isLast || (metricsEvery !== undefined && (epoch + 1) % metricsEvery === 0))) {
      for (const known of evaluationParts(options)) yield writer.next('evaluate', names.evaluate, epoch, () => known);
      if (keepsTotals(spec)) yield writer.next('evaluate', names.metrics, epoch);
    }
  }
  // What the revealed model is compared with is public again.
  const first = (): Map<string, BigUint64Array> => (spec.modelNoise === undefined ? new Map() : firstInputs(options));
  if (spec.reveal.model.length > 0) yield writer.next('reveal', names.reveal, epochs - 1, first);
}

function firstInputs({ spec, initialWeights, train }: ScriptOptions): Map<string, BigUint64Array> {
  const { fractionBits, modelOwner } = spec;
  const publicKeys = modelOwner === undefined ? [...weightShapes(spec.description).keys()] : [];
  const inputs = new Map(
    publicKeys.map((key) => {
      const values = initialWeights.get(key)?.data ?? [];
      const words = encodeFixed(
        values,
        fractionBits,
        WEIGHT_MAGNITUDE_BITS,
        (i) => `The initial weight ${key}, position ${i},`,
      );
      return [names.weight(key), words] as const;
    }),
  );
  if (spec.standardise !== undefined || hasMembership(spec)) inputs.set(names.trainingRows, rowNumberWords(train));
  return inputs;
}

/** Row numbers of the batch, the step's dropout masks, and the optimizer's factors. */
function stepInputs(
  spec: TrainingSpec,
  rows: Uint32Array,
  draw: { readonly rows: number; readonly seed: number; readonly step: number },
  length: TrainingLength,
): Map<string, BigUint64Array> {
  const { description, fractionBits } = spec;
  const masks = dropoutMasks(description, fractionBits, draw);
  return new Map([
    [names.rowNumbers, rowNumberWords(rows)],
    ...[...masks].map(([layer, words]) => [names.mask(layer), words] as const),
    ...factorWords(spec, draw.step, length),
  ]);
}

/** Test rows in parts of the evaluation's size; the last one repeats a row with weight zero. */
function evaluationParts({ spec, test }: ScriptOptions): Map<string, BigUint64Array>[] {
  const size = evaluationRows(spec);
  const one = 1n << BigInt(spec.fractionBits);
  return Array.from({ length: Math.ceil(test.length / size) }, (_, part) => {
    const rows = test.subarray(part * size, (part + 1) * size);
    const filled = new Uint32Array(size).fill(rows[0] ?? 0);
    filled.set(rows);
    return new Map([
      [names.rowNumbers, rowNumberWords(filled)],
      [names.rowWeights, BigUint64Array.from(filled, (_row, i) => (i < rows.length ? one : 0n))],
    ]);
  });
}
