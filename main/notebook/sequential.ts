/**
 * Models for scripts and notebooks, in the shape that users of TensorFlow.js know: sequential, compile, fit, evaluate, predict.
 * All parties and the dealer run in this process, which therefore holds every secret; what is computed, sent and rounded is
 * what parties on machines of their own compute, send and round. See docs/typescript-api.md.
 */
import { randomInputs } from '../../engine/functions/randomness.ts';
import { metricSum } from '../../engine/nn/training/totals.ts';
import { trainingGraphs } from '../../engine/nn/training/graphs.ts';
import { trainingScript } from '../../engine/nn/training/script.ts';
import { names } from '../../engine/nn/training/spec.ts';
import type { TrainingSpec } from '../../engine/nn/training/spec.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import { withRandomness } from '../../engine/random/draw.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { decodeFixed, encodeFixed } from '../../engine/runtime/words.ts';
import { foldStandardisation } from '../../engine/models/standardisation.ts';
import { writeOnnx } from '../../engine/models/onnx/write.ts';
import { InputError } from '../../shared/errors.ts';
import { initialWeights } from '../../shared/initialise.ts';
import { describeLayers } from '../../shared/job-model.ts';
import { layerSpecSchema } from '../../shared/layers/table.ts';
import { defaultLoss, lossSchema } from '../../shared/losses.ts';
import type { LossSpec } from '../../shared/losses.ts';
import { modelShapes, weightShapes } from '../../shared/model.ts';
import type { ModelDescription, ModelWeights, TrainedModel } from '../../shared/model.ts';
import { optimizerSchema } from '../../shared/optimizers.ts';
import type { OptimizerSpec } from '../../shared/optimizers.ts';
import { splitRows } from '../../shared/schedule.ts';
import { readModelFile, writeModelFile } from '../host/models/model-files.ts';
import { inferPrivately } from '../host/inference/private-inference.ts';
import { runSimulated } from '../host/simulation/simulated-run.ts';
import { cellsOf, countRows, magnitudeBits } from './data.ts';
import type { OwnedColumns, OwnedLabels } from './data.ts';

export interface CompileOptions {
  /** As in a job file: `{ name: 'adam', lr: 0.01 }`. */
  readonly optimizer: object;
  /** As in a job file; the task's own if not given. */
  readonly loss?: object;
  readonly task?: 'classification' | 'regression';
  /** Compute parties; the owners of the data if not given. The first one receives the model. */
  readonly parties?: readonly string[];
}

export interface FitOptions {
  readonly epochs: number;
  /** 32 if not given. */
  readonly batchSize?: number;
  /** Part of the rows that is kept for a score after every epoch; none if not given. */
  readonly validationSplit?: number;
  /** Other rows of the same owners for that score. */
  readonly validationData?: { readonly x: readonly OwnedColumns[]; readonly y: OwnedLabels };
  /** How much rows of a class count, by its number; 1 if not given. */
  readonly classWeight?: Readonly<Record<number, number>>;
  /** Of the split, the order of rows and the first weights; public. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  readonly onStep?: (step: number, of: number) => void;
  readonly callbacks?: {
    /** After each epoch, counted from 0, with its score on the validation rows where there are any. */
    onEpochEnd?(epoch: number, score: Score | undefined): void | Promise<void>;
  };
}

export interface Score {
  readonly loss: number;
  /** Of a classification. */
  readonly accuracy?: number;
  /** Of a regression. */
  readonly rmse?: number;
}

export interface FitResult {
  /** On the validation rows, after each epoch. */
  readonly history: readonly Score[];
  /** Of each compute party. */
  readonly bytesSent: readonly number[];
  readonly rounds: number;
}

const FRACTION_BITS = 16;
const ASSUMED_BOUND = 54;

interface Compiled {
  readonly optimizer: OptimizerSpec;
  readonly loss: LossSpec;
  readonly task: 'classification' | 'regression';
  readonly parties: readonly string[] | undefined;
}

/** A chain of layers as a job file writes them, for inputs of this shape (without batch). */
export function sequential(
  layers: readonly object[],
  { inputShape }: { readonly inputShape: readonly number[] },
): Sequential {
  return new Sequential(describeLayers(layerSpecSchema.array().parse(layers), inputShape));
}

