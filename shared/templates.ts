/** Ready-made models that a job can name. Knows nothing of jobs. */
import { InputError } from './errors.ts';
import { elementCount } from './layers/kind.ts';
import { modelShapes } from './model.ts';
import type { Layer } from './layers/table.ts';
import type { ModelDescription, Task } from './model.ts';

/** Ready-made models that a job can name; `hidden` lists the units of the hidden layers. */
export type ModelTemplate =
  | { readonly template: 'linear' }
  | { readonly template: 'logistic' }
  | { readonly template: 'mlp'; readonly hidden: readonly number[]; readonly activation: 'relu' | 'sigmoid' | 'tanh' }
  | { readonly template: 'lenet' };

/** Layers that turn scores into the model's answer: none (regression), sigmoid (one output), softmax (several). */
function head(outputs: number, task: Task): Layer[] {
  if (task === 'regression') return [];
  return outputs === 1 ? [{ kind: 'sigmoid', name: 'sigmoid' }] : [{ kind: 'softmax', name: 'softmax' }];
}

/** The image that a row of `width` cells holds, one channel or three, channels first; undefined if it is not square. */
export function squareImage(width: number): readonly number[] | undefined {
  for (const channels of [1, 3]) {
    const side = Math.sqrt(width / channels);
    if (Number.isInteger(side)) return [channels, side, side];
  }
  return undefined;
}

/**
 * Expands a template. `inputShape` is [features], or [channels, height, width] for images; `outputs` is 1 for a binary
 * classification (probability of the second class) and the number of classes otherwise. The last layer of a
 * classification is the sigmoid or softmax, so the model answers with probabilities.
 * lenet: LeCun et al. 1998, figure 2, with ReLU and max pooling; images smaller than 32 x 32 are padded by 2.
 * @throws InputError when the template cannot serve the task or the input.
 */
export function expandTemplate(
  template: ModelTemplate,
  inputShape: readonly number[],
  outputs: number,
  task: Task,
): ModelDescription {
  const width = elementCount(inputShape);
  if (template.template === 'linear' && task !== 'regression') {
    throw new InputError('template-task', 'The template linear serves regression only.', { hint: 'Use logistic.' });
  }
  if (template.template === 'logistic' && task !== 'classification') {
    throw new InputError('template-task', 'The template logistic serves classification only.', { hint: 'Use linear.' });
  }
  const layers: Layer[] = [];
  const dense = (name: string, inputs: number, units: number): void => {
    layers.push({ kind: 'dense', name, inputs, outputs: units, useBias: true });
  };
  if (template.template !== 'lenet') {
    let inputs = width;
    const hidden = template.template === 'mlp' ? template.hidden : [];
    hidden.forEach((units, i) => {
      dense(`dense${i + 1}`, inputs, units);
      if (template.template === 'mlp')
        layers.push({ kind: template.activation, name: `${template.activation}${i + 1}` });
      inputs = units;
    });
    dense(`dense${hidden.length + 1}`, inputs, outputs);
    layers.push(...head(outputs, task));
    return { inputShape: [width], layers };
  }
  const image = inputShape.length === 3 ? inputShape : squareImage(width);
  if (image === undefined) {
    throw new InputError(
      'template-not-an-image',
      `The template lenet needs square images, but a row has ${width} features.`,
      { hint: 'Use rows of side x side or 3 x side x side cells, channels first, or the template mlp.' },
    );
  }
  const conv = (index: number, channels: number, filters: number, pad: number): void => {
    layers.push(
      {
        kind: 'conv2d',
        name: `conv${index}`,
        channels,
        filters,
        kernel: [5, 5],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [pad, pad, pad, pad],
        groups: 1,
        useBias: true,
      },
      { kind: 'relu', name: `relu${index}` },
      {
        kind: 'maxPool2d',
        name: `pool${index}`,
        kernel: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
        padding: [0, 0, 0, 0],
      },
    );
  };
  conv(1, image[0] ?? 1, 6, Math.min(image[1] ?? 0, image[2] ?? 0) < 32 ? 2 : 0);
  conv(2, 6, 16, 0);
  const features = elementCount(modelShapes({ inputShape: image, layers }).at(-1) ?? []);
  layers.push({ kind: 'flatten', name: 'flatten' });
  dense('dense1', features, 120);
  layers.push({ kind: 'relu', name: 'relu3' });
  dense('dense2', 120, 84);
  layers.push({ kind: 'relu', name: 'relu4' });
  dense('dense3', 84, outputs);
  layers.push(...head(outputs, task));
  return { inputShape: image, layers };
}
