/** The bounds that a job takes as given, each named once however many programs share the layer. */
import type { Assumption } from '../../../engine/tensor/graph.ts';

export function distinctAssumptions(assumptions: readonly Assumption[]): Assumption[] {
  const found = new Map<string, Assumption>();
  for (const assumption of assumptions) {
    const key = `${assumption.layer}\n${assumption.operation}\n${assumption.assumed}`;
    const earlier = found.get(key);
    if (earlier === undefined || earlier.proved < assumption.proved) found.set(key, assumption);
  }
  return [...found.values()];
}