/**
 * A model from a file, `.onnx` or `.json` of TF.js Layers, to be asked or trained further.
 * @throws InputError what is wrong with the file.
 */
export function loadModel(path: string): Sequential {
  const { description, weights } = foldStandardisation(readModelFile(path));
  return new Sequential(description, weights);
}

export class Sequential {
  readonly description: ModelDescription;
  #compiled: Compiled | undefined;
  #weights: ModelWeights | undefined;

  /** Use sequential() or loadModel(). */
  constructor(description: ModelDescription, weights?: ModelWeights) {
    this.description = description;
    this.#weights = weights;
  }

  /** @throws z.ZodError for an optimizer or a loss that is none. */
  compile({ optimizer, loss, task = 'classification', parties }: CompileOptions): this {
    this.#compiled = {
      optimizer: optimizerSchema.parse(optimizer),
      loss: loss === undefined ? defaultLoss(task) : lossSchema.parse(loss),
      task,
      parties,
    };
    return this;
  }

  /** The model with its weights, after `fit`. @throws InputError `model-untrained`. */
  get trained(): TrainedModel {
    if (this.#weights === undefined) {
      throw new InputError('model-untrained', 'The model has no weights yet.', { hint: 'Call fit first.' });
    }
    return { description: this.description, weights: this.#weights };
  }

  toOnnx(): Uint8Array {
    return writeOnnx(this.trained);
  }

  /**
   * Writes the trained model: `.onnx`, or a TF.js Layers model with its weights beside it, as `.json`.
   * @throws InputError `model-file-type`, `model-untrained`.
   */
  async save(path: string): Promise<void> {
    await writeModelFile(path, this.trained);
  }

  /** Trains on shares of all parties' columns side by side; goes on from the weights of an earlier call. */
  async fit(x: readonly OwnedColumns[], y: OwnedLabels, options: FitOptions): Promise<FitResult> {
    const { epochs, batchSize = 32, validationSplit = 0, seed = 0, signal = new AbortController().signal } = options;
    const { optimizer, loss: plainLoss, task, parties: given } = this.#options();
    const width = this.#outputs();
    const loss = weightedLoss(plainLoss, options.classWeight, width);
    const trainingRows = countRows(x, y);
    if (options.validationData !== undefined) ({ x, y } = stacked({ x, y }, options.validationData));
    const total = countRows(x, y);
    const parties = [...(given ?? new Set([...x.map(({ owner }) => owner), y.owner]))];
    if (parties.length < 2) {
      throw new InputError('party-alone', 'Only one party takes part.', { hint: 'Name two or more as parties.' });
    }
    const [receiver = ''] = parties;
    const { train, test } =
      options.validationData === undefined
        ? splitRows(total, validationSplit, seed)
        : { train: rowNumbers(0, trainingRows), test: rowNumbers(trainingRows, total) };
    const targets = targetsOf(y.values, task, width);
    const spec: TrainingSpec = {
      features: x.map(({ owner, rows }) => ({ owner, rows: total, columns: rows[0]?.length ?? 0 })),
      arrangement: 'columns',
      trainingRows: train.length,
      fractionBits: FRACTION_BITS,
      assumedBound: ASSUMED_BOUND,
      featureMagnitudeBits: magnitudeBits(x.flatMap(({ rows }) => rows.flat())),
      standardise: undefined,
      labels: [{ owner: y.owner, rows: total }],
      description: this.description,
      task,
      testRows: test.length,
      batch: batchSize,
      loss,
      optimizer,
      reveal: { model: [receiver], metrics: test.length > 0 ? [receiver] : [] },
      labelMagnitudeBits: magnitudeBits(targets),
    };
    const graphs = trainingGraphs(spec);
    const plan = planJob(
      graphs.map((graph) => lower(graph, { parties })),
      nodeCrypto.sha256,
    );
    const script = {
      ...{ spec, seed, epochs, train, test },
      initialWeights: this.#weights ?? initialWeights(this.description, seed),
      metricsEvery: 1,
    };
    const executions = [...trainingScript(script)];
    const inputs = new Map(parties.map((party) => [party, new Map<string, BigUint64Array>()]));
    x.forEach((block, i) =>
      inputs
        .get(block.owner)
        ?.set(`${names.features}/${i}`, encoded(cellsOf(block), spec.featureMagnitudeBits, `A cell of ${block.owner}`)),
    );
    inputs.get(y.owner)?.set(`${names.labels}/0`, encoded(targets, spec.labelMagnitudeBits, `A label of ${y.owner}`));
    const randomness = new Map(graphs.map((graph) => [graph.options.name, randomInputs(graph)]));
    const sums = new Map<number, Map<string, number>>();
    const model = new Map<string, BigUint64Array>();
    const { traffic } = await runSimulated(
      { plan, executions, transport: 'memory', signal, startedMs: performance.now() },
      async (simulation) => {
        for (const { number, program, known, epoch, kind, step, steps } of executions) {
          signal.throwIfAborted();
          const fed = withRandomness(nodeCrypto, inputs, randomness.get(program) ?? []);
          const revealed =
            (await simulation.execute(program, { inputs: fed, known }))[0] ?? new Map<string, BigUint64Array>();
          const ofEpoch = sums.get(epoch) ?? new Map<string, number>();
          for (const [name, words] of revealed) {
            if (kind === 'reveal') model.set(name, words);
            else sums.set(epoch, ofEpoch.set(name, (ofEpoch.get(name) ?? 0) + metricSum(spec, name, words)));
          }
          if (kind === 'step') options.onStep?.(step + 1, steps);
          const next = executions[number + 1];
          const isEnd = kind !== 'setup' && kind !== 'reveal' && (next?.kind === 'reveal' || next?.epoch !== epoch);
          const ofEpochEnd = sums.get(epoch);
          if (isEnd)
            await options.callbacks?.onEpochEnd?.(
              epoch,
              ofEpochEnd && test.length > 0 ? scoreOf(ofEpochEnd, test.length, task) : undefined,
            );
        }
      },
    );
    this.#weights = new Map(
      [...weightShapes(this.description)].map(([key, shape]) => [
        key,
        { shape, data: decodeFixed(model.get(names.weight(key)) ?? new BigUint64Array(0), FRACTION_BITS) },
      ]),
    );
    return {
      history: [...sums.values()].map((found) => scoreOf(found, test.length, task)),
      bytesSent: traffic.map(({ bytesSent }) => bytesSent),
      rounds: traffic[0]?.rounds ?? 0,
    };
  }

  /** Answers to one party's rows by the model that another one holds, privately: [rows][outputs]. */
  async predict(rows: OwnedColumns, signal: AbortSignal = new AbortController().signal): Promise<number[][]> {
    const count = countRows([rows]);
    const owner = this.#compiled?.parties?.find((party) => party !== rows.owner) ?? `not ${rows.owner}`;
    const { outputs } = await inferPrivately({
      model: this.trained,
      inputs: [
        {
          what: `The rows of ${rows.owner}`,
          owner: rows.owner,
          tensor: { type: 'float64', shape: [count, ...this.description.inputShape], data: cellsOf(rows) },
        },
      ],
      parties: [rows.owner, owner],
      modelOwner: owner,
      transport: 'memory',
      signal,
    });
    const answers = [...((outputs[0]?.data as Float32Array | undefined) ?? [])];
    const width = answers.length / count;
    return Array.from({ length: count }, (_, row) => answers.slice(row * width, (row + 1) * width));
  }

  /** How the model does on one party's rows: predicted privately, scored by that party. */
  async evaluate(rows: OwnedColumns, values: readonly number[], signal?: AbortSignal): Promise<Score> {
    const { task } = this.#options();
    countRows([rows], { owner: rows.owner, values });
    const answers = await this.predict(rows, signal);
    const mean = (f: (answer: readonly number[], value: number) => number): number =>
      answers.reduce((sum, answer, row) => sum + f(answer, values[row] ?? NaN), 0) / answers.length;
    if (task === 'regression') {
      const squared = mean(([answer = NaN], value) => (answer - value) ** 2);
      return { loss: squared, rmse: Math.sqrt(squared) };
    }
    const probability = (answer: readonly number[], value: number): number =>
      answer.length === 1 ? (value === 1 ? (answer[0] ?? 0) : 1 - (answer[0] ?? 0)) : (answer[value] ?? 0);
    return {
      loss: mean((answer, value) => -Math.log(Math.max(probability(answer, value), 2 ** -FRACTION_BITS))),
      accuracy: mean((answer, value) => Number(classOf(answer) === value)),
    };
  }

  #options(): Compiled {
    if (this.#compiled === undefined) {
      throw new InputError('model-not-compiled', 'The model has no optimizer yet.', { hint: 'Call compile first.' });
    }
    return this.#compiled;
  }

  #outputs(): number {
    return modelShapes(this.description).at(-1)?.[0] ?? 1;
  }
}

