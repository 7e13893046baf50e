/**
 * The fixed-point oracle: what a traced graph computes, in the clear and in integers, given only what is public in a run on
 * shares. A truncation takes its dither, and a look-up its choice of interval, from the openings that crossed the links, so
 * revealed words must agree bit for bit (corrections M5). What is not secret opens nothing: there a truncation rounds to nearest
 * and a look-up takes the interval of its argument. This is the definition of the clear evaluation.
 */
import { referenceKernels } from '../../engine/kernels/reference/reference.ts';
import { toInstruction } from '../../engine/plan/place.ts';
import { operands } from '../../engine/plan/program.ts';
import type { Program, Words } from '../../engine/plan/program.ts';
import { wordsToBytes } from '../../engine/runtime/words.ts';
import type { Graph, NodeInfo } from '../../engine/tensor/graph.ts';
import { idealTruncation } from './gadgets.ts';
import { PlainGraph } from './plain-graph.ts';
import type { Arithmetic } from './plain-graph.ts';
import type { SeenOpening } from './run-job.ts';

export interface OracleFeeds {
  /** Inputs of parties and public inputs, as ring words. */
  readonly words: Readonly<Record<string, readonly bigint[] | BigUint64Array>>;
  readonly openings: readonly SeenOpening[];
}

/** Keeps states from one execution to the next. */
export class FixedPointOracle {
  readonly #programs: ReadonlyMap<string, { graph: Graph; program: Program }>;
  readonly #states = new Map<string, readonly bigint[]>();
  readonly #publicStates = new Map<string, BigUint64Array>();

  constructor(programs: readonly { graph: Graph; program: Program }[]) {
    this.#programs = new Map(programs.map((p) => [p.program.name, p]));
  }

  /** What the execution must reveal, as signed numbers. */
  async execute(name: string, feeds: OracleFeeds): Promise<Map<string, bigint[]>> {
    const found = this.#programs.get(name);
    if (found === undefined) throw new RangeError(`no program ${name}`);
    const { graph, program } = found;
    const { wordBits } = program;
    const seen = new PublicValues(program, feeds, this.#publicStates);
    const dithers = new Map<number, readonly bigint[]>();
    const lookUps = new Map<number, readonly bigint[]>();
    for (const node of graph.nodes) {
      if (node.operation.op === 'rescale') {
        const c = await seen.truncated(graph, node);
        if (c !== undefined) dithers.set(node.id, c);
      } else if (node.operation.op === 'lookUp') {
        const c = await seen.lookedUp(node.id);
        if (c !== undefined) lookUps.set(node.id, c);
      }
    }
    const signed = (value: bigint): bigint => BigInt.asIntN(wordBits, value);
    const arithmetic: Arithmetic<bigint> = {
      zero: 0n,
      one: 1n,
      add: (a, b) => signed(a + b),
      multiply: (a, b) => signed(a * b),
      isLess: (a, b) => a < b,
      bit: (x, position) => ((x >> BigInt(position)) & 1n) === 1n,
      fromWord: (word) => signed(word),
      coefficient: (word) => word,
      rescale: (node, values) => {
        const shift = node.operation.op === 'rescale' ? node.operation.shift : 0;
        if (isClear(node)) return values.map((x) => idealTruncation(x, shift, nearestDither(shift)));
        const c = dithers.get(node.id);
        if (c === undefined) throw new RangeError(`nothing opened for node ${node.id}`);
        return values.map((x, e) => idealTruncation(x, shift, BigInt.asUintN(shift, c[e] ?? 0n)));
      },
      lookUp: (node, table, values) => {
        const c = lookUps.get(node.id);
        if (c === undefined && !isClear(node)) throw new RangeError(`nothing opened for node ${node.id}`);
        const input = graph.node(node.inputs[0] ?? -1);
        // Where a truncation is pending, the look-up reads what stands before it.
        const pending = input.operation.op === 'rescale' ? input.operation.shift : 0;
        const xs = pending === 0 ? values() : plain.value(input.inputs[0] ?? -1);
        const s = table.intervalBits + pending;
        const drop = BigInt(table.offsetShift + pending);
        return xs.map((x, e) => {
          const place = x - (table.low << BigInt(pending));
          // Without an opening there is no mask.
          const opened = c?.[e] ?? place;
          const r = opened - place;
          const index = Number(BigInt.asUintN(table.indexBits, (opened >> BigInt(s)) - (r >> BigInt(s))));
          const z = (BigInt.asUintN(s, opened) >> drop) - (BigInt.asUintN(s, r) >> drop);
          return signed(
            table.coefficients.reduce(
              (sum, row, p) => sum + (row[index] ?? row[row.length - 1] ?? 0n) * z ** BigInt(p),
              0n,
            ),
          );
        });
      },
    };
    const plain: PlainGraph<bigint> = new PlainGraph(graph, arithmetic, {
      values: new Map([
        ...this.#states,
        ...Object.entries(feeds.words).map(([key, words]) => [key, [...words].map(signed)] as const),
      ]),
      rows: new Map(Object.entries(feeds.words).map(([key, words]) => [key, [...words].map(Number)])),
    });
    const revealed = new Map(graph.reveals.map((reveal) => [reveal.name, [...plain.value(reveal.node)]]));
    const stored = graph.stores.map(({ name: state, node }) => [state, plain.value(node)] as const);
    for (const [state, value] of stored) this.#states.set(state, value);
    await seen.keepStates();
    return revealed;
  }
}

/** Whether whoever knows the operands computes the node alone. */
function isClear(node: NodeInfo): boolean {
  return node.visibility.kind !== 'secret';
}

/** The dither that makes a truncation round to nearest, halves up: the one of every truncation in the clear. */
function nearestDither(shift: number): bigint {
  return shift === 0 ? 0n : (1n << BigInt(shift - 1)) - 1n;
}

/** Values that all compute parties know in one execution, from its openings. */
class PublicValues {
  readonly #program: Program;
  readonly #feeds: OracleFeeds;
  readonly #states: Map<string, BigUint64Array>;
  readonly #producers = new Map<number, number>();
  readonly #values = new Map<number, BigUint64Array>();

