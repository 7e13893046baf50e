/** The programs of a training job: set-up, one step for each batch size, evaluation, the reveal of its sums if it has parts, and of the model. */
import { batchSizes } from '../../../shared/schedule.ts';
import { Graph } from '../../tensor/graph.ts';
import { graphOptions, revealStandardisation } from '../table.ts';
import { evaluationGraph } from './evaluation.ts';
import { noisyModel } from './noisy-model.ts';
import { isEvaluated, names } from './spec.ts';
import type { TrainingSpec } from './spec.ts';
import { setupGraph, weightStates } from './states.ts';
import { stepGraph } from './step.ts';
import { keepsTotals, metricsGraph } from './totals.ts';

export function trainingGraphs(spec: TrainingSpec): Graph[] {
  const steps = [...new Set(batchSizes(spec.trainingRows, spec.batch))].map((rows) => stepGraph(spec, rows));
  const metrics = keepsTotals(spec) ? [metricsGraph(spec)] : [];
  const evaluation = isEvaluated(spec) ? [evaluationGraph(spec), ...metrics] : [];
  const reveal = spec.reveal.model.length > 0 ? [revealGraph(spec)] : [];
  return [setupGraph(spec), ...steps, ...evaluation, ...reveal];
}

function revealGraph(spec: TrainingSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.reveal));
  graph.scope('model', 'reveal', () => {
    const weights = weightStates(graph, spec);
    const told = spec.modelNoise === undefined ? weights : noisyModel(graph, weights, spec.modelNoise);
    for (const [key, tensor] of told) tensor.reveal(names.weight(key), spec.reveal.model);
    revealStandardisation(graph, spec, spec.reveal.model);
  });
  return graph;
}
