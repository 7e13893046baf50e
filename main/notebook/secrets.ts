/**
 * Secrets of several parties for scripts: `share` them, compute with SecretTensor, `reveal` results. All parties and the dealer run
 * in this process, which therefore holds every secret; what is sent and rounded is what parties on machines of their own send and
 * round. See docs/typescript-api.md.
 */
import { gradients } from '../../engine/autograd/gradients.ts';
import { randomBits, randomInputs, randomNormal, randomUniform } from '../../engine/functions/randomness.ts';
import type { RandomSource } from '../../engine/functions/randomness.ts';
import { lower } from '../../engine/plan/lower.ts';
import { planJob } from '../../engine/plan/plan.ts';
import { withRandomness } from '../../engine/random/draw.ts';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { decodeFixed, encodeFixed } from '../../engine/runtime/words.ts';
import { Graph } from '../../engine/tensor/graph.ts';
import { sizeOf } from '../../engine/tensor/shape.ts';
import { stack } from '../../engine/tensor/shapes.ts';
import { concat, constant, privateInput, sharedInput } from '../../engine/tensor/tensor.ts';
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { InputError } from '../../shared/errors.ts';
import { runSimulated } from '../host/simulation/simulated-run.ts';
import { flat, magnitudeBits } from './data.ts';
import type { Nested } from './data.ts';
import { SecretTensor } from './secret-tensor.ts';

export interface RevealedTensor {
  readonly shape: readonly number[];
  /** Row by row. */
  readonly data: Float64Array;
}

export interface Revealed<Name extends string> {
  readonly values: Readonly<Record<Name, RevealedTensor>>;
  /** By each party, as counted. */
  readonly bytesSent: readonly number[];
  readonly rounds: number;
}

export interface RevealOptions {
  /** Who learns the values; all parties if not given. */
  readonly to?: readonly string[];
  readonly signal?: AbortSignal;
}

const PROGRAM = 'script';

export class Secrets {
  readonly parties: readonly string[];
  readonly #graph: Graph;
  readonly #source: RandomSource;
  /** By party and input name. */
  readonly #inputs: ReadonlyMap<string, Map<string, BigUint64Array>>;
  #named = 0;

