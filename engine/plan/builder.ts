/**
 * Emits a Program step by step; protocol gadgets are written against it. It decides where a result lives, and whose it is, from
 * where its inputs live, refuses what no place can compute (share times share, unless one party owns both), and remembers dealt
 * values so that none is dealt twice.
 * Knows nothing of rounds, buffers or sockets.
 */
import { InternalError } from '../../shared/errors.ts';
import type { Windows } from '../kernels/kernels.ts';
import { Bits, Words, operands } from './program.ts';
import type { LocalOperation, Place, Program, Step, StepBody, Tag, ValueInfo } from './program.ts';

export interface TermSpec {
  readonly coefficient?: bigint;
  readonly factors: readonly (Words | { readonly words: Words; readonly repeat: 'cycle' | 'stretch' })[];
}

export interface BuilderOptions {
  readonly name: string;
  readonly parties: readonly string[];
  readonly wordBits: number;
}

export class ProgramBuilder {
  readonly name: string;
  readonly parties: readonly string[];
  readonly wordBits: number;
  readonly #values: ValueInfo[] = [];
  readonly #steps: Step[] = [];
  readonly #dealt = new Map<string, Words | Bits>();
  readonly #constants = new Map<string, Words>();
  readonly #loaded = new Set<number>();
  #tag: Tag = { layer: '', phase: '' };
  #node = -1;

  constructor(options: BuilderOptions) {
    this.name = options.name;
    this.parties = options.parties;
    this.wordBits = options.wordBits;
  }

  /** Steps emitted inside belong to this graph node's layer and phase, except those of nested calls. */
  tagged<T>(node: Tag & { readonly id: number }, emit: () => T): T {
    const [outerTag, outerNode] = [this.#tag, this.#node];
    // Copied: bounds of nodes are floating-point numbers, and must not get into the plan's digest.
    this.#tag = { layer: node.layer, phase: node.phase };
    this.#node = node.id;
    try {
      return emit();
    } finally {
      this.#tag = outerTag;
      this.#node = outerNode;
    }
  }

  finish(): Program {
    return {
      name: this.name,
      parties: this.parties,
      wordBits: this.wordBits,
      values: this.#values,
      steps: this.#steps,
    };
  }

  // ---- values ----

  #words(place: Place, length: number, owner?: string): Words {
    this.#values.push({ kind: 'words', place, length, planes: 1, ...(owner === undefined ? {} : { owner }) });
    return new Words(this.#values.length - 1, place, 0, length);
  }

  #bits(place: Place, length: number, planes: number, owner?: string): Bits {
    this.#values.push({ kind: 'bits', place, length, planes, ...(owner === undefined ? {} : { owner }) });
    return new Bits(this.#values.length - 1, place, length, 0, planes);
  }

  /** A result of a local operation on these inputs. */
  #wordsFrom(inputs: readonly (Words | Bits)[], length: number): Words {
    return this.#words(this.#placeOf(inputs), length, this.#ownerOf(inputs));
  }

