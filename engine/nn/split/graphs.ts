/**
 * The programs of a split training. The owner of the features has run the network forward in the clear, so that the gradient of
 * the loss by the scores is offset + slope * label, with two coefficients of its own; from there the backward pass goes on shares
 * by products with the owner's private kernels and activations, which cost no comparison and no table. What is revealed, to the
 * owner alone, is the sum over the batch of each weight's gradient, with noise that nobody knows where the job asks for it.
 *
 * A chain of L dense layers with ReLU takes 3 L + 1 rounds a step, its noise 18 that need no data. The full Jacobian, as CrypTen's
 * DPSplitModel outlines it, would be an input of batch * outputs * weights numbers; a chain needs its factors only: kernels,
 * activations and derivatives.
 */
import { batchSizes } from '../../../shared/schedule.ts';
import { weightShapes } from '../../../shared/model.ts';
import { randomNormal } from '../../functions/randomness.ts';
import { Graph } from '../../tensor/graph.ts';
import { concat, indexInput, knownInput, linear, privateInput, stateInput } from '../../tensor/tensor.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { graphOptions, storeTable, tableRows, tableShape } from '../table.ts';
import { isEvaluated, metricNames, names, scoreWidth } from '../training/spec.ts';
import { addSum, beginTotals, evaluationRows, keepsTotals, metricsGraph } from '../training/totals.ts';
import { denseChain } from './chain.ts';
import {
  deltaBits,
  DELTA_SCALE,
  derivativeScale,
  KERNEL_BITS,
  labelScale,
  METRIC_BITS,
  splitNames,
  TAKEN_BITS,
} from './spec.ts';
import type { SplitSpec } from './spec.ts';

export function splitGraphs(spec: SplitSpec): Graph[] {
  const steps = [...new Set(batchSizes(spec.trainingRows, spec.batch))].map((rows) => stepGraph(spec, rows));
  const metrics = keepsTotals(spec) ? [metricsGraph(spec)] : [];
  const evaluation = isEvaluated(spec) ? [evaluationGraph(spec), ...metrics] : [];
  return [setupGraph(spec), ...steps, ...evaluation, revealGraph(spec)];
}

/** Features and labels, each masked once for the whole training. */
function setupGraph(spec: SplitSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.setup));
  graph.scope('inputs', 'setup', () => {
    storeTable(graph, spec);
    const [bits, scale] = [spec.labelMagnitudeBits, labelScale(spec)];
    const labels = spec.labels.map(({ owner, rows }, i) =>
      privateInput(graph, `${names.labels}/${i}`, owner, [rows, scoreWidth(spec)], bits, scale),
    );
    concat(labels, 0).store(names.labels, { masked: true });
    if (keepsTotals(spec)) beginTotals(graph, spec);
  });
  return graph;
}

function labelRows(graph: Graph, spec: SplitSpec, index: Tensor): Tensor {
  const [total] = tableShape(spec);
  const scale = labelScale(spec);
  return stateInput(graph, names.labels, [total, scoreWidth(spec)], {
    bound: scale + spec.labelMagnitudeBits,
    scale,
    masked: true,
  }).gatherRows(index);
}

