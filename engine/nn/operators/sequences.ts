/** Sequences: lists of tensors whose length everybody knows; and values that may be absent, which everybody knows too. */
import { range } from '../../tensor/rearrange.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { concatValues, reshapeValue } from './moves.ts';
import { splitValue } from './shape.ts';
import { publicTensor, shapeOf } from './value.ts';
import type { SequenceValue, TensorValue, Value } from './value.ts';

function sequence(call: OperatorCall, position: number): SequenceValue {
  const value = call.value(position);
  if (value.kind !== 'sequence') throw call.unsupported(`takes a sequence as input ${position + 1}, not a tensor`);
  return value;
}

const listOf = (items: readonly TensorValue[]): SequenceValue => ({ kind: 'sequence', items });

/** A place in a list, counted from its end where negative. */
function place(call: OperatorCall, position: number, length: number, preset: number): number {
  const given = call.isGiven(position) ? (call.publicNumbers(position, 'its position')[0] ?? 0) : preset;
  const at = given < 0 ? given + length : given;
  if (!Number.isInteger(at) || at < 0 || at > length)
    throw call.unsupported(`names place ${given} of a sequence of ${length}`, 'Repair the model.');
  return at;
}

function splitToSequence(call: OperatorCall): Value {
  const x = call.tensor(0);
  const axis = call.axis(call.int('axis', 0));
  const size = shapeOf(x)[axis] ?? 0;
  const given = call.isGiven(1) ? call.publicTensor(1, 'its sizes') : undefined;
  const step = given === undefined ? 1 : given.shape.length === 0 ? (given.values[0] ?? 1) : undefined;
  const sizes =
    step === undefined
      ? (given?.values ?? [])
      : range(Math.ceil(size / step)).map((i) => Math.min(step, size - i * step));
  const parts = splitValue(call, x, sizes, axis);
  const keeps = given !== undefined || call.int('keepdims', 1) !== 0;
  return listOf(
    keeps
      ? parts
      : parts.map((part) =>
          reshapeValue(
            part,
            shapeOf(part).filter((_, a) => a !== axis),
          ),
        ),
  );
}

function concatFromSequence(call: OperatorCall): Value {
  const { items } = sequence(call, 0);
  const adds = call.int('new_axis', 0) !== 0;
  const rank = shapeOf(items[0] ?? publicTensor('bool', [], [0])).length + (adds ? 1 : 0);
  const axis = call.axis(call.int('axis', 0), rank);
  const parts = adds
    ? items.map((item) => reshapeValue(item, [...shapeOf(item).slice(0, axis), 1, ...shapeOf(item).slice(axis)]))
    : items;
  return concatValues(call.graph, parts, axis);
}

/** The body for each place of the first sequence; other sequences go along, tensors stay. */
function sequenceMap(call: OperatorCall): readonly Value[] {
  const body = call.subgraph('body');
  const { items } = sequence(call, 0);
  const results = items.map((_, i) =>
    call.traceSubgraph(
      body,
      call.inputs.map((value, position) => {
        if (value?.kind !== 'sequence') return call.tensor(position);
        const item = value.items[i];
        if (item === undefined) throw call.unsupported('maps over sequences of different lengths', 'Repair the model.');
        return item;
      }),
    ),
  );
  return body.outputs.map((_, output) =>
    listOf(
      results.map((values) => {
        const value = values[output];
        if (value === undefined || value.kind === 'sequence') throw call.unsupported('makes a sequence of sequences');
        return value;
      }),
    ),
  );
}

export const sequences: OperatorFamily = {
  Optional: { run: (call) => call.value(0) },
  OptionalHasElement: { run: (call) => publicTensor('bool', [], [Number(call.isGiven(0))]) },
  OptionalGetElement: { run: (call) => call.value(0) },
  SequenceEmpty: { attributes: ['dtype'], run: () => listOf([]) },
  SequenceConstruct: { run: (call) => listOf(call.tensors()) },
  SequenceInsert: {
    run: (call) => {
      const { items } = sequence(call, 0);
      const at = place(call, 2, items.length, items.length);
      return listOf([...items.slice(0, at), call.tensor(1), ...items.slice(at)]);
    },
  },
  SequenceErase: {
    run: (call) => {
      const { items } = sequence(call, 0);
      const at = place(call, 1, items.length, items.length - 1);
      return listOf(items.filter((_, i) => i !== at));
    },
  },
  SequenceAt: {
    run: (call) => {
      const { items } = sequence(call, 0);
      const item = items[place(call, 1, items.length, 0)];
      if (item === undefined)
        throw call.unsupported('names a place behind the end of its sequence', 'Repair the model.');
      return item;
    },
  },
  SequenceLength: { run: (call) => publicTensor('int64', [], [sequence(call, 0).items.length]) },
  SplitToSequence: { attributes: ['axis', 'keepdims'], run: splitToSequence },
  ConcatFromSequence: { attributes: ['axis', 'new_axis'], run: concatFromSequence },
  SequenceMap: { attributes: ['body'], run: sequenceMap },
};
