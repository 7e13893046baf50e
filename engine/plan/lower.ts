/**
 * Lowers a traced graph to a Program by the gadgets of protocol/: picks for every operation the cheapest protocol that the
 * visibilities of its inputs allow, and shares openings between all users of a value.
 * Knows nothing of rounds and buffers (schedule.ts) or of how a program is run.
 */
import { InputError, InternalError } from '../../shared/errors.ts';
import { andProducts } from '../protocol/and-products.ts';
import { digitTables, isNotNegative, isZero } from '../protocol/compare.ts';
import { bitToWords, selectTruncated } from '../protocol/masked-bit.ts';
import { oneHotOfMaximum } from '../protocol/maximum.ts';
import { elementwise, multiplyMasked, multiplyPublic } from '../protocol/multiply.ts';
import type { Bilinear } from '../protocol/multiply.ts';
import { mapOpened, offsetOf, scaleOpened, shiftOpened } from '../protocol/open-shifted.ts';
import { lookUp } from '../protocol/piecewise.ts';
import { combineShared, completeBits, notShared, xorShared } from '../protocol/shared-value.ts';
import type { SharedBits, SharedWords } from '../protocol/shared-value.ts';
import { prepareTruncation, truncate } from '../protocol/truncate.ts';
import type { Graph, NodeInfo, Operation } from '../tensor/graph.ts';
import { sizeOf, stridesOf } from '../tensor/shape.ts';
import { ProgramBuilder } from './builder.ts';
import type { Program, Words } from './program.ts';
import { SecretBits, SecretValue } from './secret-value.ts';
import type { SecretOrigin } from './secret-value.ts';

type Lowered =
  { kind: 'public'; words: Words } | { kind: 'secret'; value: SecretValue } | { kind: 'bits'; bits: SecretBits };

export interface LowerOptions {
  /** Compute parties in order. */
  readonly parties: readonly string[];
}

export function lower(graph: Graph, options: LowerOptions): Program {
  return new Lowering(graph, options).run();
}

/** Names under which the parts of a masked state are kept. */
export function maskedStateNames(name: string): { opened: string; mask: string; dealerMask: string } {
  return { opened: `${name}/opened`, mask: `${name}/mask`, dealerMask: `${name}/dealer-mask` };
}

class Lowering {
  readonly #graph: Graph;
  readonly #b: ProgramBuilder;
  readonly #parties: readonly string[];
  readonly #lowered = new Map<number, Lowered>();
  /** Nodes of which differences are compared: these need a bit more. */
  readonly #differences: ReadonlySet<number>;
  /** Nodes whose digits are compared: every bit more costs tables. */
  readonly #compared: ReadonlySet<number>;
  /** Largest magnitude of the thresholds that a node's openings are compared with, in units of the opening. */
  readonly #thresholds: ReadonlyMap<number, bigint>;
  /** Integer multiples whose truncations share one opening: multiple -> its base and factor. */
  readonly #multiples: ReadonlyMap<number, { base: number; factor: bigint }>;

