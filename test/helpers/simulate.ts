/** Runs one traced function on shares with simulated parties, for tests of operations and gadgets. */
import { referenceKernels } from '../../engine/kernels/reference/reference.ts';
import type { Kernels } from '../../engine/kernels/kernels.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import type { Plan } from '../../engine/plan/plan.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { Simulation, splitWords } from '../../engine/runtime/simulation.ts';
import { decodeFixed } from '../../engine/runtime/words.ts';
import { Graph } from '../../engine/tensor/graph.ts';
import type { GraphOptions } from '../../engine/tensor/graph.ts';
import { sharedInput, toFixed } from '../../engine/tensor/tensor.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { fixedCrypto } from './fixed-crypto.ts';

export interface SecretArgument {
  readonly values: readonly number[];
  readonly shape?: readonly number[];
  /** log2 of the largest magnitude; 10 if not given. */
  readonly magnitudeBits?: number;
}

export interface Evaluation {
  readonly values: number[];
  readonly words: BigUint64Array;
  readonly rounds: number;
  readonly bytesOpened: readonly number[];
  readonly dealerBytes: number;
  readonly plan: Plan;
  readonly graph: Graph;
}

const PARTIES = ['a', 'b', 'c', 'd', 'e'];

/** Evaluates `trace` on secret arguments, which no party knows, and reveals the result to the first party. */
export async function evaluateSecretly(
  args: readonly SecretArgument[],
  trace: (...inputs: Tensor[]) => Tensor,
  options: { parties?: number; kernels?: () => Promise<Kernels>; graph?: Partial<GraphOptions> } = {},
): Promise<Evaluation> {
  const parties = PARTIES.slice(0, options.parties ?? 2);
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64, ...options.graph });
  const inputs = args.map((arg, i) =>
    sharedInput(graph, `x${i}`, arg.shape ?? [arg.values.length], arg.magnitudeBits ?? 10),
  );
  const result = trace(...inputs);
  result.reveal('result', [parties[0] ?? '']);
  const plan = planJob([lower(graph, { parties })], nodeCrypto.sha256);
  const { wordBits, fractionBits } = graph.options;
  const simulation = await Simulation.create({
    plan,
    crypto: fixedCrypto(),
    kernels: options.kernels ?? (() => Promise.resolve(referenceKernels(wordBits))),
  });
  const feeds = new Map(parties.map((party) => [party, new Map<string, BigUint64Array>()]));
  args.forEach((arg, i) => {
    const encoded = BigUint64Array.from(arg.values, (v) => BigInt.asUintN(wordBits, toFixed(v, fractionBits)));
    const shares = splitWords(fixedCrypto(8), encoded, parties.length, wordBits);
    parties.forEach((party, j) => feeds.get(party)?.set(`x${i}`, shares[j] ?? encoded));
  });
  const revealed = await simulation.execute('test', { inputs: feeds });
  const words = revealed[0]?.get('result') ?? new BigUint64Array(0);
  const cost = plan.programs.get('test')?.cost;
  const sent = simulation.transports.map((t) => t.peers.reduce((sum, peer) => sum + t.counters(peer).bytesSent, 0));
  if (cost !== undefined && sent.some((bytes, i) => bytes !== cost.bytesSent[i])) {
    throw new Error(`predicted ${cost.bytesSent.join()} bytes, counted ${sent.join()}`);
  }
  await simulation.close();
  return {
    values: [...decodeFixed(words, result.scale)],
    words,
    rounds: cost?.rounds ?? 0,
    bytesOpened: cost?.bytesOpened ?? [],
    dealerBytes: (cost?.dealerBytes ?? []).reduce((a, b) => a + b, 0),
    plan,
    graph,
  };
}
