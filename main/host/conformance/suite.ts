/**
 * The ONNX backend's own operator tests, as Debian's package libonnx-testdata installs them: models with inputs and expected
 * outputs, run through private inference between two parties that hold shares of the inputs. What cannot be computed on secret data is refused by name before
 * anything runs. Knows no command line.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import { readOnnxGraph } from '../../../engine/models/onnx/graph.ts';
import { operatorModel } from '../../../engine/models/onnx/operators.ts';
import type { OnnxGraph } from '../../../engine/models/onnx/graph.ts';
import { readOptionalProto, readSequenceProto, readTensorProto } from '../../../engine/models/onnx/tensor-proto.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';
import { PLAINTEXT_BITS } from '../../../engine/nn/model-weights.ts';
import { InputError, MachineError } from '../../../shared/errors.ts';
import { inferGraphPrivately } from '../inference/graph-inference.ts';
import type { GraphOutput } from '../inference/graph-inference.ts';
import { difference } from './compare.ts';

const CONFORMANCE_FOLDER = '/usr/share/libonnx-testdata/data';

/** The groups of tests; `real` models are not in the package. */
const suites = ['node', 'simple', 'pytorch-operator', 'pytorch-converted'] as const;
export type Suite = (typeof suites)[number];

export interface ConformanceTest {
  readonly suite: Suite;
  /** Without its prefix `test_`. */
  readonly name: string;
  readonly folder: string;
}

export interface Verdict {
  readonly test: ConformanceTest;
  readonly outcome: 'passed' | 'refused' | 'failed';
  /** Why it was refused or has failed. */
  readonly reason: string;
  /** Operators of the model, without those that only hold constants. */
  readonly operators: readonly string[];
  /** Inputs that had to be public. */
  readonly publicInputs: readonly string[];
  /** Rounds, bytes that one party opened; 0 where all of it was public. */
  readonly rounds: number;
}

/** @throws MachineError `conformance-data` where the package is not installed. */
export function conformanceTests(folder = CONFORMANCE_FOLDER): ConformanceTest[] {
  return suites.flatMap((suite) => {
    let names: string[];
    try {
      names = readdirSync(join(folder, suite));
    } catch (cause) {
      throw new MachineError('conformance-data', `The ONNX test data is not at ${folder}.`, {
        hint: 'Install it: apt-get install -y --no-install-recommends libonnx-testdata',
        cause,
      });
    }
    return names.sort().map((name) => ({ suite, name: name.replace(/^test_/, ''), folder: join(folder, suite, name) }));
  });
}

/** Runs one test with all its data sets. */
export async function runConformanceTest(
  test: ConformanceTest,
  options: { readonly signal: AbortSignal; readonly kernels?: () => Promise<Kernels> },
): Promise<Verdict> {
  let operators: readonly string[] = [];
  const publicInputs = new Set<string>();
  let rounds = 0;
  const verdict = (outcome: Verdict['outcome'], reason: string): Verdict => ({
    test,
    outcome,
    reason,
    operators,
    publicInputs: [...publicInputs],
    rounds,
  });
  try {
    const graph = readOnnxGraph(new Uint8Array(readFileSync(join(test.folder, 'model.onnx'))), 'model.onnx');
    operators = [...new Set(graph.nodes.map(({ operator }) => operator).filter((operator) => operator !== 'Constant'))];
    const model = operatorModel(graph);
    const sets = readdirSync(test.folder)
      .filter((name) => name.startsWith('test_data_set_'))
      .sort();
    if (sets.length === 0) return verdict('failed', 'the test has no data');
    for (const set of sets) {
      const inputs = storedValues(join(test.folder, set), 'input', graph.inputs);
      const expected = storedValues(join(test.folder, set), 'output', graph.outputs);
      const beyond = expected.map(outOfRange).find((reason) => reason !== undefined);
      if (beyond !== undefined) return verdict('refused', beyond);
      const result = await inferGraphPrivately({
        model,
        // Nobody's: an operator on what one party knows would be computed by that party alone.
        inputs: inputs.map(({ what, tensor }) => ({ what, tensor, owner: undefined })),
        parties: ['data', 'model'],
        modelOwner: 'model',
        receiver: 'data',
        transport: 'memory',
        ...options,
      });
      result.publicInputs.forEach((name) => publicInputs.add(name));
      rounds = Math.max(rounds, result.cost.training.rounds);
      const wrong = compareAll(result.outputs, expected);
      if (wrong !== undefined) return verdict('failed', wrong);
    }
    return verdict('passed', '');
  } catch (cause) {
    options.signal.throwIfAborted();
    if (cause instanceof InputError) return verdict('refused', cause.message);
    return verdict('failed', cause instanceof Error ? cause.message : String(cause));
  }
}

/** What a file of test data holds. */
interface StoredValue {
  readonly what: string;
  readonly tensor: PlainTensor | readonly PlainTensor[] | undefined;
}

function tensorsIn({ tensor }: StoredValue): readonly PlainTensor[] {
  return tensor === undefined ? [] : 'type' in tensor ? [tensor] : tensor;
}

/** Why an expected output has no fixed-point form. */
function outOfRange(stored: StoredValue): string | undefined {
  for (const { type, data } of tensorsIn(stored)) {
    if (!type.startsWith('float')) continue;
    const beyond = Array.from<number | bigint, number>(data, Number).find(
      (value) => !(Math.abs(value) < 2 ** PLAINTEXT_BITS),
    );
    if (beyond !== undefined)
      return `The expected ${stored.what} holds ${beyond}: fixed-point numbers are finite, with magnitudes below ${2 ** PLAINTEXT_BITS}.`;
  }
  return undefined;
}

function compareAll(outputs: readonly GraphOutput[], expected: readonly StoredValue[]): string | undefined {
  if (expected.length === 0 || outputs.length !== expected.length)
    return `${outputs.length} outputs, expected are ${expected.length}`;
  for (const [i, stored] of expected.entries()) {
    const found = [outputs[i] ?? []].flat();
    const wanted = tensorsIn(stored);
    if (found.length !== wanted.length) return `output ${i} has ${found.length} tensors, expected are ${wanted.length}`;
    for (const [place, tensor] of wanted.entries()) {
      const result = found[place];
      const wrong = result === undefined ? 'nothing' : difference(result, tensor);
      if (wrong !== undefined) return `output ${i}${wanted.length > 1 ? `, tensor ${place}` : ''}: ${wrong}`;
    }
  }
  return undefined;
}

/** input_0.pb, input_1.pb ... in the order of their numbers, each as the model declares it. */
function storedValues(folder: string, kind: 'input' | 'output', values: OnnxGraph['inputs']): StoredValue[] {
  const number = (name: string): number => Number(/_(\d+)\.pb$/.exec(name)?.[1] ?? -1);
  return readdirSync(folder)
    .filter((name) => name.startsWith(`${kind}_`) && number(name) >= 0)
    .sort((a, b) => number(a) - number(b))
    .map((what, i) => {
      const bytes = new Uint8Array(readFileSync(join(folder, what)));
      switch (values[i]?.form) {
        case 'sequence':
          return { what, tensor: readSequenceProto(bytes, what) };
        case 'optional':
          return { what, tensor: readOptionalProto(bytes, what) };
        default:
          return { what, tensor: readTensorProto(bytes, what) };
      }
    });
}
