/** Operators that draw random numbers: without effect in inference, or refused. */
import type { OperatorCall, OperatorDefinition, OperatorFamily } from './call.ts';
import { publicSize, publicTensor, shapeOf } from './value.ts';
import type { Value } from './value.ts';

/** In inference nothing is dropped: the mask holds ones. */
function dropout(call: OperatorCall): readonly Value[] {
  const x = call.tensor(0);
  const ratio = call.isGiven(1) ? (call.publicNumbers(1, 'its ratio')[0] ?? 0.5) : call.float('ratio', 0.5);
  // Training is an input since version 12, and was an attribute before 7.
  const trains =
    call.version >= 12
      ? call.isGiven(2) && call.publicNumbers(2, 'its mode')[0] !== 0
      : call.version < 7 && call.int('is_test', 0) === 0;
  if (trains && ratio > 0 && call.version >= 12)
    throw call.unsupported(
      'drops values at random, whose result nobody can foretell',
      'Export the model for inference.',
    );
  const ones = new Array<number>(publicSize(shapeOf(x))).fill(1);
  return [x, publicTensor(call.version >= 10 ? 'bool' : x.type, shapeOf(x), ones)];
}

const refused: OperatorDefinition = {
  attributes: ['dtype', 'high', 'low', 'mean', 'scale', 'seed', 'shape', 'sample_size'],
  run: (call) => {
    throw call.unsupported(
      'draws random numbers, whose result nobody can foretell',
      'Give the random numbers as an input.',
    );
  },
};

export const random: OperatorFamily = {
  Dropout: { attributes: ['ratio', 'seed', 'is_test', 'consumed_inputs'], run: dropout },
  Bernoulli: refused,
  Multinomial: refused,
  RandomNormal: refused,
  RandomNormalLike: refused,
  RandomUniform: refused,
  RandomUniformLike: refused,
};
