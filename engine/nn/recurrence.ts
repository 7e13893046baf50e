/**
 * Recurrent cells and their unrolling over places, for layers and for ONNX's operators alike. The products with the inputs are
 * one for all places; every place then costs the rounds of its recurrent product and gates, all gates of a place side by side.
 * Knows nothing of shares, nor of where weights come from.
 */
import { range } from '../tensor/rearrange.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What one direction is given. */
export interface Direction {
  readonly units: number;
  /** A state times the recurrent weights of `count` gates from `first` on: [batch, count x units], before truncation. */
  readonly product: (state: Tensor, first: number, count: number) => Tensor;
  /** Added to the recurrent products, [gates x units]. */
  readonly recurrentBias?: Tensor | undefined;
  /** Weights by which the input, output and forget gate see the memory, [3 units] in this order. */
  readonly peepholes?: Tensor | undefined;
  /** Of the gates (0), of what they let in (1), of the memory let out (2). */
  readonly activation: (index: number) => (x: Tensor) => Tensor;
}

/** [batch, units] each; undefined stands for zeros. */
export interface State {
  readonly output: Tensor | undefined;
  /** The long-term state of an LSTM. */
  readonly memory: Tensor | undefined;
}

/** `inputs`: products of a place with the input and all biases but `recurrentBias`, [batch, gates x units], before truncation. */
export type Cell = (inputs: Tensor, state: State, direction: Direction) => State & { readonly output: Tensor };

/** Columns of `count` gates from `first` on. */
function gates(z: Tensor, units: number, first: number, count = 1): Tensor {
  return z.slice([0, first * units], [z.shape[0] ?? 1, count * units]);
}

function truncated(z: Tensor): Tensor {
  return z.rescaled(z.graph.options.fractionBits);
}

/** All `count` gates with their recurrent products. */
function withState(inputs: Tensor, { output }: State, { product, recurrentBias }: Direction, count: number): Tensor {
  const sum = recurrentBias === undefined ? inputs : inputs.add(recurrentBias);
  return output === undefined ? sum : sum.add(product(output, 0, count));
}

/** One gate. */
export const simpleCell: Cell = (inputs, state, direction) => ({
  output: direction.activation(0)(truncated(withState(inputs, state, direction, 1))),
  memory: undefined,
});

/** Where each gate of an LSTM stands among the four. */
interface GateOrder {
  readonly input: number;
  readonly forget: number;
  readonly cell: number;
  readonly output: number;
}

/** Hochreiter and Schmidhuber 1997, with forget gates (Gers et al. 2000) and, if given, peepholes (Gers, Schmidhuber 2000). */
export function longCell(order: GateOrder): Cell {
  return (inputs, state, direction) => {
    const { units, activation, peepholes } = direction;
    const z = withState(inputs, state, direction, 4);
    const opening = (index: number, peephole: number, memory: Tensor | undefined): Tensor => {
      const own = gates(z, units, index);
      if (peepholes === undefined || memory === undefined) return activation(0)(truncated(own));
      return activation(0)(truncated(own.add(memory.mulRaw(peepholes.slice([peephole * units], [units])))));
    };
    const fresh = opening(order.input, 0, state.memory).mulRaw(activation(1)(truncated(gates(z, units, order.cell))));
    const kept = state.memory && opening(order.forget, 2, state.memory).mulRaw(state.memory);
    const memory = truncated(kept === undefined ? fresh : fresh.add(kept));
    return { output: opening(order.output, 1, memory).mul(activation(2)(memory)), memory };
  };
}

/** Cho et al. 2014, gates in the order update, reset, hidden. The reset gate stands before the recurrent product, or behind it. */
export function gatedCell(resetBehind: boolean): Cell {
  return (inputs, { output }, { units, product, recurrentBias, activation }) => {
    const biased = (z: Tensor, first: number, count: number): Tensor =>
      recurrentBias === undefined ? z : z.add(recurrentBias.slice([first * units], [count * units]));
    const both = gates(inputs, units, 0, 2);
    const opened = biased(output === undefined ? both : both.add(product(output, 0, 2)), 0, 2);
    const update = activation(0)(truncated(gates(opened, units, 0)));
    const reset = (): Tensor => activation(0)(truncated(gates(opened, units, 1)));
    const own = gates(inputs, units, 2);
    let hidden: Tensor;
    if (resetBehind) {
      const before = output === undefined ? undefined : biased(product(output, 2, 1), 2, 1);
      const bias = recurrentBias?.slice([2 * units], [units]).broadcastTo(own.shape);
      const behind = before === undefined ? bias : truncated(before);
      hidden = behind === undefined ? own : own.add(reset().mulRaw(behind));
    } else {
      hidden = biased(output === undefined ? own : own.add(product(reset().mul(output), 2, 1)), 2, 1);
    }
    const fresh = activation(1)(truncated(hidden));
    const mixed = output === undefined ? update.mul(fresh).neg() : update.mul(output.sub(fresh));
    return { output: fresh.add(mixed), memory: undefined };
  };
}

/** What `unroll` goes over. */
export interface Unrolling {
  readonly cell: Cell;
  readonly direction: Direction;
  /** The cell's inputs, [places x batch, gates x units]. */
  readonly inputs: Tensor;
  readonly places: number;
  /** From the last place to the first. */
  readonly backwards: boolean;
  readonly start: State;
}

/** Outputs by place, [batch, units] each, and the state at the end. */
export function unroll({ cell, direction, inputs, places, backwards, start }: Unrolling): {
  readonly outputs: readonly Tensor[];
  readonly last: State;
} {
  const [rows = 0, width = 0] = inputs.shape;
  const batch = rows / places;
  const outputs: Tensor[] = [];
  let last = start;
  for (const step of range(places)) {
    const place = backwards ? places - 1 - step : step;
    const next = cell(inputs.slice([place * batch, 0], [batch, width]), last, direction);
    outputs[place] = next.output;
    last = next;
  }
  return { outputs, last };
}
