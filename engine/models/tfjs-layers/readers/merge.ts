/** Layers of several inputs. */
import type { LayerCall } from '../layer-call.ts';
import { int, ints } from '../fragment.ts';
import type { Value } from '../network-builder.ts';
import { concatenateSchema, dotSchema } from '../schema.ts';
import type { LayerReaders, ReadLayer } from './reader.ts';

function several(call: LayerCall): readonly Value[] {
  if (call.inputs.length < 2) throw call.unsupported(`takes at least two inputs, and is given ${call.inputs.length}`);
  return call.inputs;
}

/** All with their axes the same way: as they are where they agree, else as the file has them. */
function aligned(call: LayerCall, inputs: readonly Value[]): readonly Value[] {
  return inputs.every(({ isMoved }) => isMoved) ? inputs : inputs.map((input) => call.network.plain(input));
}

/** By operators where we have no such kind, or where shapes differ: shorter ones get axes of size 1 after the batch. */
const cellwise =
  (kind: 'add' | 'multiply' | 'average' | undefined, operator: string): ReadLayer =>
  (call) => {
    const inputs = several(call);
    const [first] = inputs;
    const isSame = inputs.every(({ shape }) => shape.join() === first?.shape.join());
    if (kind !== undefined && isSame) return call.add({ kind }, aligned(call, inputs));
    const rank = Math.max(...inputs.map(({ shape }) => shape.length));
    return call.operators(inputs, (graph, ...names) => {
      const wide = names.map((name, i) => {
        const axes = Array.from({ length: rank - (inputs[i]?.shape.length ?? 0) }, (_, axis) => axis + 1);
        return axes.length === 0 ? name : graph.op('Unsqueeze', [name, graph.wholes(`${name}.axes`, axes)]);
      });
      return wide.reduce((sum, name) => graph.op(operator, [sum, name]));
    });
  };

function subtract(call: LayerCall): Value {
  if (call.inputs.length !== 2) throw call.unsupported(`takes two inputs, and is given ${call.inputs.length}`);
  return cellwise(undefined, 'Sub')(call);
}

/** Of other shapes than each other's, by operators. */
function average(call: LayerCall): Value {
  const inputs = several(call);
  const isSame = inputs.every(({ shape }) => shape.join() === inputs[0]?.shape.join());
  if (isSame) return call.add({ kind: 'average' }, aligned(call, inputs));
  throw call.unsupported('averages inputs of different shapes');
}

function concatenate(call: LayerCall): Value {
  const inputs = aligned(call, several(call));
  const { axis } = call.config(concatenateSchema);
  const rank = inputs[0]?.shape.length ?? 1;
  const own = axis < 0 ? axis + rank : axis - 1;
  if (own < 0 || own >= rank) throw call.unsupported(`joins along axis ${axis}`);
  return call.add({ kind: 'concat', axis: inputs[0]?.isMoved === true ? (own + 1) % rank : own }, inputs);
}

/** Products summed over one axis of each, of vectors or of sequences of them. */
function dot(call: LayerCall): Value {
  const inputs = several(call);
  const { axes, normalize } = call.config(dotSchema);
  const own = inputs.map(({ shape }, i) => {
    const axis = axes[i] ?? 0;
    return axis < 0 ? axis + shape.length + 1 : axis;
  });
  const [first, second] = inputs;
  const fits = inputs.every(({ shape }, i) => shape.length <= 2 && (own[i] ?? 0) >= 1 && (own[i] ?? 0) <= shape.length);
  if (first === undefined || second === undefined || inputs.length !== 2 || !fits)
    throw call.unsupported('is a product of other things than two vectors or sequences, over one axis of each');
  return call.operators(inputs, (graph, ...names) => {
    // As matrices: the first with the axis last, the second with it before the last.
    const matrix = (i: number, at: 1 | 2): string => {
      const value = inputs[i];
      let name = names[i] ?? '';
      if (normalize === true) name = graph.op('LpNormalization', [name], { axis: int(own[i] ?? 1), p: int(2) });
      if (value?.shape.length === 1) return graph.op('Unsqueeze', [name, graph.wholes(`${name}.axes`, [3 - at])]);
      return own[i] === at ? name : graph.op('Transpose', [name], { perm: ints([0, 2, 1]) });
    };
    const product = graph.op('MatMul', [matrix(0, 2), matrix(1, 1)]);
    const kept = [first, second].flatMap(({ shape }, i) => (shape.length === 2 ? [] : [i + 1]));
    // A number for each row keeps one axis.
    const gone = kept.length === 2 ? [1] : kept;
    return gone.length === 0 ? product : graph.op('Squeeze', [product, graph.wholes('gone', gone)]);
  });
}

export const mergeReaders: LayerReaders = {
  Add: cellwise('add', 'Add'),
  Multiply: cellwise('multiply', 'Mul'),
  Average: average,
  Subtract: subtract,
  Maximum: cellwise(undefined, 'Max'),
  Minimum: cellwise(undefined, 'Min'),
  Concatenate: concatenate,
  Dot: dot,
};
