/** Layers of several inputs: what makes a graph of a sequence. */
import { z } from 'zod';
import { mismatch, plainKind } from './kind.ts';
import type { AnyLayer, Shape } from './kind.ts';

function same(layer: AnyLayer, inputs: readonly Shape[]): Shape {
  const [first = [], ...others] = inputs;
  const other = others.find((shape) => shape.join() !== first.join());
  if (other !== undefined) throw mismatch(layer, `inputs of one shape, [${first.join(', ')}] like the first`, other);
  return first;
}

const cellwise = () => plainKind({ attributes: {}, arity: [2, 64], outputShape: same });

/** Along an axis, counted from 0 without the batch: channels of images. */
const concat = plainKind({
  attributes: { axis: z.int().min(0).max(4).default(0) },
  arity: [2, 64],
  outputShape(layer, inputs) {
    const [first = []] = inputs;
    if (layer.axis >= first.length) throw mismatch(layer, `at least ${layer.axis + 1} axes`, first);
    const rest = (shape: Shape): string => shape.map((n, axis) => (axis === layer.axis ? '*' : n)).join(', ');
    const other = inputs.find((shape) => rest(shape) !== rest(first));
    if (other !== undefined) throw mismatch(layer, `inputs like [${rest(first)}]`, other);
    return first.map((n, axis) =>
      axis === layer.axis ? inputs.reduce((sum, shape) => sum + (shape[axis] ?? 0), 0) : n,
    );
  },
});

export const mergeKinds = { add: cellwise(), multiply: cellwise(), average: cellwise(), concat };
