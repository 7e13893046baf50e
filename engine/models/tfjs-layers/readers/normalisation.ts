/**
 * Normalisation by batch and by row. A scale or bias that the file goes without is 1 or 0, and is trained like one that it has.
 */
import { elementCount } from '../../../../shared/layers/kind.ts';
import type { LayerCall } from '../layer-call.ts';
import type { Value } from '../network-builder.ts';
import { normalisationSchema } from '../schema.ts';
import type { LayerReaders } from './reader.ts';

/** By channels, which are the last axis or the first. */
function batchNorm(call: LayerCall): Value {
  const { axis: axes, epsilon, momentum, center, scale } = call.config(normalisationSchema);
  const rank = call.input.shape.length;
  const [axis = -1, ...more] = axes.map((n) => (n < 0 ? n + rank : n - 1));
  if (more.length > 0 || (axis !== 0 && axis !== rank - 1))
    throw call.unsupported(
      `normalises along axis ${axes.join(', ')}; supported are the last one and the first after the batch`,
    );
  const input = axis === 0 ? call.plain : call.network.moved(call.input);
  const channels = call.input.shape[axis] ?? 1;
  const weights = {
    scale: call.weightOr(scale, 'gamma', [channels], 1),
    bias: call.weightOr(center, 'beta', [channels], 0),
    mean: call.weight('moving_mean'),
    variance: call.weight('moving_variance'),
  };
  return call.add({ kind: 'batchNorm', channels, epsilon, momentum }, [input], { weights });
}

/** Over the last axes. */
function layerNorm(call: LayerCall): Value {
  const { axis: axes, epsilon, center, scale } = call.config(normalisationSchema);
  const { plain } = call;
  const rank = plain.shape.length;
  const sorted = axes.map((n) => (n < 0 ? n + rank : n - 1)).sort((a, b) => a - b);
  if (sorted.some((axis, i) => axis !== rank - sorted.length + i))
    throw call.unsupported(`normalises over the axes ${axes.join(', ')}, which are not the last ones`);
  const shape = plain.shape.slice(-sorted.length);
  if (elementCount(shape) < 2) throw call.unsupported('normalises single cells');
  const weights = {
    scale: call.weightOr(scale, 'gamma', shape, 1),
    bias: call.weightOr(center, 'beta', shape, 0),
  };
  return call.add({ kind: 'layerNorm', shape, epsilon }, [plain], { weights });
}

export const normalisationReaders: LayerReaders = { BatchNormalization: batchNorm, LayerNormalization: layerNorm };