const classOf = (answer: readonly number[]): number =>
  answer.length === 1 ? Number((answer[0] ?? 0) >= 0.5) : answer.indexOf(Math.max(...answer));

/** One value a row, or one-hot rows where there are several outputs. */
function targetsOf(values: readonly number[], task: 'classification' | 'regression', width: number): Float64Array {
  if (task === 'regression' || width === 1) return Float64Array.from(values);
  const targets = new Float64Array(values.length * width);
  values.forEach((value, row) => {
    if (!Number.isInteger(value) || value < 0 || value >= width) {
      throw new InputError(
        'label-not-a-class',
        `Label ${row + 1} is ${value}; the model has the classes 0 to ${width - 1}.`,
      );
    }
    targets[row * width + value] = 1;
  });
  return targets;
}

/** @throws InputError `class-weight` for a class that is none, `loss-unweighted` for a loss that takes no weights. */
function weightedLoss(loss: LossSpec, weights: FitOptions['classWeight'], width: number): LossSpec {
  if (weights === undefined) return loss;
  const classes = Math.max(2, width);
  const stray = Object.keys(weights).find((number) => Number(number) >= classes);
  if (stray !== undefined)
    throw new InputError(
      'class-weight',
      `There is a weight for class ${stray}, and the classes are 0 to ${classes - 1}.`,
    );
  if (loss.name !== 'crossEntropy' && loss.name !== 'hinge' && loss.name !== 'squaredHinge') {
    throw new InputError('loss-unweighted', `The loss ${loss.name} takes no weights of classes.`, {
      hint: 'Use crossEntropy, hinge or squaredHinge.',
    });
  }
  return { ...loss, classWeights: Array.from({ length: classes }, (_, k) => weights[k] ?? 1) };
}

