/** All operators by name, ONNX's own without a domain. An operator that is not here is refused. */
import type { OperatorNode } from '../../../shared/operator-graph.ts';
import { activations } from './activations.ts';
import { arithmetic } from './arithmetic.ts';
import type { OperatorDefinition } from './call.ts';
import { comparisons } from './comparisons.ts';
import { constants } from './constants.ts';
import { convolutions } from './convolution.ts';
import { control } from './control.ts';
import { einsums } from './einsum.ts';
import { indexing } from './indexing.ts';
import { linearAlgebra } from './linear.ts';
import { losses } from './losses.ts';
import { normalisations } from './normalisation.ts';
import { pooling } from './pooling.ts';
import { quantisation } from './quantised.ts';
import { random } from './random.ts';
import { recurrences } from './recurrent.ts';
import { reductions } from './reductions.ts';
import { refusals } from './refused.ts';
import { resizing } from './resize.ts';
import { sampling } from './sampling.ts';
import { sequences } from './sequences.ts';
import { shapes } from './shape.ts';
import { signals } from './signal.ts';
import { spatial } from './spatial.ts';

export const operators: ReadonlyMap<string, OperatorDefinition> = new Map(
  Object.entries({
    ...activations,
    ...arithmetic,
    ...comparisons,
    ...constants,
    ...control,
    ...convolutions,
    ...einsums,
    ...indexing,
    ...linearAlgebra,
    ...losses,
    ...normalisations,
    ...pooling,
    ...quantisation,
    ...random,
    ...recurrences,
    ...reductions,
    ...refusals,
    ...resizing,
    ...sampling,
    ...sequences,
    ...shapes,
    ...signals,
    ...spatial,
  }),
);

export function operatorOf({
  domain,
  operator,
}: Pick<OperatorNode, 'domain' | 'operator'>): OperatorDefinition | undefined {
  return operators.get(domain === '' ? operator : `${domain}.${operator}`);
}
