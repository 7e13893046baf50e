/** `tacit infer MODEL`: private inference with simulated parties. */
import { randomBytes } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { writeNpy } from '../../engine/models/npy.ts';
import type { PlainTensor } from '../../engine/models/tensor.ts';
import { kernelReportText } from '../../shared/kernel-choice.ts';
import { InputError, MachineError } from '../../shared/errors.ts';
import { inferGraphPrivately } from '../host/inference/graph-inference.ts';
import type { GraphInferenceOptions } from '../host/inference/graph-inference.ts';
import { inferPrivately } from '../host/inference/private-inference.ts';
import type { InferenceOptions, InferenceResult } from '../host/inference/private-inference.ts';
import { readAnyModelFile, readTensorFile } from '../host/models/model-files.ts';
import { distinctAssumptions } from '../host/results/assumptions.ts';
import { parseChoice, parseInteger } from './arguments.ts';
import { defineCommand } from './command.ts';
import { localKernelsOption, parseKernels } from './host-options.ts';
import { bytesText, countText, durationText } from './output.ts';

export const infer = defineCommand({
  name: 'infer',
  summary: 'Let a private model answer private rows, with simulated parties.',
  usage:
    'The model belongs to one party, each input to another; answers go to the owner of the input only. All parties are ' +
    'simulated on this machine, which therefore protects nothing here: use it to try a model, its accuracy on shares and ' +
    'its cost. Several inputs of a model of layers are answered one after the other; a model that is a graph of operators takes ' +
    'one file for each of its inputs, in its order, and answers to the owner of the first. Several outputs are named Y.0.npy, ' +
    'Y.1.npy and so on.\n\n' +
    'Example: tacit infer model.onnx --input rows.npy --output answers.npy --parties 3',
  arguments: [{ name: 'MODEL', description: 'an ONNX file (.onnx) or a TF.js Layers model (.json)' }],
  options: {
    input: {
      type: 'string',
      value: 'FILE',
      multiple: true,
      description: 'Rows or another input, .npy or ONNX TensorProto .pb.',
    },
    output: { type: 'string', value: 'FILE', description: 'Where the answers go, .npy.' },
    parties: { type: 'string', value: 'N', default: '2', description: 'Number of compute parties, 2 to 16.' },
    'owner-of-model': {
      type: 'string',
      value: 'P',
      default: '2',
      description: 'Which party has the model, by number from 1 or as party-N; the others bring the inputs in turn.',
    },
    transport: {
      type: 'string',
      value: 'KIND',
      default: 'memory',
      description: 'memory, or sockets for real TLS links between the parties.',
    },
    ...localKernelsOption,
  },
  async run({ arguments: [path = ''], options, output, progress, signal }) {
    const transport = parseChoice('--transport', options.transport, ['memory', 'sockets']);
    const count = parseInteger('--parties', options.parties, { min: 2, max: 16 });
    const kernelPreference = parseKernels(options.kernels);
    if (options.input.length === 0) throw missing('--input FILE', 'the rows to answer');
    if (options.output === undefined) throw missing('--output FILE', 'where the answers go');
    // Its kind is checked before anything is computed.
    targetFiles(options.output, 1);
    const parties = Array.from({ length: count }, (_, i) => `party-${i + 1}`);
    const owner = options['owner-of-model'];
    const modelOwner = parties.includes(owner)
      ? owner
      : (parties[parseInteger('--owner-of-model', owner, { min: 1, max: count }) - 1] ?? '');
    const others = parties.filter((party) => party !== modelOwner);
    const opened = readAnyModelFile(path);
    const inputs = options.input.map((file, i) => ({
      what: basename(file),
      owner: others[i % others.length] ?? '',
      tensor: readTensorFile(file),
    }));
    progress.report({ phase: 'planning' });
    const run = { inputs, parties, modelOwner, transport, kernelPreference, signal } as const;
    const result =
      opened.kind === 'operators'
        ? await answerByOperators({ ...run, model: opened.model })
        : await answerByLayers({
            ...run,
            model: opened.model,
            onProgress: (done, total) => progress.report({ phase: 'answering', done, total, unit: 'rows' }),
          });
    const targets = targetFiles(options.output, result.answers.length);
    result.answers.forEach(({ tensor }, i) => write(targets[i] ?? '', tensor));
    progress.clear();

    result.answers.forEach(({ tensor, input, receiver }, i) => {
      const shape = tensor.shape.join(' x ');
      output.line(`${input}, answered to ${receiver} by the model of ${modelOwner}: ${targets[i]} (${shape})`);
    });
    for (const name of result.publicInputs)
      output.line(`The input "${name}" is public: it decides shapes or what is computed.`);
    output.line();
    output.table(
      [
        { heading: 'party', align: 'left' },
        { heading: 'sent', align: 'right' },
        { heading: 'predicted', align: 'right' },
        { heading: 'rounds', align: 'right' },
        { heading: 'predicted', align: 'right' },
        { heading: 'from dealer', align: 'right' },
      ],
      result.traffic.map((party) => [
        party.id,
        bytesText(party.bytesSent),
        bytesText(party.predictedBytes),
        countText(party.rounds),
        countText(party.predictedRounds),
        bytesText(party.dealerBytes),
      ]),
    );
    const { setup, offline, online } = result.seconds;
    output.line(
      `Set-up ${durationText(setup)}, dealer ${durationText(offline)}, online ${durationText(online)}, all on this machine.`,
    );
    if (result.computedOn !== undefined) output.line(`Computed on the ${kernelReportText(result.computedOn)}`);
    return {
      json: {
        parties: result.traffic,
        seconds: result.seconds,
        dealerBytes: result.traffic.reduce((sum, { dealerBytes }) => sum + dealerBytes, 0),
        outputs: result.answers.map(({ tensor, input, receiver }, i) => ({
          file: targets[i],
          input,
          receiver,
          shape: tensor.shape,
        })),
        publicInputs: result.publicInputs,
        modelOwner,
        transport,
        kernels: result.computedOn,
        digest: result.plan.digest,
        assumptions: distinctAssumptions(result.assumptions),
      },
    };
  },
});