  /** @throws InputError `party-alone` for fewer than two parties. */
  constructor(parties: readonly string[], options: { readonly fractionBits?: number } = {}) {
    if (parties.length < 2) {
      throw new InputError('party-alone', 'Only one party takes part.', { hint: 'Name two or more as parties.' });
    }
    this.parties = parties;
    this.#graph = new Graph({
      name: PROGRAM,
      fractionBits: options.fractionBits ?? 16,
      assumedBound: 54,
      wordBits: 64,
    });
    this.#source = { graph: this.#graph, parties };
    this.#inputs = new Map(parties.map((party) => [party, new Map<string, BigUint64Array>()]));
  }

  /** What one party knows. Its magnitude, to a power of two, is public. @throws InputError `no-such-party`. */
  share(values: Nested, owner: string): SecretTensor {
    const { values: numbers, shape } = flat(values);
    const bits = magnitudeBits(numbers);
    const name = `input/${this.#named++}`;
    this.#feed(owner, name, numbers, bits);
    return this.#wrap(privateInput(this.#graph, name, owner, shape, bits));
  }

  /** A value of which every party holds a summand, in the order of parties. @throws InputError `shares-differ`. */
  fromShares(summands: readonly Nested[]): SecretTensor {
    const parts = summands.map(flat);
    const shape = parts[0]?.shape ?? [];
    if (parts.length !== this.parties.length || parts.some((part) => part.shape.join() !== shape.join())) {
      throw new InputError('shares-differ', 'There is not one summand of the same shape for each party.', {
        hint: `Give one for each of ${this.parties.join(', ')}.`,
      });
    }
    const bits = Math.max(...parts.map(({ values }) => magnitudeBits(values))) + Math.log2(parts.length);
    const name = `input/${this.#named++}`;
    parts.forEach(({ values }, i) => this.#feed(this.parties[i] ?? '', name, values, bits));
    return this.#wrap(sharedInput(this.#graph, name, shape, bits));
  }

  /** What everybody knows. */
  tensor(values: Nested): SecretTensor {
    const { values: numbers, shape } = flat(values);
    return this.#wrap(constant(this.#graph, numbers, shape));
  }

  /** Uniform in [0, 1), known to nobody. */
  randomUniform = (shape: readonly number[]): SecretTensor => this.#wrap(randomUniform(this.#source, shape));
  /** Standard normal, known to nobody. */
  randomNormal = (shape: readonly number[]): SecretTensor => this.#wrap(randomNormal(this.#source, shape));
  /** 1 with a public probability, else 0; known to nobody. */
  bernoulli = (shape: readonly number[], probability: number): SecretTensor =>
    this.#wrap(randomBits(this.#source, shape, probability));

  concat = (tensors: readonly SecretTensor[], axis = 0): SecretTensor => this.#wrap(concat(aligned(tensors), axis));
  stack = (tensors: readonly SecretTensor[], axis = 0): SecretTensor => this.#wrap(stack(aligned(tensors), axis));

  /** Of the sum of all elements of `of` by each of `by`. */
  gradients(of: SecretTensor, by: readonly SecretTensor[]): SecretTensor[] {
    const { traced } = of;
    const seed = constant(this.#graph, new Array<number>(traced.size).fill(1), traced.shape);
    return gradients(
      [[traced, seed]],
      by.map((variable) => variable.traced),
    ).map((gradient) => this.#wrap(gradient));
  }

  /**
   * Runs what the values depend on, once, and tells them. What is revealed together is computed together, and what two calls need
   * is computed in both: randomness is drawn anew.
   */
  async reveal<Name extends string>(
    tensors: Readonly<Record<Name, SecretTensor>>,
    { to = this.parties, signal = new AbortController().signal }: RevealOptions = {},
  ): Promise<Revealed<Name>> {
    const receiver = this.parties.findIndex((party) => to.includes(party));
    const stray = to.find((party) => !this.parties.includes(party));
    if (stray !== undefined || receiver < 0) throw this.#noParty(stray ?? 'nobody');
    const wanted = (Object.entries(tensors) as [Name, SecretTensor][]).map(([name, { traced }]) => ({ name, traced }));
    this.#graph.reveals.length = 0;
    for (const { name, traced } of wanted) traced.reveal(name, to);
    const plan = planJob([lower(this.#graph, { parties: this.parties })], nodeCrypto.sha256);
    const executions = [{ program: PROGRAM, kind: 'step' as const }];
    const { result, traffic } = await runSimulated(
      { plan, executions, transport: 'memory', signal, startedMs: performance.now() },
      async (simulation) => {
        const inputs = withRandomness(nodeCrypto, this.#inputs, randomInputs(this.#graph));
        return (await simulation.execute(PROGRAM, { inputs }))[receiver];
      },
    );
    const values = wanted.map(({ name, traced }) => [
      name,
      { shape: traced.shape, data: decodeFixed(result?.get(name) ?? new BigUint64Array(0), traced.scale) },
    ]);
    return {
      values: Object.fromEntries(values) as Record<Name, RevealedTensor>,
      bytesSent: traffic.map(({ bytesSent }) => bytesSent),
      rounds: traffic[0]?.rounds ?? 0,
    };
  }

  #wrap(traced: Tensor): SecretTensor {
    return new SecretTensor(traced, this.#source);
  }

  #feed(owner: string, name: string, values: readonly number[], bits: number): void {
    const inputs = this.#inputs.get(owner);
    if (inputs === undefined) throw this.#noParty(owner);
    inputs.set(
      name,
      encodeFixed(values, this.#graph.options.fractionBits, bits, (i) => `Value ${i + 1} of ${owner}`),
    );
  }

  #noParty(name: string): InputError {
    return new InputError('no-such-party', `${name} is none of the parties.`, {
      hint: `The parties are ${this.parties.join(', ')}.`,
    });
  }
}

/** At one scale. */
function aligned(tensors: readonly SecretTensor[]): Tensor[] {
  const traced = tensors.map((tensor) => tensor.traced);
  const scale = Math.max(...traced.map((tensor) => tensor.scale));
  return traced.map((tensor) => tensor.rescaled(scale));
}

/** Row-major numbers as nested arrays. */
export function nested({ shape, data }: RevealedTensor): Nested {
  const [count = 1, ...inner] = shape;
  if (shape.length === 0) return data[0] ?? 0;
  const size = sizeOf(inner);
  return Array.from({ length: count }, (_, i) =>
    nested({ shape: inner, data: data.subarray(i * size, (i + 1) * size) }),
  );
}