  constructor(graph: Graph, options: LowerOptions) {
    this.#graph = graph;
    this.#parties = options.parties;
    this.#b = new ProgramBuilder({
      name: graph.options.name,
      parties: options.parties,
      wordBits: graph.options.wordBits,
    });
    this.#differences = sourcesOf(graph, ['oneHotMaximum']);
    this.#compared = sourcesOf(graph, ['oneHotMaximum', 'atLeast', 'equals', 'bitOf']);
    this.#thresholds = thresholdsOf(graph);
    this.#multiples = sharedMultiples(graph);
  }

  run(): Program {
    for (const { name, node, masked } of this.#graph.stores) {
      this.#b.tagged(this.#graph.node(node), () => this.#store(name, this.#secret(node), masked));
    }
    for (const { name, node, receivers } of this.#graph.reveals) {
      const bits = Math.min(this.#b.wordBits, Math.ceil(this.#graph.node(node).bound) + 2);
      const share = this.#secret(node).complete();
      this.#b.tagged(this.#graph.node(node), () => this.#b.reveal(share, name, receivers, bits));
    }
    return this.#b.finish();
  }

  #store(name: string, value: SecretValue, masked: boolean): void {
    if (!masked) {
      this.#b.store(name, value.complete());
      return;
    }
    const parts = value.masked();
    const names = maskedStateNames(name);
    this.#b.store(names.opened, parts.opened);
    this.#b.store(names.mask, parts.mask);
    this.#b.store(names.dealerMask, parts.dealerMask);
  }

  // ---- access to lowered nodes ----

  #get(id: number): Lowered {
    const done = this.#lowered.get(id);
    if (done !== undefined) return done;
    const node = this.#graph.node(id);
    // Inputs first, iteratively deep: graphs of thousands of layers must not overflow the stack.
    const pending = [id];
    while (pending.length > 0) {
      const top = pending[pending.length - 1] ?? id;
      const missing = this.#graph.node(top).inputs.filter((input) => !this.#lowered.has(input));
      if (missing.length > 0) pending.push(...missing);
      else {
        pending.pop();
        if (!this.#lowered.has(top)) this.#lowered.set(top, this.#lower(this.#graph.node(top)));
      }
    }
    const lowered = this.#lowered.get(id);
    if (lowered === undefined)
      throw new InternalError('not-lowered', `Node ${node.id} (${node.operation.op}) was not lowered.`);
    return lowered;
  }

  #secret(id: number): SecretValue {
    const lowered = this.#get(id);
    if (lowered.kind === 'secret') return lowered.value;
    if (lowered.kind === 'public') {
      const words = lowered.words;
      // A public value as a sharing: a random zero-sum is not needed, the first party holds it.
      return new SecretValue(this.#b, () => ({
        share: this.#b.combine(words.length, [{ factors: [this.#zeroShare(words.length)] }, { factors: [words] }]),
        offset: undefined,
      }));
    }
    throw new InternalError('bit-as-number', `A bit is used as a number in ${this.#graph.options.name}.`);
  }

  #zeroShare(length: number): Words {
    return this.#b.input(this.#parties[0] ?? '', ZERO_INPUT, length);
  }

  #bits(id: number): SecretBits {
    const lowered = this.#get(id);
    if (lowered.kind !== 'bits')
      throw new InternalError('number-as-bit', `A number is used as a bit in ${this.#graph.options.name}.`);
    return lowered.bits;
  }

  /** A secret value whose steps belong to the node's layer, whoever asks for them first. */
  #value(node: NodeInfo, make: () => SharedWords, origin?: SecretOrigin): SecretValue {
    return new SecretValue(this.#b, () => this.#b.tagged(node, make), origin);
  }

  #bitsValue(node: NodeInfo, make: () => SharedBits): SecretBits {
    return new SecretBits(this.#b, () => this.#b.tagged(node, make));
  }

  /** Bits by which what is compared may be larger than the node: a difference of two, or of one and a threshold. */
  #slack(node: NodeInfo): number {
    const threshold = Number(this.#thresholds.get(node.id) ?? 0n);
    const beyond = Math.log2(1 + threshold / 2 ** Math.min(node.bound, this.#graph.options.assumedBound));
    return this.#differences.has(node.id) ? Math.max(1, beyond) : beyond;
  }

  /** Bits of the opening of a node: its working bound (of its differences where those are compared) and two of headroom. */
  #openBits(node: NodeInfo): number {
    const least = Math.ceil(this.#graph.workingBound(node, this.#slack(node))) + 2;
    // Links carry whole bytes: a value that is not compared uses them up, which shortens its truncation's corrections.
    const bits = this.#compared.has(node.id) ? least : Math.min(this.#b.wordBits, Math.ceil(least / 8) * 8);
    if (least > this.#b.wordBits) {
      throw new InputError(
        'bound-too-large',
        `${node.layer || this.#graph.options.name}: a value of ${Math.ceil(node.bound)} bits (${node.operation.op}) leaves no room in ${this.#b.wordBits}-bit words.`,
        { hint: 'Use fewer fraction bits or scale the data down.' },
      );
    }
    return bits;
  }

  /** The opening to truncate, compare or look up in: the value before a pending truncation where there is one. */
  #source(id: number): { value: SecretValue; bits: number; shift: number } {
    const node = this.#graph.node(id);
    if (node.operation.op === 'rescale') {
      const inner = node.inputs[0] ?? -1;
      const below = this.#multiples.get(inner) === undefined ? inner : -1;
      if (below >= 0) {
        return {
          value: this.#secret(below),
          bits: this.#openBits(this.#graph.node(below)),
          shift: node.operation.shift,
        };
      }
    }
    return { value: this.#secret(id), bits: this.#openBits(node), shift: 0 };
  }

  // ---- one node ----

  #lower(node: NodeInfo): Lowered {
    const b = this.#b;
    const operation = node.operation;
    const size = sizeOf(node.shape);
    const input = (i: number): number => node.inputs[i] ?? -1;
    const inputShape = (i: number): readonly number[] => this.#graph.node(input(i)).shape;
    switch (operation.op) {
      case 'input':
        return {
          kind: 'secret',
          value: this.#value(
            node,
            () => ({ share: b.input(operation.owner, operation.name, size), offset: undefined }),
            { owner: operation.owner },
          ),
        };
      case 'state':
        return { kind: 'secret', value: this.#state(operation.name, operation.masked, size) };
      case 'constant':
        return { kind: 'public', words: b.constant(operation.words) };
      case 'known':
        return { kind: 'public', words: b.known(operation.name, size) };
      case 'linear':
        return this.#linear(node, operation.coefficients, operation.constant);
      case 'multiply':
        return this.#product(node, (pairs) => elementwise(b, size)(pairs));
      case 'matmul': {
        const { batch, m, k, n, transposeA, transposeB } = operation;
        return this.#product(node, (pairs) => b.matmul(pairs, { batch, m, k, n, transposeA, transposeB }));
      }
      case 'reshape':
        return this.#get(input(0));
      case 'transpose': {
        const strides = stridesOf(inputShape(0));
        const permuted = operation.permutation.map((axis) => strides[axis] ?? 1);
        return this.#map(input(0), (words) => b.strided(words, node.shape, permuted, 0), true);
      }
      case 'slice': {
        const strides = stridesOf(inputShape(0));
        const start = operation.begin.reduce((sum, from, axis) => sum + from * (strides[axis] ?? 1), 0);
        return this.#map(input(0), (words) => b.strided(words, node.shape, strides, start), false);
      }
      case 'embed': {
        const strides = stridesOf(node.shape);
        const start = operation.begin.reduce((sum, from, axis) => sum + from * (strides[axis] ?? 1), 0);
        const shape = inputShape(0);
        return this.#map(input(0), (words) => b.assemble(size, [{ input: words, shape, strides, start }]), false);
      }
      case 'broadcast': {
        const strides = stridesOf(inputShape(0)).map((stride, axis) => (inputShape(0)[axis] === 1 ? 0 : stride));
        return this.#map(input(0), (words) => b.strided(words, node.shape, strides, 0), true);
      }
      case 'sum': {
        const shape = inputShape(0);
        const outer = sizeOf(shape.slice(0, operation.axis));
        const inner = sizeOf(shape.slice(operation.axis + 1));
        return this.#map(input(0), (words) => b.sum(words, outer, shape[operation.axis] ?? 1, inner), false);
      }
      case 'gatherRows': {
        const index = this.#get(input(1));
        if (index.kind !== 'public') throw new InternalError('secret-index', 'Row indices must be public.');
        const inner = sizeOf(inputShape(0).slice(1));
        return this.#map(input(0), (words) => b.gatherRows(words, index.words, inner), false);
      }
      case 'unfold':
        return this.#map(
          input(0),
          (words) => b.unfold(words, operation.windows, node.shape[0] ?? 0, node.shape[1] ?? 0),
          true,
        );
      case 'fold':
        return this.#map(input(0), (words) => b.fold(words, operation.windows), false);
      case 'concat':
        return this.#concat(node, operation.axis);
      case 'rescale':
        return { kind: 'secret', value: this.#rescale(node, operation.shift) };
      case 'atLeast': {
        const { value, bits, shift } = this.#source(input(0));
        const threshold = operation.threshold << BigInt(shift);
        return {
          kind: 'bits',
          bits: this.#bitsValue(node, () => {
            const opened = value.opened(bits);
            return isNotNegative(b, value.tables(opened), shiftOpened(b, opened, threshold).c);
          }),
        };
      }
      case 'equals': {
        const value = this.#secret(input(0));
        const bits = this.#openBits(this.#graph.node(input(0)));
        return {
          kind: 'bits',
          bits: this.#bitsValue(node, () => {
            const opened = value.opened(bits);
            const c = shiftOpened(b, opened, operation.value + offsetOf(opened.bits)).c;
            return isZero(b, value.tables(opened), c);
          }),
        };
      }
      case 'bitOf': {
        const value = this.#secret(input(0));
        const bits = this.#openBits(this.#graph.node(input(0)));
        return {
          kind: 'bits',
          bits: this.#bitsValue(node, () => {
            const opened = value.opened(bits);
            const c = shiftOpened(b, opened, offsetOf(opened.bits)).c;
            // All bits above the bound are the sign.
            const position = Math.min(operation.position, opened.bits - 1);
            return isNotNegative(b, digitTables(b, opened, position), c);
          }),
        };
      }
      case 'and': {
        const [x, y] = [this.#bits(input(0)), this.#bits(input(1))];
        return {
          kind: 'bits',
          bits: this.#bitsValue(node, () => {
            const factors = [x, y].map((bit) => completeBits(b, bit.shared()));
            const [share] = andProducts(b, factors, [{ plus: [], products: [[0, 1]] }]);
            if (share === undefined) throw new InternalError('no-product', 'A product of bits has no result.');
            return { share, offset: undefined };
          }),
        };
      }
      case 'xor': {
        const [x, y] = [this.#bits(input(0)), this.#bits(input(1))];
        return { kind: 'bits', bits: this.#bitsValue(node, () => xorShared(b, x.shared(), y.shared())) };
      }
      case 'not': {
        const x = this.#bits(input(0));
        return { kind: 'bits', bits: this.#bitsValue(node, () => notShared(b, x.shared())) };
      }
      case 'select': {
        const bit = this.#bits(input(0));
        const { value, bits, shift } = this.#source(input(1));
        return {
          kind: 'secret',
          value: this.#value(node, () => {
            return { share: selectTruncated(b, bit.masked(), value.truncation(bits, shift)), offset: undefined };
          }),
        };
      }
      case 'bitToNumber': {
        const bit = this.#bits(input(0));
        return {
          kind: 'secret',
          value: this.#value(node, () => ({ share: bitToWords(b, bit.masked()), offset: undefined })),
        };
      }
      case 'oneHotMaximum':
        return { kind: 'bits', bits: this.#oneHotMaximum(node) };
      case 'lookUp': {
        const { value, bits, shift } = this.#source(input(0));
        const table =
          shift === 0
            ? operation.table
            : {
                ...operation.table,
                low: operation.table.low << BigInt(shift),
                intervalBits: operation.table.intervalBits + shift,
                offsetShift: operation.table.offsetShift + shift,
              };
        return {
          kind: 'secret',
          value: this.#value(node, () => {
            return lookUp(b, value.opened(bits), table);
          }),
        };
      }
    }
  }

  #state(name: string, masked: boolean, size: number): SecretValue {
    const b = this.#b;
    if (!masked) return new SecretValue(b, () => ({ share: b.load(name, 'share', size), offset: undefined }));
    const names = maskedStateNames(name);
    const opened = b.load(names.opened, 'public', size);
    const mask = b.load(names.mask, 'share', size);
    const dealerMask = b.load(names.dealerMask, 'dealer', size);
    const share = b.add(mask, opened);
    return new SecretValue(b, () => ({ share, offset: undefined }), { masked: { opened, mask, dealerMask, share } });
  }

  #linear(node: NodeInfo, coefficients: readonly bigint[], constant: bigint): Lowered {
    const b = this.#b;
    const size = sizeOf(node.shape);
    const inputs = node.inputs.map((id) => this.#get(id));
    if (inputs.every((x) => x.kind === 'public')) {
      const terms = inputs.flatMap((x, i) =>
        x.kind === 'public' ? [{ coefficient: coefficients[i] ?? 0n, factors: [x.words] }] : [],
      );
      return { kind: 'public', words: b.combine(size, [...terms, { coefficient: constant, factors: [] }]) };
    }
    const secrets = inputs.flatMap((x, i) =>
      x.kind === 'public' ? [] : [{ coefficient: coefficients[i] ?? 0n, id: node.inputs[i] ?? -1 }],
    );
    const publics = inputs.flatMap((x, i) =>
      x.kind === 'public' ? [{ coefficient: coefficients[i] ?? 0n, factors: [x.words] }] : [],
    );
    const values = secrets.map(({ coefficient, id }) => ({ coefficient, value: this.#secret(id) }));
    return {
      kind: 'secret',
      value: this.#value(node, () => {
        const sum = combineShared(
          b,
          size,
          values.map(({ coefficient, value }) => ({ coefficient, x: value.shared() })),
        );
        if (publics.length === 0 && constant === 0n) return sum;
        const shift = constant === 0n ? publics : [...publics, { coefficient: constant, factors: [] }];
        return { share: b.combine(size, [{ factors: [sum.share] }, ...shift]), offset: sum.offset };
      }),
    };
  }

  #product(node: NodeInfo, bilinear: Bilinear): Lowered {
    const [left, right] = [this.#get(node.inputs[0] ?? -1), this.#get(node.inputs[1] ?? -1)];
    if (left.kind === 'bits' || right.kind === 'bits')
      throw new InternalError('bit-product', 'Bits are multiplied by select.');
    if (left.kind === 'public' && right.kind === 'public') {
      return { kind: 'public', words: bilinear([{ a: left.words, b: right.words }]) };
    }
    return {
      kind: 'secret',
      value: this.#value(node, () => {
        if (left.kind === 'public') {
          return multiplyPublic(this.#secret(node.inputs[1] ?? -1).shared(), (words) =>
            bilinear([{ a: left.words, b: words }]),
          );
        }
        if (right.kind === 'public') {
          return multiplyPublic(left.value.shared(), (words) => bilinear([{ a: words, b: right.words }]));
        }
        return multiplyMasked(left.value.masked(), right.value.masked(), bilinear);
      }),
    };
  }

  /** A linear map of one input; `covers` if opening the input costs no more than opening the result. */
  #map(id: number, map: (words: Words) => Words, covers: boolean): Lowered {
    const lowered = this.#get(id);
    if (lowered.kind === 'public') return { kind: 'public', words: map(lowered.words) };
    if (lowered.kind === 'bits') throw new InternalError('bit-map', 'Bits keep their shape.');
    return { kind: 'secret', value: lowered.value.image(map, covers) };
  }

  #concat(node: NodeInfo, axis: number): Lowered {
    const b = this.#b;
    const strides = stridesOf(node.shape);
    const size = sizeOf(node.shape);
    let from = 0;
    const places = node.inputs.map((id) => {
      const shape = this.#graph.node(id).shape;
      const start = from * (strides[axis] ?? 1);
      from += shape[axis] ?? 0;
      return { id, shape, start };
    });
    const join = (parts: readonly Words[]): Words =>
      b.assemble(
        size,
        parts.map((input, i) => ({ input, shape: places[i]?.shape ?? [], strides, start: places[i]?.start ?? 0 })),
      );
    const inputs = places.map(({ id }) => this.#get(id));
    if (inputs.every((x) => x.kind === 'public'))
      return { kind: 'public', words: join(inputs.flatMap((x) => (x.kind === 'public' ? [x.words] : []))) };
    const values = places.map(({ id }) => this.#secret(id));
    return {
      kind: 'secret',
      value: this.#value(node, () => ({ share: join(values.map((v) => v.complete())), offset: undefined }), {
        // Part by part, so that each keeps the mask that its own owner knows.
        lazyMasked: () => {
          const parts = values.map((v) => v.masked());
          return {
            opened: join(parts.map((p) => p.opened)),
            mask: join(parts.map((p) => p.mask)),
            dealerMask: join(parts.map((p) => p.dealerMask)),
            share: join(parts.map((p) => p.share)),
          };
        },
      }),
    };
  }

  #rescale(node: NodeInfo, shift: number): SecretValue {
    const b = this.#b;
    const inner = node.inputs[0] ?? -1;
    const multiple = this.#multiples.get(inner);
    if (multiple !== undefined) {
      const base = this.#secret(multiple.base);
      return this.#value(node, () => {
        this.#openBits(this.#graph.node(inner));
        const opened = base.opened(b.wordBits);
        const scaled = multiple.factor === 1n ? opened : scaleOpened(b, opened, multiple.factor);
        return { share: truncate(b, prepareTruncation(b, scaled, shift)), offset: undefined };
      });
    }
    const source = this.#secret(inner);
    const bits = this.#openBits(this.#graph.node(inner));
    return this.#value(node, () => {
      return { share: truncate(b, source.truncation(bits, shift)), offset: undefined };
    });
  }

  #oneHotMaximum(node: NodeInfo): SecretBits {
    const b = this.#b;
    const { value, bits } = this.#source(node.inputs[0] ?? -1);
    const candidates = node.shape[0] ?? 1;
    const rows = sizeOf(node.shape.slice(1));
    return this.#bitsValue(node, () => {
      const opened = value.opened(bits);
      const winners = oneHotOfMaximum(
        b,
        Array.from({ length: candidates }, (_, i) => mapOpened(opened, (words) => words.part(i * rows, rows))),
      );
      return { share: b.joinBits(b.stackBits(winners.map((w) => w.share))), offset: undefined };
    });
  }
}

