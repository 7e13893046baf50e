/**
 * Recurrent layers, in one direction and in two. With tanh, and sigmoid for the gates, they are ours; with other functions, and
 * a GRU that resets behind its product, they are operators. A bias that the file goes without is 0, and is trained.
 */
import type { WeightTensor } from '../../../../shared/model.ts';
import { recurrentToOnnx } from '../../onnx/recurrent-weights.ts';
import { int, ints, text, texts } from '../fragment.ts';
import type { Fragment } from '../fragment.ts';
import type { LayerCall } from '../layer-call.ts';
import type { Value } from '../network-builder.ts';
import { bidirectionalSchema, recurrentSchema } from '../schema.ts';
import type { LayerReaders } from './reader.ts';

const classes = {
  SimpleRNN: { kind: 'rnn', gates: 1, operator: 'RNN', letIn: 1 },
  LSTM: { kind: 'lstm', gates: 4, operator: 'LSTM', letIn: 2 },
  GRU: { kind: 'gru', gates: 3, operator: 'GRU', letIn: 1 },
} as const;

/** ONNX's names of what may stand in a cell. */
const functions: Readonly<Record<string, string>> = {
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
  hard_sigmoid: 'HardSigmoid',
  relu: 'Relu',
  softsign: 'Softsign',
  softplus: 'Softplus',
  elu: 'Elu',
};

interface Half {
  readonly which: 'forward' | 'backward';
  readonly suffix: string;
}

/** `half`: one of two directions; the way back then reads and answers the other way round. */
function recurrent(call: LayerCall, half?: Half): Value {
  const config = call.config(recurrentSchema);
  const found = Object.entries(classes).find(([name]) => name === call.listed.class_name)?.[1];
  if (found === undefined)
    throw call.unsupported('is no recurrent layer that is supported: SimpleRNN, LSTM and GRU are');
  if (config.return_state === true) throw call.unsupported('gives its state as an output of its own (return_state)');
  if (config.stateful === true) throw call.unsupported('keeps its state from batch to batch (stateful)');
  if (config.time_major === true) throw call.unsupported('has places before rows (time_major)');
  const { units } = config;
  const sequences = config.return_sequences === true;
  const isBack = half?.which === 'backward';
  const backwards = (config.go_backwards === true) !== isBack;
  // States come in the order in which they are read; those of the way back are turned round once more.
  const turns = sequences && backwards !== isBack;
  const [kernel, recurrentKernel] = [call.weight('kernel', half?.which), call.weight('recurrent_kernel', half?.which)];
  const resetsBehind = found.kind === 'gru' && config.reset_after === true;
  const biases = resetsBehind ? 2 : 1;
  const bias = config.use_bias
    ? call.weight('bias', half?.which)
    : { shape: [found.gates * units], data: new Float64Array(biases * found.gates * units) };
  const named = (suffix?: string) => {
    const parts = [half?.suffix, suffix].filter((part) => part !== undefined);
    return parts.length === 0 ? {} : { suffix: parts.join('.') };
  };
  const inputs = call.input.shape.at(-1) ?? 1;
  const gate = found.kind === 'rnn' ? 'sigmoid' : config.recurrent_activation;
  const isOwn = config.activation === 'tanh' && gate === 'sigmoid' && !resetsBehind;
  let states: Value;
  if (isOwn) {
    states = call.add({ kind: found.kind, inputs, units, sequences, backwards }, [call.plain], {
      weights: { kernel, recurrentKernel, bias },
      ...named(),
    });
  } else {
    const letIn = new Array<string>(found.letIn).fill(config.activation);
    const names = [...(found.kind === 'rnn' ? [] : [gate]), ...letIn].map((name) => {
      const known = functions[name];
      if (known !== undefined) return known;
      throw call.unsupported(
        `has the activation ${name}; supported in a cell are ${Object.keys(functions).join(', ')}`,
      );
    });
    if (bias.data.length !== biases * found.gates * units)
      throw call.unsupported(`has a bias of [${bias.shape.join(', ')}]`);
    const own: Readonly<Record<string, WeightTensor>> = { kernel, recurrentKernel, bias };
    const parts = recurrentToOnnx(found.kind, units, (part) => own[part] ?? kernel);
    states = call.operators(
      [call.input],
      (graph, x = '') => {
        const weights = parts.map(([part, tensor]) =>
          // Both biases of a GRU stand in ONNX's order already.
          graph.weight(
            part,
            part === 'bias' && resetsBehind ? { shape: [1, bias.data.length], data: bias.data } : tensor,
          ),
        );
        const places = graph.op('Transpose', [x], { perm: ints([1, 0, 2]) });
        const attributes = {
          hidden_size: int(units),
          direction: text(backwards ? 'reverse' : 'forward'),
          activations: texts(names),
          ...(resetsBehind ? { linear_before_reset: int(1) } : {}),
        };
        const all = graph.op(found.operator, [places, ...weights], attributes, sequences ? 0 : 1);
        const one = graph.op('Squeeze', [all, graph.wholes('direction', [sequences ? 1 : 0])]);
        return sequences ? graph.op('Transpose', [one], { perm: ints([1, 0, 2]) }) : one;
      },
      named().suffix,
    );
  }
  return turns ? call.operators([states], turned, named('turned').suffix) : states;
}

/** The places in the other order. */
function turned(graph: Fragment, x = ''): string {
  const at = (name: string, place: number): string => graph.wholes(name, [place]);
  return graph.op('Slice', [x, at('start', -1), at('end', -(2 ** 31)), at('axis', 1), at('step', -1)]);
}

function bidirectional(call: LayerCall): Value {
  const { layer, backward_layer: other, merge_mode: mode } = call.config(bidirectionalSchema);
  const forward = recurrent(call.wrapped(layer), { which: 'forward', suffix: 'forward' });
  // A layer of its own for the way back says itself that it goes backwards.
  const back = other ?? undefined;
  const listed =
    back === undefined
      ? layer
      : { ...back, config: { ...back.config, go_backwards: back.config['go_backwards'] !== true } };
  const backward = recurrent(call.wrapped(listed), { which: 'backward', suffix: 'backward' });
  const both = [forward, backward];
  switch (mode) {
    case 'concat':
      return call.add({ kind: 'concat', axis: forward.shape.length - 1 }, both);
    case 'sum':
      return call.add({ kind: 'add' }, both);
    case 'ave':
      return call.add({ kind: 'average' }, both);
    case 'mul':
      return call.add({ kind: 'multiply' }, both);
    default:
      throw call.unsupported(`joins its directions as ${String(mode)}; supported are concat, sum, mul and ave`);
  }
}

export const recurrentReaders: LayerReaders = {
  SimpleRNN: (call) => recurrent(call),
  LSTM: (call) => recurrent(call),
  GRU: (call) => recurrent(call),
  Bidirectional: bidirectional,
};
