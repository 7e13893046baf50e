/**
 * The executions of a training job in order: which program runs with which public inputs. A function of public facts only, so
 * that parties and dealer follow it without talking. Knows nothing of data, processes or time.
 */
import { evaluationRows, names } from './training.ts';
import type { TrainingSpec } from './training.ts';
import { epochBatches } from '../../shared/schedule.ts';
import { weightShapes } from '../../shared/model.ts';
import type { ModelWeights } from '../../shared/model.ts';
import { encodeFixed } from '../runtime/words.ts';

export interface Execution {
  /** Position in the attempt; part of every mask id. */
  readonly number: number;
  readonly program: string;
  readonly kind: 'setup' | 'step' | 'evaluate' | 'reveal';
  /** Counted from 0; the last epoch for what follows training. */
  readonly epoch: number;
  /** Steps done before this execution, and in all. */
  readonly step: number;
  readonly steps: number;
  /** Public inputs. */
  readonly known: ReadonlyMap<string, BigUint64Array>;
}

export interface ScriptOptions {
  readonly spec: TrainingSpec;
  readonly seed: number;
  readonly epochs: number;
  /** Row numbers in the table of features. */
  readonly train: Uint32Array;
  readonly test: Uint32Array;
  readonly initialWeights: ModelWeights;
  /** Epochs between two evaluations; undefined for one at the end. */
  readonly metricsEvery: number | undefined;
}

export function* trainingScript(options: ScriptOptions): Generator<Execution, void> {
  const { spec, seed, epochs, train, metricsEvery } = options;
  const stepsPerEpoch = epochBatches(train, spec.batch, seed, 0).length;
  const steps = stepsPerEpoch * epochs;
  const evaluates = spec.testRows > 0 && spec.reveal.metrics.length > 0;
  let number = 0;
  let step = 0;
  const at = (
    kind: Execution['kind'],
    program: string,
    epoch: number,
    known: Map<string, BigUint64Array>,
  ): Execution => ({
    number: number++,
    program,
    kind,
    epoch,
    step,
    steps,
    known,
  });
  yield at('setup', names.setup, 0, firstInputs(options));
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (const rows of epochBatches(train, spec.batch, seed, epoch)) {
      yield at('step', names.step(rows.length), epoch, new Map([[names.rowNumbers, rowWords(rows)]]));
      step++;
    }
    const isLast = epoch === epochs - 1;
    if (evaluates && (isLast || (metricsEvery !== undefined && (epoch + 1) % metricsEvery === 0))) {
      for (const known of evaluationParts(options)) yield at('evaluate', names.evaluate, epoch, known);
    }
  }
  if (spec.reveal.model.length > 0) yield at('reveal', names.reveal, epochs - 1, new Map());
}

function firstInputs({ spec, initialWeights, train }: ScriptOptions): Map<string, BigUint64Array> {
  const inputs = new Map(
    [...weightShapes(spec.description).keys()].map((key) => [
      names.weight(key),
      encodeFixed(initialWeights.get(key)?.data ?? [], spec.fractionBits, 22, (i) => `Initial weight ${i} of ${key}`),
    ]),
  );
  if (spec.standardise !== undefined) inputs.set(names.trainingRows, rowWords(train));
  return inputs;
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
      [names.rowNumbers, rowWords(filled)],
      [names.rowWeights, BigUint64Array.from(filled, (_row, i) => (i < rows.length ? one : 0n))],
    ]);
  });
}

function rowWords(rows: Uint32Array): BigUint64Array {
  return BigUint64Array.from(rows, (row) => BigInt(row));
}