  constructor(program: Program, feeds: OracleFeeds, states: Map<string, BigUint64Array>) {
    this.#program = program;
    this.#feeds = feeds;
    this.#states = states;
    program.steps.forEach((step, index) => {
      if (step.op === 'open') this.#producers.set(step.opened, index);
      else if (step.op === 'known' || step.op === 'constant') this.#producers.set(step.known, index);
      else if (step.op === 'load') this.#producers.set(step.value, index);
      else if (step.op === 'local')
        for (const out of operands(step.operation).outputs) this.#producers.set(out.value, index);
    });
  }

  /** The public c behind the truncation that a rescale stands for; undefined if none was lowered. */
  async truncated(graph: Graph, node: NodeInfo): Promise<bigint[] | undefined> {
    const { operation } = node;
    if (operation.op !== 'rescale') return undefined;
    const source = withoutReshape(graph, node.inputs[0] ?? -1);
    const users = new Set(
      graph.nodes.flatMap((user) =>
        sourceOf(graph, user) === source && user.operation.op !== 'lookUp' ? [user.id] : [],
      ),
    );
    users.add(node.id);
    for (const step of this.#program.steps) {
      if (step.op !== 'local' || step.operation.op !== 'field' || !users.has(step.node)) continue;
      const { input, shift } = step.operation;
      if (input.place === 'public' && shift === operation.shift) return await this.#words(input);
    }
    return undefined;
  }

  /** The public c of a look-up, less the opening's offset and the table's lower end. */
  async lookedUp(node: number): Promise<bigint[] | undefined> {
    for (const step of this.#program.steps) {
      if (step.op === 'local' && step.operation.op === 'tableLookup' && step.node === node)
        return await this.#words(step.operation.opened);
    }
    return undefined;
  }

  async keepStates(): Promise<void> {
    for (const step of this.#program.steps) {
      if (step.op === 'store' && step.value.place === 'public')
        this.#states.set(step.state, BigUint64Array.from(await this.#words(step.value)));
    }
  }

  async #words(words: Words): Promise<bigint[]> {
    const whole = await this.#value(words.value);
    return [...whole.subarray(words.start, words.start + words.length)];
  }

  async #value(id: number): Promise<BigUint64Array> {
    const known = this.#values.get(id);
    if (known !== undefined) return known;
    const value = await this.#compute(id);
    this.#values.set(id, value);
    return value;
  }

  async #compute(id: number): Promise<BigUint64Array> {
    const index = this.#producers.get(id) ?? -1;
    const step = this.#program.steps[index];
    const { wordBits } = this.#program;
    switch (step?.op) {
      case 'open':
        return this.#feeds.openings.find((opening) => opening.step === index)?.words ?? new BigUint64Array(0);
      case 'known':
        return BigUint64Array.from(this.#feeds.words[step.name] ?? []);
      case 'constant':
        return BigUint64Array.from(step.words);
      case 'load':
        return this.#states.get(step.state) ?? new BigUint64Array(0);
      case 'local': {
        // One instruction in a memory of its own.
        const { inputs } = operands(step.operation);
        const places = new Map<number, number>();
        let bytes = 0;
        for (const value of new Set([...inputs.map((input) => input.value), id])) {
          places.set(value, bytes);
          bytes += Math.ceil(((this.#program.values[value]?.length ?? 0) * 8) / 64 + 1) * 64;
        }
        const kernels = referenceKernels(wordBits);
        const memory = await kernels.allocate(bytes);
        for (const input of new Set(inputs.map((i) => i.value))) {
          const words = await this.#value(input);
          memory.write(
            { kind: 'words', offset: places.get(input) ?? 0, length: words.length },
            wordsToBytes(words),
            64,
          );
        }
        await kernels.run(memory, [toInstruction(step.operation, (value) => places.get(value) ?? 0)]);
        const length = this.#program.values[id]?.length ?? 0;
        const slot = { kind: 'words', offset: places.get(id) ?? 0, length } as const;
        const out = new Uint8Array(await memory.pack([{ slot, width: 64 }]));
        return new BigUint64Array(out.buffer);
      }
      default:
        throw new RangeError(`value ${id} is not public`);
    }
  }
}

/** The node whose opening an operation reads, as lowering picks it. */
function sourceOf(graph: Graph, user: NodeInfo): number {
  const { op } = user.operation;
  if (op === 'rescale') return withoutReshape(graph, user.inputs[0] ?? -1);
  const isReader = ['select', 'atLeast', 'isPositive', 'lookUp', 'oneHotMaximum'].includes(op);
  if (!isReader) return -1;
  const input = graph.node(user.inputs[op === 'select' ? 1 : 0] ?? -1);
  return withoutReshape(graph, input.operation.op === 'rescale' ? (input.inputs[0] ?? -1) : input.id);
}

function withoutReshape(graph: Graph, id: number): number {
  let node = graph.node(id);
  while (node.operation.op === 'reshape') node = graph.node(node.inputs[0] ?? -1);
  return node.id;
}