function stepGraph(spec: SplitSpec, rows: number): Graph {
  const { fractionBits, split } = spec;
  const graph = new Graph(graphOptions(spec, names.step(rows)));
  const own = (name: string, shape: readonly number[], bits: number, scale = fractionBits): Tensor =>
    privateInput(graph, name, split.owner, shape, bits, scale);
  const index = indexInput(graph, names.rowNumbers, rows);
  const bits = deltaBits(spec);
  const links = denseChain(spec.description);
  let delta = graph.scope('loss', 'forward', () => {
    const offset = own(splitNames.offset, [rows, scoreWidth(spec)], bits, DELTA_SCALE);
    const slope = own(splitNames.slope, [rows, 1], bits, DELTA_SCALE);
    const raw = linear('gradient', [
      [1n, slope.mulRaw(labelRows(graph, spec, index))],
      [1n, offset],
    ]);
    return raw.assumeBelow(bits).rescaled(DELTA_SCALE);
  });
  for (const [position, { layer }] of [...links.entries()].reverse()) {
    graph.scope(layer.name, 'backward', () => {
      const isFirst = position === 0;
      const taken = isFirst
        ? tableRows(graph, spec, index)
        : own(splitNames.taken(layer.name), [rows, layer.inputs], TAKEN_BITS);
      reveal(spec, `${layer.name}/kernel`, taken.matmulRaw(delta, { transposeA: true }));
      if (layer.useBias) reveal(spec, `${layer.name}/bias`, delta.sum(0));
      if (isFirst) return;
      const kernel = own(splitNames.kernel(layer.name), [layer.inputs, layer.outputs], KERNEL_BITS);
      const product = delta.matmulRaw(kernel, { transposeB: true });
      const scale = derivativeScale(spec, links[position - 1]);
      // Zeros and ones leave room for the product as it is.
      const back = scale === 0 ? product : product.rescaled(DELTA_SCALE);
      const derivative = own(splitNames.derivative(layer.name), [rows, layer.inputs], 0.01, scale);
      delta = back.mulRaw(derivative).assumeBelow(bits).rescaled(DELTA_SCALE);
    });
  }
  return graph;
}

/** With normal noise, rounded to the graph's scale together with it: finer digits would pass beside the noise. */
function reveal({ split }: SplitSpec, key: string, sum: Tensor): void {
  const { graph } = sum;
  const { deviation, parties, owner } = split;
  graph.scope('privacy', 'reveal', () => {
    const noise = (): Tensor => {
      const drawn = randomNormal({ graph, parties }, sum.shape);
      return drawn.timesRaw(deviation, Math.max(0, sum.scale - drawn.scale));
    };
    const noisy = deviation === 0 ? sum : sum.add(noise());
    noisy.rescaled(graph.options.fractionBits).reveal(splitNames.gradient(key), [owner]);
  });
}

/** Sums over test rows, of coefficients by which the owner knows each metric to depend on the label. */
function evaluationGraph(spec: SplitSpec): Graph {
  const rows = evaluationRows(spec);
  const width = scoreWidth(spec);
  const { split, fractionBits } = spec;
  const graph = new Graph(graphOptions(spec, names.evaluate));
  graph.scope('metrics', 'evaluate', () => {
    const y = labelRows(graph, spec, indexInput(graph, names.rowNumbers, rows));
    for (const metric of metricNames(spec)) {
      const offset = privateInput(
        graph,
        splitNames.metricOffset(metric),
        split.owner,
        [1],
        METRIC_BITS + Math.log2(rows),
        2 * fractionBits,
      );
      const slope = privateInput(graph, splitNames.metricSlope(metric), split.owner, [rows, width], METRIC_BITS);
      const terms = [offset, slope.mulRaw(y).sum(1).sum(0).reshape([1])];
      if (metric === names.squaredError) {
        const weight = knownInput(graph, names.rowWeights, [rows, 1], 0.01);
        terms.push(y.mul(y).mulRaw(weight).reshape([rows]).sum(0).reshape([1]));
      }
      const sum = linear(
        metric,
        terms.map((term) => [1n, term] as const),
      );
      addSum(spec, metric, sum);
    }
  });
  return graph;
}

/** The owner's weights, to whoever receives the model. */
function revealGraph(spec: SplitSpec): Graph {
  const graph = new Graph(graphOptions(spec, names.reveal));
  graph.scope('model', 'reveal', () => {
    for (const [key, shape] of weightShapes(spec.description))
      privateInput(graph, splitNames.weight(key), spec.split.owner, shape, KERNEL_BITS).reveal(
        names.weight(key),
        spec.reveal.model,
      );
  });
  return graph;
}
