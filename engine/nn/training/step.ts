/** One step of training as a traced graph: forward, backward, update. Knows nothing of which rows it is given. */
import { InputError } from '../../../shared/errors.ts';
import { modelWeights } from '../../../shared/model.ts';
import { gradients } from '../../autograd/gradients.ts';
import { Graph } from '../../tensor/graph.ts';
import { knownInput } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { batchStatisticsLayer } from '../batch-statistics.ts';
import { forward, scoreLayers } from '../forward.ts';
import type { TrainingPass } from '../layers/layer.ts';
import { hasMembership, memberFactor, weighted } from '../membership.ts';
import { lossOf, trainingLoss } from '../losses/table.ts';
import { graphOptions } from '../table.ts';
import { privateGradients, traceChain } from './private-gradients.ts';
import type { Chain, PrivateGradients } from './private-gradients.ts';
import { names, scoreWidth } from './spec.ts';
import type { TrainingSpec } from './spec.ts';
import { batchInputs, weightStates } from './states.ts';
import { limited, updateWeights } from './update.ts';
import type { TrainedWeight } from './update.ts';

/** @param rows of the batch. */
export function stepGraph(spec: TrainingSpec, rows: number): Graph {
  const graph = new Graph(graphOptions(spec, names.step(rows)));
  const { x, y, index } = graph.scope('batch', 'forward', () => batchInputs(graph, spec, rows));
  const weights = weightStates(graph, spec);
  const layers = scoreLayers(spec.description);
  const chain = spec.privacy === undefined ? undefined : traceChain(layers, weights, x);
  const scores = chain?.scores ?? forward(layers, weights, x, trainingPass(graph, spec));
  const loss = lossOf(trainingLoss(spec.task, spec.loss), scoreWidth(spec));
  const seed = graph.scope('loss', 'forward', () => {
    const gradient = loss.seed(scores, y);
    return hasMembership(spec) ? weighted(spec, gradient, index) : gradient;
  });
  const trained = modelWeights(spec.description).filter(({ role }) => role !== 'statistic');
  const keys = trained.map(({ key }) => key);
  const derivatives =
    chain === undefined || spec.privacy === undefined
      ? gradients(
          [[scores, seed]],
          keys.flatMap((key) => weights.get(key) ?? []),
        )
      : // The loss's public factor comes later: lengths are of gradients without it.
        noisyGradients(keys, chain, seed, { ...spec.privacy, norm: spec.privacy.norm / loss.factor });
  const mean = hasMembership(spec) ? memberFactor(spec, rows) : 1 / rows;
  const factor = loss.factor * (spec.loss?.reduction === 'sum' ? 1 : mean);
  const trainable = keys.flatMap((key, i): TrainedWeight[] => {
    const [weight, gradient] = [weights.get(key), derivatives[i]];
    return weight === undefined || gradient === undefined ? [] : [{ key, weight, gradient, perRow: factor }];
  });
  updateWeights(graph, spec, limited(graph, spec, trainable));
  return graph;
}

function noisyGradients(keys: readonly string[], chain: Chain, seed: Tensor, privacy: PrivateGradients): Tensor[] {
  const found = privateGradients(chain, seed, privacy);
  return keys.flatMap((key) => found.get(key) ?? []);
}

/**
 * Dropout masks are public and new for each step; running statistics are kept like weights.
 * @throws InputError `batch-norm-hidden-rows` where a batch holds rows that do not count.
 */
function trainingPass(graph: Graph, spec: TrainingSpec): TrainingPass {
  const batchNorm = batchStatisticsLayer(spec.description);
  if (batchNorm !== undefined && hasMembership(spec)) {
    throw new InputError(
      'batch-norm-hidden-rows',
      `Layer ${batchNorm.name} (batch normalisation) takes statistics over the rows of a batch, which hidden rows would distort.`,
      { hint: 'Use layerNorm or groupNorm, or another join.' },
    );
  }
  return {
    mask: (layer, shape, kept) => knownInput(graph, names.mask(layer), shape, Math.log2(kept) + 0.01),
    update: (key, value) => value.store(names.weight(key)),
  };
}
