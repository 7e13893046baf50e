/**
 * The lowered program of one plan execution: what every party and the dealer do, value by value, before anything is
 * assigned to rounds or buffers. Three kinds of steps exist: local ring operations, openings, and correlated randomness.
 * Knows nothing of tensors with shapes, of layers' meaning, or of how a step is carried out.
 *
 * Four places say who holds a value:
 *  - `known`:  everybody including the dealer, before the run (constants, batch indices);
 *  - `public`: all compute parties, after an opening;
 *  - `share`:  every compute party its own additive (words) or XOR (bits) share;
 *  - `dealer`: the dealer only, in clear (masks and what is derived from them).
 * A share may have an owner: then it is the value itself at that party and zero at all others, so what is computed from the
 * shares of one owner, and from what is known, by any operation, is computed by that party alone and is its own again.
 */
import { InternalError } from '../../shared/errors.ts';
import type { BitSlot, Instruction, Windows, WordSlot } from '../kernels/kernels.ts';

export type Place = 'known' | 'public' | 'share' | 'dealer';

/** A words value of a program, or a contiguous part of one. */
export class Words {
  readonly kind = 'words';
  readonly value: number;
  readonly place: Place;
  readonly start: number;
  readonly length: number;
  constructor(value: number, place: Place, start: number, length: number) {
    this.value = value;
    this.place = place;
    this.start = start;
    this.length = length;
  }
  part(start: number, length: number): Words {
    if (start < 0 || length < 0 || start + length > this.length)
      throw new InternalError('part-range', 'part outside its value');
    return new Words(this.value, this.place, this.start + start, length);
  }
}

/** A bits value of a program (planes of `length` bits), or consecutive planes of one. */
export class Bits {
  readonly kind = 'bits';
  readonly value: number;
  readonly place: Place;
  readonly length: number;
  readonly start: number;
  readonly planes: number;
  constructor(value: number, place: Place, length: number, start: number, planes: number) {
    this.value = value;
    this.place = place;
    this.length = length;
    this.start = start;
    this.planes = planes;
  }
  part(start: number, planes: number): Bits {
    if (start < 0 || planes < 0 || start + planes > this.planes)
      throw new InternalError('part-range', 'planes outside their value');
    return new Bits(this.value, this.place, this.length, this.start + start, planes);
  }
}

/** An instruction on values instead of memory slots. */
type OnValues<T> = T extends WordSlot
  ? Words
  : T extends BitSlot
    ? Bits
    : T extends Windows
      ? T
      : T extends readonly (infer U)[]
        ? readonly OnValues<U>[]
        : T extends object
          ? { readonly [K in keyof T]: OnValues<T[K]> }
          : T;
type Distribute<T> = T extends Instruction ? OnValues<T> : never;
export type LocalOperation = Distribute<Instruction>;

/** What a step belongs to, for the layer table: name of the layer and phase of the step. */
export interface Tag {
  readonly layer: string;
  readonly phase: string;
}

export interface ValueInfo {
  readonly kind: 'words' | 'bits';
  readonly place: Place;
  readonly length: number;
  /** Planes of a bits value; 1 for words. */
  readonly planes: number;
  /** Of a share: the only party at which it is not zero, if there is one. */
  readonly owner?: string;
}

export type StepBody =
  | { readonly op: 'local'; readonly operation: LocalOperation }
  /** Words or bits that no one knows whole but the dealer: every party expands its stream, the dealer adds them up. */
  | { readonly op: 'random'; readonly share: number; readonly dealer: number }
  /** A mask that its owner knows: the owner's share is the mask, every other share zero (corrections H3). */
  | { readonly op: 'ownerMask'; readonly owner: string; readonly share: number; readonly dealer: number }
  /** A fresh sharing of a value of the dealer's; the correction party receives `width` bits a word, the others nothing. */
  | { readonly op: 'deal'; readonly dealer: Words | Bits; readonly share: number; readonly width: number }
  /** Sum of all shares, mod 2^width, to all compute parties; `from` only that party's share is not zero, so only it sends. */
  | {
      readonly op: 'open';
      readonly share: Words | Bits;
      readonly opened: number;
      readonly width: number;
      readonly from: string | undefined;
    }
  /**
   * Blinded shares, mod 2^width, to the receivers, who alone add them up (corrections C1); the sum is a signed number. `from`
   * only that party's share is not zero, so it alone sends, and what it sends is the result. What everybody knows (place
   * `known`) is not sent: each receiver, a compute party, has the result.
   */
  | {
      readonly op: 'reveal';
      /** A share, or words that are `known`. */
      readonly share: Words;
      readonly name: string;
      readonly receivers: readonly string[];
      readonly width: number;
      readonly from: string | undefined;
    }
  /** Plaintext of one party: its own share; the others' share is zero. Without an owner every party brings its share. */
  | { readonly op: 'input'; readonly owner: string | undefined; readonly name: string; readonly share: number }
  | { readonly op: 'known'; readonly name: string; readonly known: number }
  | { readonly op: 'constant'; readonly words: readonly bigint[]; readonly known: number }
  /** A value kept between executions. */
  | { readonly op: 'load'; readonly state: string; readonly value: number }
  | { readonly op: 'store'; readonly state: string; readonly value: Words };

/** `node` is the graph node that asked for the step first; -1 for none. */
export type Step = StepBody & { readonly tag: Tag; readonly node: number };

export interface Program {
  readonly name: string;
  /** Compute parties in order; the first adds public contributions to shares. */
  readonly parties: readonly string[];
  readonly wordBits: number;
  readonly values: readonly ValueInfo[];
  /** In an order in which every value is defined before it is used. */
  readonly steps: readonly Step[];
}

/** Values and outputs that an instruction on values names, by walking it. */
export function operands(operation: LocalOperation): { inputs: (Words | Bits)[]; outputs: (Words | Bits)[] } {
  const inputs: (Words | Bits)[] = [];
  const outputs: (Words | Bits)[] = [];
  const walk = (node: unknown, into: (Words | Bits)[]): void => {
    if (node instanceof Words || node instanceof Bits) into.push(node);
    else if (Array.isArray(node)) for (const item of node) walk(item, into);
    else if (typeof node === 'object' && node !== null)
      for (const [key, item] of Object.entries(node)) walk(item, isOutputKey(key) ? outputs : into);
  };
  walk(operation, inputs);
  return { inputs, outputs };
}

function isOutputKey(key: string): boolean {
  return key === 'out' || key === 'less' || key === 'equal';
}
