/**
 * What training starts from and keeps between steps: labels, weights, and the state of the optimizer. Knows nothing of what a
 * step does with them.
 */
import { modelWeights, weightShapes } from '../../../shared/model.ts';
import { Graph } from '../../tensor/graph.ts';
import { concat, indexInput, knownInput, linear, privateInput, stateInput } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { graphOptions, onlyOwner, storeTable, tableRows, tableShape } from '../table.ts';
import { optimizerOf } from './optimizers/table.ts';
import { names, scoreWidth, WEIGHT_MAGNITUDE_BITS } from './spec.ts';
import type { TrainingSpec } from './spec.ts';
import { beginTotals, keepsTotals } from './totals.ts';

/** Inputs masked once, first weights. */
export function setupGraph(spec: TrainingSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.setup));
  const width = scoreWidth(spec);
  graph.scope('inputs', 'setup', () => {
    storeTable(graph, spec);
    const labels = spec.labels.map((block, i) =>
      privateInput(graph, `${names.labels}/${i}`, block.owner, [block.rows, width], spec.labelMagnitudeBits),
    );
    concat(labels, 0).store(names.labels);
    if (keepsTotals(spec)) beginTotals(graph, spec);
  });
  const { states } = optimizerOf(spec.optimizer, spec.schedule);
  graph.scope('weights', 'setup', () => {
    for (const { key, shape, role } of modelWeights(spec.description)) {
      const name = names.weight(key);
      const first =
        spec.modelOwner === undefined
          ? knownInput(graph, name, shape, WEIGHT_MAGNITUDE_BITS)
          : privateInput(graph, name, spec.modelOwner, shape, WEIGHT_MAGNITUDE_BITS);
      first.store(name);
      if (role === 'statistic') continue;
      // Zero: a multiple of any value.
      for (const state of states) linear('zero', [[0n, first]]).store(names.optimizer(state.name, key));
    }
  });
  return graph;
}

export function weightStates(graph: Graph, spec: TrainingSpec): Map<string, Tensor> {
  const bound = spec.fractionBits + WEIGHT_MAGNITUDE_BITS;
  return new Map(
    [...weightShapes(spec.description)].map(([key, shape]) => [
      key,
      stateInput(graph, names.weight(key), shape, { bound }),
    ]),
  );
}

/** Features and labels of the rows given by public numbers, and the numbers. */
export function batchInputs(graph: Graph, spec: TrainingSpec, rows: number): { x: Tensor; y: Tensor; index: Tensor } {
  const [total] = tableShape(spec);
  const index = indexInput(graph, names.rowNumbers, rows);
  const x = tableRows(graph, spec, index).reshape([rows, ...spec.description.inputShape]);
  const labels = stateInput(graph, names.labels, [total, scoreWidth(spec)], {
    bound: spec.fractionBits + spec.labelMagnitudeBits,
    owner: onlyOwner(spec.labels),
  });
  return { x, y: labels.gatherRows(index), index };
}
