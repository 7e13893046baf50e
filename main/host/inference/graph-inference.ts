/**
 * Private inference with a model that is an operator graph, with simulated parties: every input belongs to a party, or is split
 * among all; the weights belong to the model's owner. All parties run in this process; plans, kernels, messages and costs are those of separate machines.
 * Knows no files and no command line.
 */
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import type { OperatorModel } from '../../../engine/models/onnx/operators.ts';
import { storedAs, tensorFromNumbers } from '../../../engine/models/tensor.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';
import { graphProgram, traceInference } from '../../../engine/nn/graph-inference.ts';
import type { TensorSlot, TracedInference } from '../../../engine/nn/graph-inference.ts';
import { publicTensor } from '../../../engine/nn/operators/value.ts';
import type { PublicTensor } from '../../../engine/nn/operators/value.ts';
import { lower } from '../../../engine/plan/lower.ts';
import { planJob } from '../../../engine/plan/plan.ts';
import type { Plan } from '../../../engine/plan/plan.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { splitWords } from '../../../engine/runtime/simulation.ts';
import { decodeFixed } from '../../../engine/runtime/words.ts';
import type { Assumption } from '../../../engine/tensor/graph.ts';
import { InputError, InternalError } from '../../../shared/errors.ts';
import type { KernelPreference } from '../../../shared/kernel-choice.ts';
import type { GraphValue } from '../../../shared/operator-graph.ts';
import { runSimulated } from '../simulation/simulated-run.ts';
import type { SimulatedRun } from '../simulation/simulated-run.ts';

/** What one of the model's inputs takes: a tensor, a list of them, or nothing where it is optional. */
export interface GraphInput {
  /** Name for messages. */
  readonly what: string;
  /** Undefined: the parties hold shares of it, and nobody knows it. */
  readonly owner: string | undefined;
  readonly tensor: PlainTensor | readonly PlainTensor[] | undefined;
}

export interface GraphInferenceOptions {
  readonly model: OperatorModel;
  /** In the order of the model's inputs. */
  readonly inputs: readonly GraphInput[];
  readonly parties: readonly string[];
  readonly modelOwner: string;
  /** Who learns the outputs. */
  readonly receiver: string;
  readonly transport: 'memory' | 'sockets';
  readonly kernels?: (() => Promise<Kernels>) | undefined;
  /** What computes where no kernels are given; the CPU by default. */
  readonly kernelPreference?: KernelPreference | undefined;
  readonly signal: AbortSignal;
}

/** A list where the model's output is a sequence. */
export type GraphOutput = PlainTensor | PlainTensor[];

export interface GraphInferenceResult extends Omit<SimulatedRun<unknown>, 'result'> {
  readonly outputs: readonly GraphOutput[];
  /** Inputs that all parties had to know, because they decide shapes or what is computed. */
  readonly publicInputs: readonly string[];
  readonly plan: Plan;
  readonly assumptions: readonly Assumption[];
}

const FRACTION_BITS = 16;
const ASSUMED_BOUND = 54;

/**
 * @throws InputError for a model or an input that cannot be used, naming node and operator or the input, before anything runs.
 */
export async function inferGraphPrivately(options: GraphInferenceOptions): Promise<GraphInferenceResult> {
  const { model, parties, modelOwner, receiver, signal } = options;
  const startedMs = performance.now();
  const wanted = model.graph.inputs;
  if (options.inputs.length !== wanted.length) {
    throw new InputError(
      'input-count',
      `The model takes ${wanted.length} inputs (${wanted.map(({ name }) => name).join(', ')}), and ${options.inputs.length} are given.`,
      { hint: 'Give one tensor for each input, in this order.' },
    );
  }
  const traced = traceInference({
    graph: model.graph,
    weights: model.weights,
    modelOwner,
    receiver,
    inputs: wanted.map((value, i) => {
      const input = options.inputs[i];
      if (input === undefined) throw new InternalError('input-count', 'An input has gone missing.');
      const plain = (tensor: PlainTensor): PublicTensor => {
        checkInput(input.what, tensor, value);
        const { type, shape, data } = tensor;
        return publicTensor(value.type ?? type, shape, Array.from<number | bigint, number>(data, Number));
      };
      const { tensor } = input;
      const given = tensor === undefined ? undefined : 'type' in tensor ? plain(tensor) : tensor.map(plain);
      return { name: value.name, owner: input.owner, value: given };
    }),
    fractionBits: FRACTION_BITS,
    assumedBound: ASSUMED_BOUND,
  });
  const plan = planJob([lower(traced.graph, { parties })], nodeCrypto.sha256);
  const executions = traced.graph.reveals.length === 0 ? [] : [{ program: graphProgram, kind: 'infer' }];
  const { result, ...run } = await runSimulated(
    {
      plan,
      executions,
      transport: options.transport,
      signal,
      startedMs,
      kernels: options.kernels,
      preference: options.kernelPreference,
    },
    async (simulation) => {
      if (executions.length === 0) return new Map<string, BigUint64Array>();
      signal.throwIfAborted();
      const revealed = await simulation.execute(graphProgram, { inputs: inputsOf(traced, parties) });
      return revealed[parties.indexOf(receiver)] ?? new Map<string, BigUint64Array>();
    },
  );
  return {
    outputs: traced.outputs.map((slot) =>
      slot.kind === 'sequence' ? slot.items.map((item) => output(item, result)) : output(slot, result),
    ),
    publicInputs: traced.publicInputs,
    plan,
    assumptions: traced.graph.assumptions,
    ...run,
  };
}

/** What each party feeds: its own inputs, and its share of those that are nobody's. */
function inputsOf(
  { words, sharedWords }: TracedInference,
  parties: readonly string[],
): Map<string, Map<string, BigUint64Array>> {
  const inputs = new Map(parties.map((party) => [party, new Map(words.get(party))]));
  for (const [name, whole] of sharedWords) {
    const shares = splitWords(nodeCrypto, whole, parties.length);
    shares.forEach((share, i) => inputs.get(parties[i] ?? '')?.set(name, share));
  }
  return inputs;
}

/** Its type and the sizes that the model fixes. */
function checkInput(what: string, tensor: PlainTensor, { name, type, shape }: GraphValue): void {
  const isWanted =
    type === null || storedAs(type) === tensor.type || (type.includes('float') && tensor.type.startsWith('float'));
  const fits =
    shape === null ||
    (shape.length === tensor.shape.length &&
      shape.every((size, i) => typeof size !== 'number' || size === tensor.shape[i]));
  if (isWanted && fits) return;
  throw new InputError(
    'input-shape',
    `${what} is ${tensor.type} [${tensor.shape.join(', ')}], and the model's input "${name}" takes ${type ?? 'a tensor'} [${shape?.map((size) => size ?? '?').join(', ') ?? 'of any shape'}].`,
    { hint: 'Reshape or convert the array.' },
  );
}

function output(slot: TensorSlot, revealed: ReadonlyMap<string, BigUint64Array>): PlainTensor {
  if (slot.kind === 'public')
    return tensorFromNumbers(storedAs(slot.tensor.type), slot.tensor.shape, slot.tensor.values);
  const words = revealed.get(slot.key) ?? new BigUint64Array(0);
  return tensorFromNumbers(storedAs(slot.type), slot.shape, [...decodeFixed(words, slot.scale)]);
}