  #bitsFrom(inputs: readonly (Words | Bits)[], length: number, planes: number): Bits {
    return this.#bits(this.#placeOf(inputs), length, planes, this.#ownerOf(inputs));
  }

  #emit(step: StepBody): void {
    this.#steps.push({ ...step, tag: this.#tag, node: this.#node });
  }

  #local(operation: LocalOperation): void {
    this.#emit({ op: 'local', operation });
  }

  // ---- sources ----

  /** A mask of `length` uniform ring words: PRG shares at the parties, their sum at the dealer. No bytes dealt. */
  random(length: number): { share: Words; dealer: Words } {
    const share = this.#words('share', length);
    const dealer = this.#words('dealer', length);
    this.#emit({ op: 'random', share: share.value, dealer: dealer.value });
    return { share, dealer };
  }

  /** Uniform XOR-shared bits. No bytes dealt. */
  randomBits(length: number, planes: number): { share: Bits; dealer: Bits } {
    const share = this.#bits('share', length, planes);
    const dealer = this.#bits('dealer', length, planes);
    this.#emit({ op: 'random', share: share.value, dealer: dealer.value });
    return { share, dealer };
  }

  ownerMask(owner: string, length: number): { share: Words; dealer: Words } {
    this.#require(this.parties.includes(owner), 'the owner of a mask computes');
    const share = this.#words('share', length, owner);
    const dealer = this.#words('dealer', length);
    this.#emit({ op: 'ownerMask', owner, share: share.value, dealer: dealer.value });
    return { share, dealer };
  }

  /** Shares of a dealer's words, right mod 2^width (all of the ring if not given). */
  deal(dealer: Words, width = this.wordBits): Words {
    const key = `w${dealer.value}:${dealer.start}:${dealer.length}:${width}`;
    const known = this.#dealt.get(key);
    if (known instanceof Words) return known;
    this.#require(dealer.place === 'dealer', 'only the dealer deals');
    const share = this.#words('share', dealer.length);
    this.#emit({ op: 'deal', dealer, share: share.value, width });
    this.#dealt.set(key, share);
    return share;
  }

  dealBits(dealer: Bits): Bits {
    const key = `b${dealer.value}:${dealer.start}:${dealer.planes}`;
    const known = this.#dealt.get(key);
    if (known instanceof Bits) return known;
    this.#require(dealer.place === 'dealer', 'only the dealer deals');
    const share = this.#bits('share', dealer.length, dealer.planes);
    this.#emit({ op: 'deal', dealer, share: share.value, width: 1 });
    this.#dealt.set(key, share);
    return share;
  }

  /** Plaintext words of one party, as a sharing in which all other shares are zero; or shares of all parties. Costs nothing. */
  input(owner: string | undefined, name: string, length: number): Words {
    this.#require(owner === undefined || this.parties.includes(owner), 'the owner of an input computes');
    const share = this.#words('share', length, owner);
    this.#emit({ op: 'input', owner, name, share: share.value });
    return share;
  }

  known(name: string, length: number): Words {
    const known = this.#words('known', length);
    this.#emit({ op: 'known', name, known: known.value });
    return known;
  }

  constant(words: readonly bigint[]): Words {
    const wrapped = words.map((word) => BigInt.asUintN(this.wordBits, word));
    const key = wrapped.join(',');
    const existing = this.#constants.get(key);
    if (existing !== undefined) return existing;
    const known = this.#words('known', wrapped.length);
    this.#emit({ op: 'constant', words: wrapped, known: known.value });
    this.#constants.set(key, known);
    return known;
  }

  load(state: string, place: Place, length: number, owner?: string): Words {
    const value = this.#words(place, length, owner);
    this.#emit({ op: 'load', state, value: value.value });
    this.#loaded.add(value.value);
    return value;
  }

  store(state: string, value: Words): void {
    // States are written one after the other at the end: what is read from another state is copied before.
    const copy = this.#loaded.has(value.value) ? this.affine(value, 1n) : value;
    this.#emit({ op: 'store', state, value: copy });
  }

  // ---- openings ----

  open(share: Words, width = this.wordBits, from?: string): Words {
    this.#require(share.place === 'share', 'only shares are opened');
    const opened = this.#words('public', share.length);
    this.#emit({ op: 'open', share, opened: opened.value, width, from });
    return opened;
  }

  openBits(share: Bits): Bits {
    this.#require(share.place === 'share', 'only shares are opened');
    const opened = this.#bits('public', share.length, share.planes);
    this.#emit({ op: 'open', share, opened: opened.value, width: 1, from: undefined });
    return opened;
  }

  /** Reveals a value whose signed form has at most `width` bits; nothing above leaves a party. */
  reveal(share: Words, name: string, receivers: readonly string[], width: number): void {
    this.#emit({ op: 'reveal', share, name, receivers, width, from: this.#ownerOf([share]) });
  }

  // ---- local operations on words ----

  /** Sum of products; factors shorter than `length` are repeated (cycle unless said). At most one share a term, or one owner's. */
  combine(length: number, terms: readonly TermSpec[]): Words {
    const full = terms.map((term) => ({
      coefficient: BigInt.asUintN(this.wordBits, term.coefficient ?? 1n),
      factors: term.factors.map((factor) =>
        factor instanceof Words
          ? { slot: factor, repeat: 'cycle' as const }
          : { slot: factor.words, repeat: factor.repeat },
      ),
    }));
    for (const term of full) this.#requireLocalProduct(term.factors.map((factor) => factor.slot));
    const out = this.#wordsFrom(
      full.flatMap((term) => term.factors.map((f) => f.slot)),
      length,
    );
    this.#local({ op: 'combine', out, terms: full });
    return out;
  }

  add(a: Words, b: Words): Words {
    return this.combine(Math.max(a.length, b.length), [{ factors: [a] }, { factors: [b] }]);
  }

  subtract(a: Words, b: Words): Words {
    return this.combine(Math.max(a.length, b.length), [{ factors: [a] }, { coefficient: -1n, factors: [b] }]);
  }

  /** coefficient * a + constant, elementwise. */
  affine(a: Words, coefficient: bigint, constant = 0n): Words {
    const terms: TermSpec[] = [{ coefficient, factors: [a] }];
    if (constant !== 0n) terms.push({ coefficient: constant, factors: [] });
    return this.combine(a.length, terms);
  }

  /** Elementwise product; at most one factor is a share. */
  product(a: Words, b: Words): Words {
    return this.combine(Math.max(a.length, b.length), [{ factors: [a, b] }]);
  }

  strided(input: Words, shape: readonly number[], strides: readonly number[], start: number): Words {
    const out = this.#wordsFrom([input], count(shape));
    this.#local({ op: 'strided', out, input, shape, strides, start });
    return out;
  }

  assemble(
    length: number,
    parts: readonly { input: Words; shape: readonly number[]; strides: readonly number[]; start: number }[],
  ): Words {
    const out = this.#wordsFrom(
      parts.map((part) => part.input),
      length,
    );
    this.#local({ op: 'assemble', out, parts });
    return out;
  }

  gatherRows(input: Words, index: Words, inner: number): Words {
    this.#require(index.place === 'known' || this.#isClear(index), 'row indices are known to all, or to one party');
    const out = this.#wordsFrom([input, index], index.length * inner);
    this.#local({ op: 'gatherRows', out, input, index, inner });
    return out;
  }

  matmul(
    pairs: readonly { a: Words; b: Words }[],
    sizes: { batch: number; m: number; k: number; n: number; transposeA: boolean; transposeB: boolean },
  ): Words {
    for (const { a, b } of pairs) this.#requireLocalProduct([a, b]);
    const out = this.#wordsFrom(
      pairs.flatMap(({ a, b }) => [a, b]),
      sizes.batch * sizes.m * sizes.n,
    );
    this.#local({ op: 'matmul', out, pairs, ...sizes });
    return out;
  }

  sum(input: Words, outer: number, size: number, inner: number): Words {
    const out = this.#wordsFrom([input], outer * inner);
    this.#local({ op: 'sum', out, input, outer, count: size, inner });
    return out;
  }

  field(input: Words, shift: number, width: number): Words {
    this.#require(this.#isClear(input), 'bits of a share are not shares of bits');
    const out = this.#wordsFrom([input], input.length);
    this.#local({ op: 'field', out, input, shift, width });
    return out;
  }

  /** zero + (bit `top` of opened) * wrap * 2^lift. */
  wrap(opened: Words, top: number, zero: Words, wrap: Words, lift: number): Words {
    const out = this.#words('share', opened.length);
    this.#local({ op: 'wrap', out, opened, top, zero, wrap, lift });
    return out;
  }

  oneHotWords(input: Words, shift: number, bits: number): Words {
    const out = this.#words(input.place, input.length * 2 ** bits);
    this.#local({ op: 'oneHotWords', out, input, shift, bits });
    return out;
  }

  tableLookup(opened: Words, oneHot: Words, table: Words, polynomials: number, shift: number, bits: number): Words {
    const out = this.#words('share', polynomials * opened.length);
    this.#local({ op: 'tableLookup', out, opened, oneHot, table, polynomials, shift, bits });
    return out;
  }

  selectMasked(v: Bits, value: Words, masked: Words): Words {
    const out = this.#words('share', value.length);
    this.#local({ op: 'selectMasked', out, v, value, masked });
    return out;
  }

  unfold(input: Words, windows: Windows, rows: number, columns: number): Words {
    const out = this.#wordsFrom([input], rows * columns);
    this.#local({ op: 'unfold', out, input, windows });
    return out;
  }

  fold(input: Words, windows: Windows): Words {
    const out = this.#wordsFrom([input], windows.batch * windows.channels * windows.height * windows.width);
    this.#local({ op: 'fold', out, input, windows });
    return out;
  }

  // ---- local operations on bits ----

  bitPlanes(input: Words, from: number, planes: number): Bits {
    this.#require(this.#isClear(input), 'bits of a share are not shares of bits');
    const out = this.#bitsFrom([input], input.length, planes);
    this.#local({ op: 'bitPlanes', out, input, from });
    return out;
  }

  bitsToWords(input: Bits): Words {
    this.#require(this.#isClear(input), 'XOR shares are not additive shares');
    const out = this.#wordsFrom([input], input.length);
    this.#local({ op: 'bitsToWords', out, input });
    return out;
  }

  /** XOR of ANDs; at most one share a term, or one owner's. */
  combineBits(length: number, planes: number, terms: readonly (readonly Bits[])[], constant: 0 | 1 = 0): Bits {
    for (const factors of terms) this.#requireLocalProduct(factors);
    const out = this.#bitsFrom(terms.flat(), length, planes);
    this.#local({ op: 'combineBits', out, terms: terms.map((factors) => ({ factors })), constant });
    return out;
  }

  stackBits(inputs: readonly Bits[]): Bits {
    const out = this.#bitsFrom(
      inputs,
      inputs[0]?.length ?? 0,
      inputs.reduce((planes, input) => planes + input.planes, 0),
    );
    this.#local({ op: 'stackBits', out, inputs });
    return out;
  }

  /** Cuts one plane of planes * length bits into planes. */
  splitBits(input: Bits, planes: number): Bits {
    const out = this.#bitsFrom([input], input.length / planes, planes);
    this.#local({ op: 'splitBits', out, input });
    return out;
  }

  /** The planes end to end as one plane. */
  joinBits(input: Bits): Bits {
    const out = this.#bitsFrom([input], input.length * input.planes, 1);
    this.#local({ op: 'joinBits', out, input });
    return out;
  }

  digitLookup(digit: Bits, table: Bits): { less: Bits; equal: Bits } {
    const less = this.#bits('share', digit.length, 1);
    const equal = this.#bits('share', digit.length, 1);
    this.#local({ op: 'digitLookup', less, equal, digit, table, first: true });
    return { less, equal };
  }

  oneHotBits(input: Bits): Bits {
    this.#require(input.place === 'dealer', 'one-hot digits are the dealer’s');
    const out = this.#bits('dealer', input.length, 2 ** input.planes - 1);
    this.#local({ op: 'oneHotBits', out, input });
    return out;
  }

  // ---- places ----

  #placeOf(inputs: readonly (Words | Bits)[]): Place {
    const has = (place: Place): boolean => inputs.some((input) => input.place === place);
    if (has('dealer')) {
      this.#require(!has('share') && !has('public'), 'the dealer never sees openings or shares');
      return 'dealer';
    }
    if (has('share')) return 'share';
    return has('public') ? 'public' : 'known';
  }

  /** The party that owns all shares among the inputs. */
  #ownerOf(inputs: readonly (Words | Bits)[]): string | undefined {
    const [first, ...rest] = inputs.flatMap(({ place, value }) =>
      place === 'share' ? [this.#values[value]?.owner] : [],
    );
    return rest.every((owner) => owner === first) ? first : undefined;
  }

  /** Whether somebody holds the value itself, rather than every party a share. */
  #isClear(input: Words | Bits): boolean {
    return input.place !== 'share' || this.#ownerOf([input]) !== undefined;
  }

  #requireLocalProduct(factors: readonly (Words | Bits)[]): void {
    const shares = factors.filter(({ place }) => place === 'share');
    this.#require(shares.length <= 1 || this.#ownerOf(shares) !== undefined, 'a product of two shares is not local');
  }

  #require(condition: boolean, message: string): void {
    if (!condition) throw new InternalError('gadget-misuse', `A gadget of program ${this.name} is wrong: ${message}.`);
  }
}

export function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Used by the planner: values a step defines and reads. */
export function stepValues(step: StepBody): { defines: number[]; reads: number[] } {
  switch (step.op) {
    case 'local': {
      const { inputs, outputs } = operands(step.operation);
      return { defines: outputs.map((o) => o.value), reads: inputs.map((i) => i.value) };
    }
    case 'random':
    case 'ownerMask':
      return { defines: [step.share, step.dealer], reads: [] };
    case 'deal':
      return { defines: [step.share], reads: [step.dealer.value] };
    case 'open':
      return { defines: [step.opened], reads: [step.share.value] };
    case 'reveal':
      return { defines: [], reads: [step.share.value] };
    case 'input':
      return { defines: [step.share], reads: [] };
    case 'known':
    case 'constant':
      return { defines: [step.known], reads: [] };
    case 'load':
      return { defines: [step.value], reads: [] };
    case 'store':
      return { defines: [], reads: [step.value.value] };
  }
}
