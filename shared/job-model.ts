/**
 * The model that a job trains, with every size filled in. Knows neither files nor weights: a model file is opened elsewhere.
 */
import { InputError } from './errors.ts';
import type { LayerSpec, ModelSpec } from './job.ts';
import { elementCount, expandTemplate, modelShapes, type Layer, type ModelDescription } from './model.ts';

function describeLayers(specs: readonly LayerSpec[], inputShape: readonly number[], outputs: number): ModelDescription {
  const counts = new Map<string, number>();
  const layers: Layer[] = [];
  for (const spec of specs) {
    const count = (counts.get(spec.kind) ?? 0) + 1;
    counts.set(spec.kind, count);
    const name = `${spec.kind}${count}`;
    if (spec.kind === 'dense') {
      const before = layers.length === 0 ? inputShape : (modelShapes({ inputShape, layers }).at(-1) ?? inputShape);
      layers.push({ kind: 'dense', name, inputs: elementCount(before), outputs: spec.units, useBias: spec.bias });
    } else {
      layers.push({ kind: spec.kind, name });
    }
  }
  const description = { inputShape, layers };
  const answer = modelShapes(description).at(-1)!;
  if (answer.length !== 1 || answer[0] !== outputs) {
    throw new InputError(
      'job-model-outputs',
      `The model's last layer gives ${answer.join(' x ')} values, and the label needs ${outputs}.`,
      { hint: `Let the last dense layer have ${outputs} units.` },
    );
  }
  return description;
}

/**
 * Numbers that a model answers with: 1 for a regression and for two classes (probability of the second), else one for
 * each class.
 */
export function outputsFor(task: 'classification' | 'regression', classes: number): number {
  return task === 'regression' || classes === 2 ? 1 : classes;
}

/**
 * The model of a training job for rows of `inputShape`, without batch.
 * @throws InputError when the template or the layers cannot serve the task, or the model is a file (open it instead).
 */
export function describeModel(
  model: ModelSpec,
  inputShape: readonly number[],
  outputs: number,
  task: 'classification' | 'regression',
): ModelDescription {
  if ('template' in model) return expandTemplate(model, inputShape, outputs, task);
  if ('layers' in model) return describeLayers(model.layers, inputShape, outputs);
  throw new InputError(
    'job-model-is-file',
    'This job takes its model from a file; it has to be opened to know its layers.',
    {
      hint: 'Open the model file first.',
    },
  );
}
