/** RNN, LSTM and GRU as ONNX has them: in either direction, with given states, peepholes and both layouts, unrolled (recurrence.ts). */
import { elu, hardSigmoid, softSign, tanh } from '../../functions/activations.ts';
import { sigmoid, softplus } from '../../functions/elementary.ts';
import { range } from '../../tensor/rearrange.ts';
import { stack } from '../../tensor/shapes.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { gatedCell, longCell, simpleCell, unroll } from '../recurrence.ts';
import type { Cell, Direction, State } from '../recurrence.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';

/** By ONNX's names in lower case, with ONNX's own numbers in them. */
const activations: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  sigmoid,
  tanh,
  relu: (x) => x.relu(),
  hardsigmoid: (x) => hardSigmoid(x, 0.2, 0.5),
  softsign: softSign,
  softplus,
  elu: (x) => elu(x, 1),
};
/** Those that a node could give other numbers. */
const withNumbers: readonly string[] = ['hardsigmoid', 'elu'];

/** Attributes of all three. */
const attributes = [
  'activation_alpha',
  'activation_beta',
  'activations',
  'direction',
  'hidden_size',
  'layout',
  'linear_before_reset',
  'output_sequence',
] as const;

function activationsOf(call: OperatorCall, presets: readonly string[], directions: number): string[] {
  const names = call.attribute('activations', 'strings') ?? range(directions).flatMap(() => presets);
  const known = names.map((name) => name.toLowerCase());
  const stranger = known.find((name) => activations[name] === undefined);
  if (stranger !== undefined || known.length !== presets.length * directions)
    throw call.unsupported(
      `has the activations ${names.join(', ')}; ${Object.keys(activations).join(', ')} are supported`,
    );
  const numbers = [call.attribute('activation_alpha', 'floats'), call.attribute('activation_beta', 'floats')];
  if (known.some((name) => withNumbers.includes(name)) && numbers.some((list) => list !== undefined))
    throw call.unsupported('gives its activations numbers of their own (activation_alpha, activation_beta)');
  return known;
}

/** Runs a cell over X [places, batch, inputs] (or [batch, places, inputs]) in the directions asked for. */
function recurrent(call: OperatorCall, gates: number, presets: readonly string[], cell: Cell): TensorValue[] {
  const isBatchFirst = call.int('layout', 0) !== 0;
  const given = call.numbers(0);
  const x = isBatchFirst ? given.transpose([1, 0, 2]) : given;
  const [places = 0, batch = 0, inputs = 0] = x.shape;
  const kind = call.choice('direction', ['forward', 'reverse', 'bidirectional']);
  const directions = kind === 'bidirectional' ? 2 : 1;
  const names = activationsOf(call, presets, directions);
  if (call.isGiven(4)) {
    const lengths = call.publicNumbers(4, 'the lengths of its sequences');
    if (lengths.some((length) => length !== places))
      throw call.unsupported('has sequences of different lengths', 'Cut them, or run each length apart.');
  }
  const [w, r] = [call.numbers(1), call.numbers(2)];
  const units = r.shape[2] ?? 0;
  const width = gates * units;
  const shapes = [w.shape.join(), r.shape.join()];
  if (shapes[0] !== [directions, width, inputs].join() || shapes[1] !== [directions, width, units].join())
    throw call.unsupported(`has weights of [${shapes.join('] and [')}] for ${inputs} inputs`, 'Repair the model.');
  const optional = (position: number): Tensor | undefined =>
    call.isGiven(position) ? call.numbers(position) : undefined;
  const [bias, before, memory, peepholes] = [optional(3), optional(5), optional(6), optional(7)];
  const state = (t: Tensor | undefined, d: number): Tensor | undefined =>
    t === undefined
      ? undefined
      : (isBatchFirst ? t.transpose([1, 0, 2]) : t).slice([d, 0, 0], [1, batch, units]).reshape([batch, units]);
  const runs = range(directions).map((d) => {
    const weights = w.slice([d, 0, 0], [1, width, inputs]).reshape([width, inputs]);
    const biases = (half: number): Tensor | undefined => bias?.slice([d, half * width], [1, width]).reshape([width]);
    const own = biases(0);
    const product = x.reshape([places * batch, inputs]).matmulRaw(weights, { transposeB: true });
    const kernel = r.slice([d, 0, 0], [1, width, units]).reshape([width, units]);
    const direction: Direction = {
      units,
      product: (given, first, count) => {
        const rows = count === gates ? kernel : kernel.slice([first * units, 0], [count * units, units]);
        return given.matmulRaw(rows, { transposeB: true });
      },
      recurrentBias: biases(1),
      peepholes: peepholes?.slice([d, 0], [1, 3 * units]).reshape([3 * units]),
      activation: (index) => activations[names[d * presets.length + index] ?? ''] ?? tanh,
    };
    return unroll({
      cell,
      direction,
      inputs: own === undefined ? product : product.add(own),
      places,
      backwards: kind === 'reverse' || d === 1,
      start: { output: state(before, d), memory: state(memory, d) },
    });
  });
  const type = call.type(0);
  const ends = (pick: (state: State) => Tensor | undefined): TensorValue[] => {
    const last = runs.flatMap(({ last: end }) => pick(end) ?? []);
    return last.length === 0 ? [] : [secretTensor(type, stack(last, isBatchFirst ? 1 : 0))];
  };
  // [places, directions, batch, units], or [batch, places, directions, units].
  const all = stack(
    range(places).map((place) =>
      stack(
        runs.map(({ outputs }) => outputs[place] ?? x),
        0,
      ),
    ),
    0,
  );
  return [
    secretTensor(type, isBatchFirst ? all.transpose([2, 0, 1, 3]) : all),
    ...ends(({ output }) => output),
    ...ends(({ memory: end }) => end),
  ];
}

export const recurrences: OperatorFamily = {
  RNN: { attributes, run: (call) => recurrent(call, 1, ['tanh'], simpleCell) },
  LSTM: {
    attributes,
    run: (call) =>
      recurrent(call, 4, ['sigmoid', 'tanh', 'tanh'], longCell({ input: 0, output: 1, forget: 2, cell: 3 })),
  },
  GRU: {
    attributes,
    run: (call) => recurrent(call, 3, ['sigmoid', 'tanh'], gatedCell(call.int('linear_before_reset', 0) !== 0)),
  },
};