interface Rows {
  readonly x: readonly OwnedColumns[];
  readonly y: OwnedLabels;
}

/** Rows of the same owners, one set below the other. @throws InputError `validation-owners`. */
function stacked(first: Rows, second: Rows): Rows {
  const owners = ({ x, y }: Rows): string =>
    [...x.map(({ owner, rows }) => `${owner} (${rows[0]?.length ?? 0} columns)`), y.owner].join(', ');
  countRows(second.x, second.y);
  if (owners(first) !== owners(second)) {
    throw new InputError(
      'validation-owners',
      `Validation rows are of ${owners(second)}, the others of ${owners(first)}.`,
      {
        hint: 'Give validation data of the same owners, in the same order.',
      },
    );
  }
  return {
    x: first.x.map(({ owner, rows }, i) => ({ owner, rows: [...rows, ...(second.x[i]?.rows ?? [])] })),
    y: { owner: first.y.owner, values: [...first.y.values, ...second.y.values] },
  };
}

function rowNumbers(from: number, to: number): Uint32Array {
  return Uint32Array.from({ length: to - from }, (_, i) => from + i);
}

function encoded(values: Float64Array, bits: number, what: string): BigUint64Array {
  return encodeFixed(values, FRACTION_BITS, bits, (i) => `${what} (${i})`);
}

function scoreOf(sums: ReadonlyMap<string, number>, rows: number, task: 'classification' | 'regression'): Score {
  const mean = (name: string): number => (sums.get(name) ?? 0) / rows;
  if (task === 'classification') return { loss: mean(names.loss), accuracy: mean(names.correct) };
  const squared = mean(names.squaredError);
  return { loss: sums.has(names.loss) ? mean(names.loss) : squared, rmse: Math.sqrt(squared) };
}
