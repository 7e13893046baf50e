/**
 * Lowers a traced graph to a Program by the gadgets of protocol/: picks for every operation the cheapest protocol that the
 * visibilities of its inputs allow, and shares openings between all users of a value. What everybody or one party knows is
 * computed by whoever knows it (protocol/in-the-clear.ts) and enters shares only where it meets what others know.
 * Knows nothing of rounds and buffers (schedule.ts) or of how a program is run.
 */
import { InputError, InternalError } from '../../shared/errors.ts';
import { andProducts } from '../protocol/and-products.ts';
import { digitTables, isNotNegative, isZero } from '../protocol/compare.ts';
import {
  atLeastClear,
  bitClear,
  equalsClear,
  lookUpClear,
  oneHotMaximumClear,
  roundClear,
  selectClear,
} from '../protocol/in-the-clear.ts';
import { bitToWords, selectTruncated } from '../protocol/masked-bit.ts';
import { oneHotOfMaximum } from '../protocol/maximum.ts';
import type { Masked } from '../protocol/mask.ts';
import { elementwise, multiplyMasked, multiplyPublic } from '../protocol/multiply.ts';
import type { Bilinear } from '../protocol/multiply.ts';
import { mapOpened, offsetOf, scaleOpened, shiftOpened } from '../protocol/open-shifted.ts';
import { lookUp } from '../protocol/piecewise.ts';
import type { IntervalTable } from '../protocol/piecewise.ts';
import { combineShared, completeBits, notShared, xorShared } from '../protocol/shared-value.ts';
import type { SharedBits, SharedWords } from '../protocol/shared-value.ts';
import { prepareTruncation, truncate } from '../protocol/truncate.ts';
import type { Graph, NodeInfo, Operation } from '../tensor/graph.ts';
import { sizeOf, stridesOf } from '../tensor/shape.ts';
import { ProgramBuilder } from './builder.ts';
import type { Bits, Program, Words } from './program.ts';
import { SecretBits, SecretValue } from './secret-value.ts';
import type { SecretOrigin } from './secret-value.ts';

/** A number or a bit; `clear` where everybody knows it (then it is `known`) or one party does (then it is its own share). */
type Lowered =
  | { readonly kind: 'number'; readonly value: SecretValue; readonly clear: Words | undefined }
  | { readonly kind: 'bit'; readonly value: SecretBits; readonly clear: Bits | undefined };

export interface LowerOptions {
  /** Compute parties in order. */
  readonly parties: readonly string[];
}

export function lower(graph: Graph, options: LowerOptions): Program {
  return new Lowering(graph, options).run();
}