interface Answered extends Omit<InferenceResult, 'outputs'> {
  readonly answers: readonly { readonly tensor: PlainTensor; readonly input: string; readonly receiver: string }[];
  readonly publicInputs: readonly string[];
}

/** Rows are answered input by input. */
async function answerByLayers(options: InferenceOptions): Promise<Answered> {
  const { outputs, ...result } = await inferPrivately(options);
  const answers = outputs.map((tensor, i) => {
    const { what = '', owner = '' } = options.inputs[i] ?? {};
    return { tensor, input: what, receiver: owner };
  });
  return { ...result, answers, publicInputs: [] };
}

/** One input file for each input of the model; the first one's owner learns all outputs. */
async function answerByOperators(options: Omit<GraphInferenceOptions, 'receiver'>): Promise<Answered> {
  const receiver = options.inputs[0]?.owner ?? '';
  const { outputs, ...result } = await inferGraphPrivately({ ...options, receiver });
  const input = options.inputs.map(({ what }) => what).join(', ');
  return { ...result, answers: outputs.flat().map((tensor) => ({ tensor, input, receiver })) };
}

function missing(option: string, what: string): InputError {
  return new InputError('missing-option', `tacit infer: ${option} is missing (${what}).`, {
    hint: 'See: tacit infer --help',
  });
}

/** `Y.npy`, or `Y.0.npy`, `Y.1.npy` ... for several. */
function targetFiles(output: string, count: number): string[] {
  if (extname(output).toLowerCase() !== '.npy') {
    throw new InputError('output-file-type', `--output ${output} must end in .npy.`);
  }
  if (count === 1) return [output];
  const stem = output.slice(0, -extname(output).length);
  return Array.from({ length: count }, (_, i) => `${stem}.${i}${extname(output)}`);
}

function write(file: string, tensor: PlainTensor): void {
  const part = `${file}.${randomBytes(4).toString('hex')}.part`;
  try {
    writeFileSync(part, writeNpy(tensor));
    renameSync(part, file);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown cause';
    throw new MachineError('output-not-written', `The answers could not be written to ${file} (${code}).`, { cause });
  }
}
