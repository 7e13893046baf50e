/**
 * Dropout masks from the job's public seed: the same at every party and the dealer, new for each step. Public on purpose: a
 * mask is independent of the data, so nothing is learnt from it, and multiplying by it costs no opening but one truncation.
 */
import { elementCount } from '../../../shared/layers/kind.ts';
import { layerInputShapes } from '../../../shared/model.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import { PublicRandom } from '../../../shared/shuffle.ts';

/** Streams of one step are numbered by the layers' positions. */
const MOST_LAYERS = 10_000;

/** Factors as ring words, 0 or 1 / (1 - rate), for each dropout layer of a step over `rows` rows. */
export function dropoutMasks(
  description: ModelDescription,
  fractionBits: number,
  draw: { readonly rows: number; readonly seed: number; readonly step: number },
): Map<string, BigUint64Array> {
  const masks = new Map<string, BigUint64Array>();
  if (!description.layers.some((layer) => layer.kind === 'dropout')) return masks;
  const inputs = layerInputShapes(description);
  description.layers.forEach((layer, position) => {
    if (layer.kind !== 'dropout' || layer.rate === 0) return;
    const shape = inputs[position]?.[0] ?? [];
    const random = new PublicRandom(draw.seed, 'dropout', draw.step * MOST_LAYERS + position);
    const kept = BigInt(Math.round(2 ** fractionBits / (1 - layer.rate)));
    const words = new BigUint64Array(draw.rows * elementCount(layer.wholeChannels ? shape.slice(0, 1) : shape));
    for (let i = 0; i < words.length; i++) words[i] = random.nextFraction() < layer.rate ? 0n : kept;
    masks.set(layer.name, words);
  });
  return masks;
}
