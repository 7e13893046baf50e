/** A graph of operators as one layer; engine/nn/operators computes it. */
import { InputError } from '../../../shared/errors.ts';
import { graphWeights } from '../../../shared/layers/operators.ts';
import { interpret } from '../operators/interpret.ts';
import { secretTensor } from '../operators/value.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Table } from './layer.ts';

export const operatorLayers: Table<'operators'> = {
  operators: ({ name, graph }, { x, inputs, weight, training }) => {
    const weights = new Map(graphWeights(graph).map(({ key, type }) => [key, secretTensor(type, weight(key))]));
    const given = inputs.map((input) => secretTensor('float32', input));
    const update = training && ((key: string, value: Tensor) => training.update(`${name}/${key}`, value));
    const [output] = interpret(graph, x.graph, given, weights, update);
    if (output?.kind !== 'secret')
      throw new InputError(
        'model-output-public',
        `Layer ${name} (operators): its output does not depend on its input.`,
      );
    return output.tensor;
  },
};