/** Names under which the parts of a masked state are kept. */
function maskedStateNames(name: string): { opened: string; mask: string; dealerMask: string } {
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
    this.#compared = sourcesOf(graph, ['oneHotMaximum', 'atLeast', 'isPositive', 'equals', 'bitOf']);
    this.#thresholds = thresholdsOf(graph);
    this.#multiples = sharedMultiples(graph);
  }

  run(): Program {
    for (const { name, node, masked } of this.#graph.stores) {
      this.#b.tagged(this.#graph.node(node), () => this.#store(name, this.#secret(node), masked));
    }
    for (const { name, node, receivers } of this.#graph.reveals) {
      const bits = Math.min(this.#b.wordBits, Math.ceil(this.#graph.node(node).bound) + 2);
      this.#b.tagged(this.#graph.node(node), () => this.#reveal(name, node, receivers, bits));
    }
    return this.#b.finish();
  }

  /** What everybody knows is sent only to receivers that are no compute parties, by the first of them. */
  #reveal(name: string, node: number, receivers: readonly string[], bits: number): void {
    const known = this.#public(node);
    const inside = known === undefined ? [] : receivers.filter((party) => this.#parties.includes(party));
    if (known !== undefined && inside.length > 0) this.#b.reveal(known, name, inside, bits);
    const outside = receivers.filter((party) => !inside.includes(party));
    if (known === undefined || outside.length > 0) this.#b.reveal(this.#secret(node).complete(), name, outside, bits);
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

  #number(id: number): Lowered & { kind: 'number' } {
    const lowered = this.#get(id);
    if (lowered.kind === 'number') return lowered;
    throw new InternalError('bit-as-number', `A bit is used as a number in ${this.#graph.options.name}.`);
  }

  #bit(id: number): Lowered & { kind: 'bit' } {
    const lowered = this.#get(id);
    if (lowered.kind === 'bit') return lowered;
    throw new InternalError('number-as-bit', `A number is used as a bit in ${this.#graph.options.name}.`);
  }

  #secret(id: number): SecretValue {
    return this.#number(id).value;
  }

  /** What everybody knows; undefined if not everybody does. */
  #public(id: number): Words | undefined {
    const { clear } = this.#number(id);
    return clear?.place === 'known' ? clear : undefined;
  }

  /** Of a node that is not secret. */
  #clearWords(id: number): Words {
    const { clear } = this.#number(id);
    if (clear === undefined)
      throw new InternalError('not-clear', `Node ${id} of ${this.#graph.options.name} is secret.`);
    return clear;
  }

  #clearBits(id: number): Bits {
    const { clear } = this.#bit(id);
    if (clear === undefined)
      throw new InternalError('not-clear', `Node ${id} of ${this.#graph.options.name} is secret.`);
    return clear;
  }

  #zeroShare(length: number): Words {
    return this.#b.input(this.#parties[0] ?? '', ZERO_INPUT, length);
  }

  /** A secret value whose steps belong to the node's layer, whoever asks for them first. */
  #value(node: NodeInfo, make: () => SharedWords, origin?: SecretOrigin): Lowered {
    const value = new SecretValue(this.#b, () => this.#b.tagged(node, make), origin);
    return { kind: 'number', value, clear: undefined };
  }

  #bitsValue(node: NodeInfo, make: () => SharedBits): Lowered {
    return { kind: 'bit', value: new SecretBits(this.#b, () => this.#b.tagged(node, make)), clear: undefined };
  }

  /** A number that everybody or one party knows, to be used as a secret one where it has to be: its owner holds all of it. */
  #clear(node: NodeInfo, clear: Words, origin: SecretOrigin = {}): Lowered {
    const make = (): SharedWords => ({
      // A public value as a sharing: a random zero-sum is not needed, the first party holds it.
      share:
        clear.place === 'known'
          ? this.#b.combine(clear.length, [{ factors: [this.#zeroShare(clear.length)] }, { factors: [clear] }])
          : clear,
      offset: undefined,
    });
    const { visibility } = node;
    const owned = visibility.kind === 'private' ? { ...origin, owner: visibility.owner } : origin;
    return { kind: 'number', value: new SecretValue(this.#b, () => this.#b.tagged(node, make), owned), clear };
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
      throw boundTooLarge(this.#graph, node, least - this.#b.wordBits);
    }
    return bits;
  }

  /** The opening to truncate, compare or look up in: the value before a pending truncation where there is one. */
  #source(id: number): { value: SecretValue; bits: number; shift: number } {
    const node = this.#graph.node(id);
    if (node.operation.op === 'rescale' && node.visibility.kind === 'secret') {
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

  /** The same of a node that is not secret. */
  #clearSource(id: number): { words: Words; shift: number } {
    const { operation, inputs } = this.#graph.node(id);
    const [source, shift] = operation.op === 'rescale' ? [inputs[0] ?? -1, operation.shift] : [id, 0];
    // Where words could be too short for what is proved, the job's assumption stands, and is listed.
    if (this.#graph.node(source).bound > this.#b.wordBits - 2) this.#graph.workingBound(this.#graph.node(source));
    return { words: this.#clearWords(source), shift };
  }

  // ---- one node ----

  #lower(node: NodeInfo): Lowered {
    const isGadget = node.visibility.kind !== 'secret' && node.inputs.length > 0;
    const clear = isGadget ? this.#b.tagged(node, () => this.#lowerClear(node)) : undefined;
    return clear ?? this.#lowerShared(node);
  }

  /** Gadgets on what everybody or one party knows; undefined for what is local on shares too. */
  #lowerClear(node: NodeInfo): Lowered | undefined {
    const b = this.#b;
    const { operation } = node;
    const [first = -1, second = -1] = node.inputs;
    const number = (clear: Words): Lowered => this.#clear(node, clear);
    const bit = (clear: Bits): Lowered => ({
      kind: 'bit',
      // A bit that everybody knows is added by the first party, like every public contribution.
      value: new SecretBits(b, () => ({ share: clear, offset: undefined })),
      clear,
    });
    switch (operation.op) {
      case 'rescale':
        return number(roundClear(b, this.#clearWords(first), operation.shift));
      case 'atLeast':
      case 'isPositive': {
        const { words, shift } = this.#clearSource(first);
        return bit(atLeastClear(b, words, leastOf(operation, shift)));
      }
      case 'equals':
        return bit(equalsClear(b, this.#clearWords(first), operation.value));
      case 'bitOf':
        return bit(bitClear(b, this.#clearWords(first), operation.position));
      case 'and':
        return bit(b.combineBits(sizeOf(node.shape), 1, [[this.#clearBits(first), this.#clearBits(second)]]));
      case 'xor':
        return bit(b.combineBits(sizeOf(node.shape), 1, [[this.#clearBits(first)], [this.#clearBits(second)]]));
      case 'not':
        return bit(b.combineBits(sizeOf(node.shape), 1, [[this.#clearBits(first)]], 1));
      case 'select':
        return number(selectClear(b, this.#clearBits(first), this.#clearWords(second)));
      case 'bitToNumber':
        return number(b.bitsToWords(this.#clearBits(first)));
      case 'oneHotMaximum': {
        const { words } = this.#clearSource(first);
        const [candidates = 1] = node.shape;
        const rows = words.length / candidates;
        return bit(
          oneHotMaximumClear(
            b,
            Array.from({ length: candidates }, (_, i) => words.part(i * rows, rows)),
          ),
        );
      }
      case 'lookUp': {
        const { words, shift } = this.#clearSource(first);
        return number(lookUpClear(b, words, beforeTruncation(operation.table, shift)));
      }
      default:
        return undefined;
    }
  }

  #lowerShared(node: NodeInfo): Lowered {
    const b = this.#b;
    const operation = node.operation;
    const size = sizeOf(node.shape);
    const input = (i: number): number => node.inputs[i] ?? -1;
    const inputShape = (i: number): readonly number[] => this.#graph.node(input(i)).shape;
    switch (operation.op) {
      case 'input':
        if (operation.owner === undefined)
          return this.#value(node, () => ({ share: b.input(undefined, operation.name, size), offset: undefined }));
        return this.#clear(
          node,
          b.tagged(node, () => b.input(operation.owner, operation.name, size)),
        );
      case 'state':
        return this.#state(node, operation.name, operation.masked);
      case 'constant':
        return this.#clear(node, b.constant(operation.words));
      case 'known':
        return this.#clear(node, b.known(operation.name, size));
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
        return this.#map(node, (words) => b.strided(words, node.shape, permuted, 0), true);
      }
      case 'slice': {
        const strides = stridesOf(inputShape(0));
        const start = operation.begin.reduce((sum, from, axis) => sum + from * (strides[axis] ?? 1), 0);
        return this.#map(node, (words) => b.strided(words, node.shape, strides, start), false);
      }
      case 'embed': {
        const strides = stridesOf(node.shape);
        const start = operation.begin.reduce((sum, from, axis) => sum + from * (strides[axis] ?? 1), 0);
        const shape = inputShape(0);
        return this.#map(node, (words) => b.assemble(size, [{ input: words, shape, strides, start }]), false);
      }
      case 'broadcast': {
        const strides = stridesOf(inputShape(0)).map((stride, axis) => (inputShape(0)[axis] === 1 ? 0 : stride));
        return this.#map(node, (words) => b.strided(words, node.shape, strides, 0), true);
      }
      case 'sum': {
        const shape = inputShape(0);
        const outer = sizeOf(shape.slice(0, operation.axis));
        const inner = sizeOf(shape.slice(operation.axis + 1));
        return this.#map(node, (words) => b.sum(words, outer, shape[operation.axis] ?? 1, inner), false);
      }
      case 'gatherRows': {
        const index = this.#public(input(1));
        if (index === undefined) throw new InternalError('secret-index', 'Row indices must be public.');
        const inner = sizeOf(inputShape(0).slice(1));
        return this.#map(node, (words) => b.gatherRows(words, index, inner), false);
      }
      case 'unfold':
        return this.#map(
          node,
          (words) => b.unfold(words, operation.windows, node.shape[0] ?? 0, node.shape[1] ?? 0),
          true,
        );
      case 'fold':
        return this.#map(node, (words) => b.fold(words, operation.windows), false);
      case 'concat':
        return this.#concat(node, operation.axis);
      case 'rescale':
        return this.#rescale(node, operation.shift);
      case 'atLeast':
      case 'isPositive': {
        const { value, bits, shift } = this.#source(input(0));
        return this.#bitsValue(node, () => {
          const opened = value.opened(bits);
          return isNotNegative(b, value.tables(opened), shiftOpened(b, opened, leastOf(operation, shift)).c);
        });
      }
      case 'equals': {
        const value = this.#secret(input(0));
        const bits = this.#openBits(this.#graph.node(input(0)));
        return this.#bitsValue(node, () => {
          const opened = value.opened(bits);
          const c = shiftOpened(b, opened, operation.value + offsetOf(opened.bits)).c;
          return isZero(b, value.tables(opened), c);
        });
      }
      case 'bitOf': {
        const value = this.#secret(input(0));
        const bits = this.#openBits(this.#graph.node(input(0)));
        return this.#bitsValue(node, () => {
          const opened = value.opened(bits);
          const c = shiftOpened(b, opened, offsetOf(opened.bits)).c;
          // All bits above the bound are the sign.
          const position = Math.min(operation.position, opened.bits - 1);
          return isNotNegative(b, digitTables(b, opened, position), c);
        });
      }
      case 'and':
        return this.#and(node);
      case 'xor': {
        const [x, y] = [this.#bit(input(0)), this.#bit(input(1))];
        return this.#bitsValue(node, () => xorShared(b, x.value.shared(), y.value.shared()));
      }
      case 'not': {
        const { value } = this.#bit(input(0));
        return this.#bitsValue(node, () => notShared(b, value.shared()));
      }
      case 'select':
        return this.#select(node);
      case 'bitToNumber': {
        const { value } = this.#bit(input(0));
        return this.#value(node, () => ({ share: bitToWords(b, value.masked()), offset: undefined }));
      }
      case 'oneHotMaximum':
        return this.#oneHotMaximum(node);
      case 'lookUp': {
        const { value, bits, shift } = this.#source(input(0));
        const table = beforeTruncation(operation.table, shift);
        return this.#value(node, () => lookUp(b, value.opened(bits), table));
      }
    }
  }

  /** A kept value; its owner's where it was only ever stored as its own, then with its mask, if it has one. */
  #state(node: NodeInfo, name: string, masked: boolean): Lowered {
    const b = this.#b;
    const { visibility } = node;
    const size = sizeOf(node.shape);
    const owner = visibility.kind === 'private' ? visibility.owner : undefined;
    if (!masked) {
      if (owner !== undefined) return this.#clear(node, b.load(name, 'share', size, owner));
      return this.#value(node, () => ({ share: b.load(name, 'share', size), offset: undefined }));
    }
    const names = maskedStateNames(name);
    const opened = b.load(names.opened, 'public', size);
    const mask = b.load(names.mask, 'share', size, owner);
    const dealerMask = b.load(names.dealerMask, 'dealer', size);
    const share = b.add(mask, opened);
    const origin = { masked: { opened, mask, dealerMask, share } };
    if (owner !== undefined) return this.#clear(node, share, origin);
    return this.#value(node, () => ({ share, offset: undefined }), origin);
  }

  #and(node: NodeInfo): Lowered {
    const b = this.#b;
    const [x, y] = node.inputs.map((id) => this.#bit(id));
    if (x === undefined || y === undefined) throw new InternalError('no-operand', 'A product of bits has two factors.');
    const [known, other] = x.clear?.place === 'known' ? [x.clear, y.value] : [y.clear, x.value];
    if (known?.place === 'known') {
      const times = (bits: Bits): Bits => b.combineBits(bits.length, 1, [[bits, known]]);
      return this.#bitsValue(node, () => {
        const { share, offset } = other.shared();
        return { share: times(share), offset: offset === undefined ? undefined : times(offset) };
      });
    }
    return this.#bitsValue(node, () => {
      const factors = [x, y].map(({ value }) => completeBits(b, value.shared()));
      const [share] = andProducts(b, factors, [{ plus: [], products: [[0, 1]] }]);
      if (share === undefined) throw new InternalError('no-product', 'A product of bits has no result.');
      return { share, offset: undefined };
    });
  }

  /** A product with a bit or a number that everybody knows is local. */
  #select(node: NodeInfo): Lowered {
    const b = this.#b;
    const [first = -1, second = -1] = node.inputs;
    const bit = this.#bit(first);
    if (bit.clear?.place === 'known') {
      const factor = bit.clear;
      const { value } = this.#number(second);
      return this.#value(node, () => multiplyPublic(value.shared(), (words) => selectClear(b, factor, words)));
    }
    const known = this.#public(second);
    if (known !== undefined)
      return this.#value(node, () => ({
        share: b.product(bitToWords(b, bit.value.masked()), known),
        offset: undefined,
      }));
    const { value, bits, shift } = this.#source(second);
    return this.#value(node, () => {
      return { share: selectTruncated(b, bit.value.masked(), value.truncation(bits, shift)), offset: undefined };
    });
  }

  #linear(node: NodeInfo, coefficients: readonly bigint[], constant: bigint): Lowered {
    const b = this.#b;
    const size = sizeOf(node.shape);
    const shift = constant === 0n ? [] : [{ coefficient: constant, factors: [] }];
    if (node.visibility.kind !== 'secret') {
      const terms = node.inputs.map((id, i) => ({
        coefficient: coefficients[i] ?? 0n,
        factors: [this.#clearWords(id)],
      }));
      return this.#clear(
        node,
        b.tagged(node, () => b.combine(size, [...terms, ...shift])),
      );
    }
    const inputs = node.inputs.map((id, i) => ({
      coefficient: coefficients[i] ?? 0n,
      value: this.#secret(id),
      known: this.#public(id),
    }));
    const publics = inputs.flatMap(({ coefficient, known }) =>
      known === undefined ? [] : [{ coefficient, factors: [known] }],
    );
    const values = inputs.filter(({ known }) => known === undefined);
    return this.#value(node, () => {
      const sum = combineShared(
        b,
        size,
        values.map(({ coefficient, value }) => ({ coefficient, x: value.shared() })),
      );
      if (publics.length === 0 && constant === 0n) return sum;
      return { share: b.combine(size, [{ factors: [sum.share] }, ...publics, ...shift]), offset: sum.offset };
    });
  }

  #product(node: NodeInfo, bilinear: Bilinear): Lowered {
    const [first = -1, second = -1] = node.inputs;
    if (node.visibility.kind !== 'secret') {
      const pair = { a: this.#clearWords(first), b: this.#clearWords(second) };
      return this.#clear(
        node,
        this.#b.tagged(node, () => bilinear([pair])),
      );
    }
    const [left, right] = [this.#public(first), this.#public(second)];
    const [x, y] = [this.#secret(first), this.#secret(second)];
    return this.#value(node, () => {
      if (left !== undefined) return multiplyPublic(y.shared(), (words) => bilinear([{ a: left, b: words }]));
      if (right !== undefined) return multiplyPublic(x.shared(), (words) => bilinear([{ a: words, b: right }]));
      return multiplyMasked(x.masked(), y.masked(), bilinear);
    });
  }

  /** A linear map of the first input; `covers` if opening the input costs no more than opening the result. */
  #map(node: NodeInfo, map: (words: Words) => Words, covers: boolean): Lowered {
    const { value, clear } = this.#number(node.inputs[0] ?? -1);
    if (clear === undefined) return { kind: 'number', value: value.image(map, covers), clear };
    const image = { of: value, map, covers };
    return this.#clear(
      node,
      this.#b.tagged(node, () => map(clear)),
      { image },
    );
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
    const values = places.map(({ id }) => this.#secret(id));
    // Part by part, so that each keeps the mask that its own owner knows.
    const lazyMasked = (): Masked => {
      const parts = values.map((v) => v.masked());
      return {
        opened: join(parts.map((p) => p.opened)),
        mask: join(parts.map((p) => p.mask)),
        dealerMask: join(parts.map((p) => p.dealerMask)),
        share: join(parts.map((p) => p.share)),
      };
    };
    if (node.visibility.kind !== 'secret') {
      const clear = b.tagged(node, () => join(places.map(({ id }) => this.#clearWords(id))));
      return this.#clear(node, clear, { lazyMasked });
    }
    return this.#value(node, () => ({ share: join(values.map((v) => v.complete())), offset: undefined }), {
      lazyMasked,
    });
  }

  #rescale(node: NodeInfo, shift: number): Lowered {
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
    return this.#value(node, () => ({ share: truncate(b, source.truncation(bits, shift)), offset: undefined }));
  }

  #oneHotMaximum(node: NodeInfo): Lowered {
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