/** Reserved name of an input that is all zeros. */
export const ZERO_INPUT = '';

/** Numbers that operations of these kinds take, and what stands before their pending truncations. */
function sourcesOf(graph: Graph, kinds: readonly Operation['op'][]): Set<number> {
  const nodes = new Set<number>();
  for (const node of graph.nodes) {
    if (!kinds.includes(node.operation.op)) continue;
    const input = graph.node(node.inputs[0] ?? -1);
    nodes.add(input.id);
    if (input.operation.op === 'rescale') nodes.add(input.inputs[0] ?? -1);
  }
  return nodes;
}

/** Largest threshold of every node that is compared, itself or its truncation, with public numbers. */
function thresholdsOf(graph: Graph): Map<number, bigint> {
  const largest = new Map<number, bigint>();
  const note = (id: number, threshold: bigint): void => {
    const magnitude = threshold < 0n ? -threshold : threshold;
    if (magnitude > (largest.get(id) ?? 0n)) largest.set(id, magnitude);
  };
  for (const node of graph.nodes) {
    if (node.operation.op !== 'atLeast' && node.operation.op !== 'equals') continue;
    const input = graph.node(node.inputs[0] ?? -1);
    if (node.operation.op === 'equals') note(input.id, node.operation.value);
    if (node.operation.op !== 'atLeast') continue;
    note(input.id, node.operation.threshold);
    if (input.operation.op === 'rescale')
      note(input.inputs[0] ?? -1, node.operation.threshold << BigInt(input.operation.shift));
  }
  return largest;
}

/**
 * Truncations of different integer multiples of one value (momentum and weight update) share one opening of whole words
 * (corrections M4). Returns every input of a rescale that belongs to such a group.
 */
function sharedMultiples(graph: Graph): Map<number, { base: number; factor: bigint }> {
  const groups = new Map<number, { id: number; factor: bigint }[]>();
  const seen = new Set<number>();
  for (const node of graph.nodes) {
    if (node.operation.op !== 'rescale') continue;
    const id = node.inputs[0] ?? -1;
    if (seen.has(id)) continue;
    seen.add(id);
    const input = graph.node(id);
    const single = input.operation.op === 'linear' && input.inputs.length === 1 && input.operation.constant === 0n;
    const base = single ? (input.inputs[0] ?? id) : id;
    const factor = single && input.operation.op === 'linear' ? (input.operation.coefficients[0] ?? 1n) : 1n;
    groups.set(base, [...(groups.get(base) ?? []), { id, factor }]);
  }
  const multiples = new Map<number, { base: number; factor: bigint }>();
  for (const [base, members] of groups) {
    if (members.length < 2 || !members.some((m) => m.factor !== 1n)) continue;
    for (const { id, factor } of members) multiples.set(id, { base, factor });
  }
  return multiples;
}
