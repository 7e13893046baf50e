/** Operators with subgraphs. What is computed, and how often, is public. */
import { range } from '../../tensor/rearrange.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { concatValues, reshapeValue, takeValue } from './moves.ts';
import { publicTensor, shapeOf } from './value.ts';
import type { TensorValue, Value } from './value.ts';

/** Longer loops would be traced step by step into graphs beyond any use. */
const MOST_STEPS = 10_000;

function publicCondition(call: OperatorCall, value: Value | undefined): boolean {
  if (value?.kind === 'public') return value.values[0] !== 0;
  throw call.unsupported(
    'goes on while a condition holds that depends on secret values',
    'Nothing that is secret may decide what is computed; give the loop a fixed number of steps.',
  );
}

function asTensor(call: OperatorCall, value: Value | undefined): TensorValue {
  if (value === undefined || value.kind === 'sequence') throw call.unsupported('collects something else than tensors');
  return value;
}

function stacked(call: OperatorCall, values: readonly TensorValue[], axis = 0): TensorValue {
  const rows = values.map((value) => {
    const shape = shapeOf(value);
    return reshapeValue(value, [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
  });
  return concatValues(call.graph, rows, axis);
}

function loop(call: OperatorCall): readonly Value[] {
  const body = call.subgraph('body');
  const trips = call.isGiven(0) ? (call.publicNumbers(0, 'its number of steps')[0] ?? 0) : Infinity;
  let goesOn = call.isGiven(1) ? call.publicNumbers(1, 'its condition')[0] !== 0 : true;
  let carried: readonly Value[] = call.inputs.slice(2).map((_, i) => call.value(2 + i));
  const collected: TensorValue[][] = range(body.outputs.length - 1 - carried.length).map(() => []);
  for (let step = 0; goesOn && step < trips; step++) {
    if (step === MOST_STEPS) throw call.unsupported(`takes more than ${MOST_STEPS} steps`);
    const [condition, ...results] = call.traceSubgraph(body, [
      publicTensor('int64', [], [step]),
      publicTensor('bool', [], [1]),
      ...carried,
    ]);
    goesOn = publicCondition(call, condition);
    carried = results.slice(0, carried.length);
    collected.forEach((list, i) => list.push(asTensor(call, results[carried.length + i])));
  }
  return [
    ...carried,
    ...collected.map((list) => {
      if (list.length === 0) throw call.unsupported('takes no step, so that the shape of its outputs is not known');
      return stacked(call, list);
    }),
  ];
}

function scan(call: OperatorCall): readonly Value[] {
  const body = call.subgraph('body');
  const count = call.int('num_scan_inputs', 1);
  if (call.version < 9) return scanBatches(call);
  const states = call.inputs.length - count;
  return scanOnce(call, call.tensors().slice(0, states), call.tensors().slice(states), body.outputs.length);
}

/** Version 8 runs over a batch: sequences [batch, time, ...], after an input of their lengths. */
function scanBatches(call: OperatorCall): readonly Value[] {
  const body = call.subgraph('body');
  const count = call.int('num_scan_inputs', 1);
  if (call.isGiven(0)) throw call.unsupported('has sequences of different lengths');
  const all = call.tensors(1);
  const states = all.length - count;
  const batch = shapeOf(all[0] ?? publicTensor('float32', [0], []))[0] ?? 0;
  const rows = range(batch).map((row) => {
    const own = all.map((value) => reshapeValue(takeValue(value, [row], 0), shapeOf(value).slice(1)));
    return scanOnce(call, own.slice(0, states), own.slice(states), body.outputs.length);
  });
  return range(body.outputs.length).map((i) =>
    stacked(
      call,
      rows.map((row) => asTensor(call, row[i])),
    ),
  );
}

function scanOnce(
  call: OperatorCall,
  initial: readonly TensorValue[],
  sequences: readonly TensorValue[],
  outputs: number,
): readonly Value[] {
  const body = call.subgraph('body');
  const inputAxes = call.ints('scan_input_axes') ?? sequences.map(() => 0);
  const inputDirections = call.ints('scan_input_directions') ?? call.ints('directions') ?? sequences.map(() => 0);
  const outputCount = outputs - initial.length;
  const outputAxes = call.ints('scan_output_axes') ?? new Array<number>(outputCount).fill(0);
  const outputDirections = call.ints('scan_output_directions') ?? new Array<number>(outputCount).fill(0);
  const axis = (i: number): number =>
    call.axis(inputAxes[i] ?? 0, shapeOf(sequences[i] ?? publicTensor('bool', [], [0])).length);
  const [first] = sequences;
  const steps = first === undefined ? 0 : (shapeOf(first)[axis(0)] ?? 0);
  let states: readonly Value[] = initial;
  const collected: TensorValue[][] = range(outputCount).map(() => []);
  for (let step = 0; step < steps; step++) {
    const entries = sequences.map((value, i) => {
      const at = inputDirections[i] === 1 ? steps - 1 - step : step;
      const shape = shapeOf(value).filter((_, a) => a !== axis(i));
      return reshapeValue(takeValue(value, [at], axis(i)), shape);
    });
    const results = call.traceSubgraph(body, [...states, ...entries]);
    states = results.slice(0, initial.length);
    collected.forEach((list, i) => list.push(asTensor(call, results[initial.length + i])));
  }
  const joined = collected.map((list, i) =>
    stacked(call, outputDirections[i] === 1 ? [...list].reverse() : list, outputAxes[i] ?? 0),
  );
  return [...states, ...joined];
}

export const control: OperatorFamily = {
  If: {
    attributes: ['then_branch', 'else_branch'],
    run: (call) => {
      const holds = call.publicNumbers(0, 'its condition, which decides what is computed,')[0] !== 0;
      return call.traceSubgraph(call.subgraph(holds ? 'then_branch' : 'else_branch'), []);
    },
  },
  Loop: { attributes: ['body'], run: loop },
  Scan: {
    attributes: [
      'body',
      'num_scan_inputs',
      'directions',
      'scan_input_axes',
      'scan_input_directions',
      'scan_output_axes',
      'scan_output_directions',
    ],
    run: scan,
  },
};