/** The table as it reads what stands before a truncation by `shift`. */
function beforeTruncation(table: IntervalTable, shift: number): IntervalTable {
  return {
    ...table,
    low: table.low << BigInt(shift),
    intervalBits: table.intervalBits + shift,
    offsetShift: table.offsetShift + shift,
  };
}

/** A value that needs `excess` bits more than a word has, by what is proved of it or by the job's assumption. */
function boundTooLarge({ options }: Graph, node: NodeInfo, excess: number): InputError {
  const where = node.layer === '' ? `Program ${options.name}` : `Layer ${node.layer} (${node.phase})`;
  // A table's bound is reached, so never assumed away.
  const isAssumed = node.bound > options.assumedBound && node.operation.op !== 'lookUp';
  const bound = isAssumed ? options.assumedBound : Math.ceil(node.bound);
  const bits = `${excess} bit${excess === 1 ? '' : 's'}`;
  // Its scale is some multiple of the ordinary one.
  const scales = Math.max(1, Math.round(node.scale / options.fractionBits));
  return new InputError(
    'bound-too-large',
    `${where}: ${node.operation.op} [${node.shape.join(', ')}] may reach 2^${bound} units of 2^-${node.scale}${isAssumed ? ', as the job assumes' : ''}: ${bits} more than a word of ${options.wordBits} bits has room for.`,
    {
      hint: isAssumed
        ? `A bound of ${options.assumedBound - excess} bits fits (precision.bound of a job).`
        : `It fits with ${options.fractionBits - Math.ceil(excess / scales)} fraction bits instead of ${options.fractionBits} (precision.fractionBits of a job), or with values 2^${excess} times smaller.`,
    },
  );
}

/** Reserved name of an input that is all zeros. */
const ZERO_INPUT = '';

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

/**
 * What a comparison's argument must reach, in units of what stands before a truncation by `shift` that is pending. Above zero is
 * one such unit; it needs no bit more in an opening, as values stay below their bounds in magnitude: x > -2^(bits-2).
 */
function leastOf(operation: Operation & { op: 'atLeast' | 'isPositive' }, shift: number): bigint {
  return operation.op === 'isPositive' ? 1n : operation.threshold << BigInt(shift);
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
