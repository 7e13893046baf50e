/** Recurrent operators of one direction as layers, whose sequences have the batch behind the places. */
import type { LayerOf } from '../../../shared/layers/table.ts';
import type { WeightTensor } from '../../../shared/model.ts';
import type { NodeReading, ReadNode } from './node-reading.ts';
import { recurrentFromOnnx } from './recurrent-weights.ts';

type Kind = 'rnn' | 'lstm' | 'gru';

const gates: Readonly<Record<Kind, number>> = { rnn: 1, lstm: 4, gru: 3 };
const activations: Readonly<Record<Kind, string>> = { rnn: 'tanh', lstm: 'sigmoid,tanh,tanh', gru: 'sigmoid,tanh' };

/** First states are zero: left out, constants, or of the batch's size. */
function startsAtZero(node: NodeReading, position: number): boolean {
  if (!node.isGiven(position) || node.value(position)?.kind === 'zeros') return true;
  return node.value(position) === undefined && node.weight(position).data.every((cell) => cell === 0);
}

const recurrent =
  (kind: Kind): ReadNode =>
  (node) => {
    const { attributes } = node;
    const value = node.value(0);
    const [weights, inner] = [node.weight(1), node.weight(2)];
    const [directions, width = 0, inputs = 0] = weights.shape;
    const units = width / gates[kind];
    const direction = attributes.text('direction', 'forward');
    const own = attributes.strings('activations')?.join().toLowerCase() ?? activations[kind];
    attributes.ignore('hidden_size', 'output_sequence');
    const isPlain =
      own === activations[kind] &&
      attributes.int('layout', 0) === 0 &&
      attributes.int('input_forget', 0) === 0 &&
      attributes.int('linear_before_reset', 0) === 0 &&
      !attributes.has('clip');
    if (value?.kind !== 'places' || value.shape[1] !== inputs)
      throw node.unsupported('takes what is not sequences with the batch behind the places');
    if (
      !isPlain ||
      directions !== 1 ||
      inner.shape.join() !== [1, width, units].join() ||
      direction === 'bidirectional'
    )
      throw node.unsupported('is not a recurrent layer of one direction with the usual activations');
    if (node.isGiven(4) || node.isGiven(7) || !startsAtZero(node, 5) || !startsAtZero(node, 6))
      throw node.unsupported('has lengths, peepholes or first states of its own');
    const [givesAll, givesLast] = [node.isUsed(0), node.isUsed(1)];
    if (node.isUsed(2) || (givesAll && givesLast)) throw node.unsupported('gives more than one of its results');
    const none: WeightTensor = { shape: [1, 2 * width], data: new Float64Array(2 * width) };
    const bias = node.isGiven(3) ? node.weight(3) : none;
    if (bias.data.length !== 2 * width) throw node.unsupported('has biases of another size than its units');
    const name = node.name(kind);
    const parts = { kernel: weights, recurrentKernel: inner, bias };
    for (const [part, weight] of recurrentFromOnnx(kind, units, (of) => parts[of as keyof typeof parts]))
      node.list.weights.set(`${name}/${part}`, weight);
    const layer: LayerOf<Kind> = {
      kind,
      name,
      inputs,
      units,
      sequences: givesAll,
      backwards: direction === 'reverse',
    };
    const rows = node.list.push(layer, [value.layer]);
    if (givesAll) node.give({ kind: 'states', layer: name, shape: rows.shape });
    else node.give({ kind: 'state', layer: name, shape: rows.shape }, 1);
  };

/** The last place of a recurrent layer's sequence is what the layer gives without the others. */
export function lastPlace(node: NodeReading, name: string): void {
  const layer = node.list.layer(name);
  const isRecurrent = layer?.kind === 'rnn' || layer?.kind === 'lstm' || layer?.kind === 'gru';
  if (!isRecurrent || layer.backwards || !node.isOnlyWayOf(name))
    throw node.unsupported('picks a place of what is not a recurrent layer, or not its only result');
  node.give(node.list.replace({ ...layer, sequences: false }));
}

export const recurrentReaders: Readonly<Record<string, ReadNode>> = {
  RNN: recurrent('rnn'),
  LSTM: recurrent('lstm'),
  GRU: recurrent('gru'),
};
