/**
 * Private inference with simulated parties: one party's model answers other parties' rows, and neither sees the other's
 * part. All parties and the dealer run in this process, which therefore holds every secret; plans, kernels, messages and
 * costs are those of parties on machines of their own. Knows no files and no command line.
 */
import { toFloat64 } from '../../../engine/models/tensor.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';
import { answerShape, inferenceGraphs, inferenceNames, rowWords } from '../../../engine/nn/inference.ts';
import type { InferenceBatch, InferenceSpec } from '../../../engine/nn/inference.ts';
import { weightWords } from '../../../engine/nn/model-weights.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import type { Plan } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { decodeFixed } from '../../../engine/runtime/words.ts';
import type { Assumption } from '../../../engine/tensor/graph.ts';
import { InputError, MachineError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import type { KernelPreference, KernelReport } from '../../../shared/kernel-choice.ts';
import { checkModel } from '../../../shared/model.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import type { JobCost } from '../results/job-cost.ts';
import type { PartyTimes, PartyTraffic, RunSeconds } from '../results/results.ts';
import { runSimulated } from '../simulation/simulated-run.ts';

/** Rows of one party. */
export interface InferenceInput {
  /** Name for messages. */
  readonly what: string;
  readonly owner: string;
  /** [rows, ...the model's input shape], or one sample without the first axis. */
  readonly tensor: PlainTensor;
}

export interface InferenceOptions {
  readonly model: TrainedModel;
  readonly inputs: readonly InferenceInput[];
  readonly parties: readonly string[];
  readonly modelOwner: string;
  readonly transport: 'memory' | 'sockets';
  /** Values of one party or the dealer that may be in memory at once. */
  readonly memoryBytes?: number;
  /** What computes; the CPU by default. */
  readonly kernelPreference?: KernelPreference | undefined;
  readonly onProgress?: (done: number, rows: number) => void;
  readonly signal: AbortSignal;
}

export interface InferenceResult {
  /** Answers to each input, to its owner, in order. */
  readonly outputs: readonly PlainTensor[];
  readonly plan: Plan;
  readonly cost: JobCost;
  readonly assumptions: readonly Assumption[];
  readonly traffic: readonly PartyTraffic[];
  readonly times: readonly PartyTimes[];
  readonly seconds: RunSeconds;
  readonly computedOn: KernelReport | undefined;
}

const FRACTION_BITS = 16;
const ASSUMED_BOUND = 54;
const MEMORY_BYTES = 512 * 2 ** 20;
/** Rows of one execution at most: beyond, rounds cost little beside work. */
const LARGEST_BATCH = 1024;

interface Rows {
  readonly input: InferenceInput;
  readonly cells: Float64Array;
  readonly count: number;
}

/**
 * @throws InputError for a model or an input that cannot be used, naming the tensor; MachineError `inference-memory`.
 */
export async function inferPrivately(options: InferenceOptions): Promise<InferenceResult> {
  const { model, parties, modelOwner, signal } = options;
  const startedMs = performance.now();
  checkModel(model);
  const spec: InferenceSpec = {
    description: model.description,
    standardised: model.standardisation === undefined ? 'no' : 'privately',
    modelOwner,
    fractionBits: FRACTION_BITS,
    assumedBound: ASSUMED_BOUND,
  };
  const all = options.inputs.map((input): Rows => ({ input, ...rowsOf(input, spec) }));
  const weights = weightWords(model, spec);
  const { plan, assumptions, size } = planBatches(spec, all, parties, options.memoryBytes ?? MEMORY_BYTES);
  const executions = [
    { program: inferenceNames.setup, kind: 'setup' },
    ...all.flatMap(({ input, count }) =>
      batchSizes(count, size).map((rows) => ({
        program: inferenceNames.batch({ owner: input.owner, rows }),
        kind: 'infer',
      })),
    ),
  ];
  const { result: outputs, ...run } = await runSimulated(
    { plan, executions, transport: options.transport, signal, startedMs, preference: options.kernelPreference },
    async (simulation) => {
      await simulation.execute(inferenceNames.setup, { inputs: new Map([[modelOwner, weights]]) });
      const answered: PlainTensor[] = [];
      const total = all.reduce((sum, { count }) => sum + count, 0);
      let done = 0;
      for (const { input, cells, count } of all) {
        const receiver = parties.indexOf(input.owner);
        const width = cells.length / count;
        const shape = answerShape(spec.description, count);
        const answers = new Float32Array(elementCount(shape));
        let from = 0;
        for (const rows of batchSizes(count, size)) {
          signal.throwIfAborted();
          const x = rowWords(input.what, cells.subarray(from * width, (from + rows) * width), spec);
          const revealed = await simulation.execute(inferenceNames.batch({ owner: input.owner, rows }), {
            inputs: new Map([[input.owner, new Map([[inferenceNames.rows, x]])]]),
          });
          const words = revealed[receiver]?.get(inferenceNames.answers) ?? new BigUint64Array(0);
          answers.set(decodeFixed(words, FRACTION_BITS), (from * answers.length) / count);
          from += rows;
          done += rows;
          options.onProgress?.(done, total);
        }
        answered.push({ type: 'float32', shape, data: answers });
      }
      return answered;
    },
  );
  return { outputs, plan, assumptions, ...run };
}

function rowsOf({ what, tensor }: InferenceInput, spec: InferenceSpec): { cells: Float64Array; count: number } {
  const wanted = spec.description.inputShape;
  const isSample = tensor.shape.join() === wanted.join();
  const fits = isSample || tensor.shape.slice(1).join() === wanted.join();
  const count = isSample ? 1 : (tensor.shape[0] ?? 0);
  if (!fits || count === 0) {
    throw new InputError(
      'input-shape',
      `${what} has the shape [${tensor.shape.join(', ')}], and the model takes [rows, ${wanted.join(', ')}], one row or more.`,
      { hint: 'Reshape the array.' },
    );
  }
  const cells = toFloat64(what, tensor);
  // All of it is checked before anything is shared.
  rowWords(what, cells, spec);
  return { cells, count };
}

/** Whole batches, and a smaller last one. */
function batchSizes(rows: number, size: number): number[] {
  const whole = Math.floor(rows / size);
  return [...new Array<number>(whole).fill(size), ...(rows > whole * size ? [rows - whole * size] : [])];
}

/** The largest batches whose values fit into memory. */
function planBatches(
  spec: InferenceSpec,
  inputs: readonly Rows[],
  parties: readonly string[],
  limitBytes: number,
): { plan: Plan; assumptions: readonly Assumption[]; size: number } {
  let size = Math.min(LARGEST_BATCH, Math.max(...inputs.map(({ count }) => count)));
  for (;;) {
    const batches = new Map<string, InferenceBatch>();
    for (const { input, count } of inputs) {
      for (const rows of batchSizes(count, size)) {
        const batch = { owner: input.owner, rows };
        batches.set(inferenceNames.batch(batch), batch);
      }
    }
    const graphs = inferenceGraphs(spec, [...batches.values()]);
    const plan = planJob(
      graphs.map((graph) => lower(graph, { parties })),
      nodeCrypto.sha256,
    );
    const needed = Math.max(
      ...[...plan.programs.values()].flatMap(({ parties: own, dealer }) => [
        dealer.memoryBytes,
        ...own.map((party) => party.memoryBytes),
      ]),
    );
    if (needed <= limitBytes) return { plan, assumptions: graphs.flatMap((graph) => graph.assumptions), size };
    if (size === 1) {
      throw new MachineError(
        'inference-memory',
        `One row of this model needs ${Math.ceil(needed / 2 ** 20)} MiB of values; ${Math.floor(limitBytes / 2 ** 20)} MiB are allowed.`,
        { hint: 'Use a smaller model.' },
      );
    }
    size = Math.max(1, Math.min(size - 1, Math.floor((size * limitBytes * 0.9) / needed)));
  }
}
