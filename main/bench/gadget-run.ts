/** One traced function on random shares, again and again, with simulated parties: for benchmarks of gadgets. */
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import type { PlanCost } from '../../engine/plan/cost.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { Simulation } from '../../engine/runtime/simulation.ts';
import { Graph } from '../../engine/tensor/graph.ts';
import { stateInput } from '../../engine/tensor/tensor.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';

export interface GadgetRun {
  readonly cost: PlanCost;
  /** Dealer and parties, one after the other in this process. */
  execute(): Promise<void>;
  close(): Promise<void>;
}

const NAME = 'gadget';

/**
 * @param bound log2 of the largest magnitude of the argument in ring units, at twice the ordinary scale: a product.
 */
export async function gadgetRun(
  trace: (product: Tensor) => Tensor,
  options: { readonly parties: number; readonly elements: number; readonly bound: number },
): Promise<GadgetRun> {
  const parties = Array.from({ length: options.parties }, (_, i) => `party-${i + 1}`);
  const graph = new Graph({ name: NAME, fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const product = stateInput(graph, 'product', [options.elements], { bound: options.bound, scale: 32 });
  trace(product).store('result');
  const plan = planJob([lower(graph, { parties })], nodeCrypto.sha256);
  const simulation = await Simulation.create({
    plan,
    crypto: nodeCrypto,
    kernels: () => wasmKernels({ threads: 1 }),
  });
  const cost = plan.programs.get(NAME)?.cost;
  if (cost === undefined) throw new RangeError('a gadget has a plan');
  return {
    cost,
    execute: async () => void (await simulation.execute(NAME)),
    close: () => simulation.close(),
  };
}
