/**
 * One secret tensor while a graph is lowered: its shares, and lazily its opening under a mask (for products) and its shifted
 * openings (for truncation, comparison, look-up), each made once whoever asks. Knows nothing of graphs and shapes.
 *
 * Reuse rule: a value already opened under a mask is not opened again; a public linear image uses its original's openings.
 */
import { digitTables } from '../protocol/compare.ts';
import type { DigitTables } from '../protocol/compare.ts';
import { mapMasked, maskOwned, maskShared } from '../protocol/mask.ts';
import type { Masked } from '../protocol/mask.ts';
import { mapOpenedPadded, offsetOf, openShifted } from '../protocol/open-shifted.ts';
import type { Opened } from '../protocol/open-shifted.ts';
import { openMaskedBit } from '../protocol/masked-bit.ts';
import type { MaskedBit } from '../protocol/masked-bit.ts';
import { complete, mapShared } from '../protocol/shared-value.ts';
import type { SharedBits, SharedWords } from '../protocol/shared-value.ts';
import { prepareTruncation } from '../protocol/truncate.ts';
import type { Truncation } from '../protocol/truncate.ts';
import type { ProgramBuilder } from './builder.ts';
import type { Words } from './program.ts';

/** A public linear map that copies elements, and the value it was applied to. */
interface Image {
  readonly of: SecretValue;
  readonly map: (words: Words) => Words;
  /** The map only reorders or repeats elements, and drops none: opening the original costs no more. */
  readonly covers: boolean;
}

export interface SecretOrigin {
  readonly owner?: string;
  readonly masked?: Masked;
  /** Makes the masked form from masked parts. */
  readonly lazyMasked?: () => Masked;
  readonly image?: Image;
}

export class SecretValue {
  readonly #b: ProgramBuilder;
  readonly #make: () => SharedWords;
  readonly #owner: string | undefined;
  readonly #image: Image | undefined;
  readonly #lazyMasked: (() => Masked) | undefined;
  #shared: SharedWords | undefined;
  #complete: Words | undefined;
  #masked: Masked | undefined;
  readonly #opened = new Map<number, Opened>();
  readonly #tables = new Map<number, DigitTables>();
  readonly #truncations = new Map<string, Truncation>();

  constructor(b: ProgramBuilder, make: () => SharedWords, origin: SecretOrigin = {}) {
    this.#b = b;
    this.#make = make;
    this.#owner = origin.owner;
    this.#masked = origin.masked;
    this.#image = origin.image;
    this.#lazyMasked = origin.lazyMasked;
  }

  /** Shares, possibly completed by an offset at the dealer. */
  shared(): SharedWords {
    if (this.#complete !== undefined) return { share: this.#complete, offset: undefined };
    return (this.#shared ??= this.#make());
  }

  /** Shares that add up to the value by themselves. */
  complete(): Words {
    return (this.#complete ??= complete(this.#b, this.shared()));
  }

  get isMasked(): boolean {
    return this.#masked !== undefined || (this.#image?.of.isMasked ?? false);
  }

  /** The value opened under a mask of its own. */
  masked(): Masked {
    if (this.#masked !== undefined) return this.#masked;
    const image = this.#image;
    if (image !== undefined && (image.covers || image.of.isMasked))
      this.#masked = mapMasked(image.of.masked(), image.map);
    else if (this.#lazyMasked !== undefined) this.#masked = this.#lazyMasked();
    else if (this.#owner !== undefined) this.#masked = maskOwned(this.#b, this.#owner, this.complete());
    else this.#masked = maskShared(this.#b, { share: this.complete(), offset: undefined });
    return this.#masked;
  }

  /** The value opened as c = x + 2^(bits-2) + r; whole words where it is masked already. */
  opened(bits: number): Opened {
    const wide = this.#opened.get(this.#b.wordBits);
    if (wide !== undefined) return wide;
    const existing = this.#opened.get(bits);
    if (existing !== undefined) return existing;
    let opened: Opened;
    const image = this.#image;
    if (this.isMasked) {
      const masked = this.masked();
      opened = {
        c: this.#b.affine(masked.opened, 1n, offsetOf(this.#b.wordBits)),
        r: this.#b.affine(masked.dealerMask, -1n),
        bits: this.#b.wordBits,
      };
    } else if (image?.covers === true) opened = mapOpenedPadded(this.#b, image.of.opened(bits), image.map);
    else opened = openShifted(this.#b, this.shared(), bits, this.#owner);
    this.#opened.set(opened.bits, opened);
    return opened;
  }

  tables(opened: Opened): DigitTables {
    const existing = this.#tables.get(opened.r.value);
    if (existing !== undefined) return existing;
    const tables = digitTables(this.#b, opened);
    this.#tables.set(opened.r.value, tables);
    return tables;
  }

  truncation(bits: number, shift: number): Truncation {
    const opened = this.opened(bits);
    const key = `${opened.bits}:${shift}`;
    const existing = this.#truncations.get(key);
    if (existing !== undefined) return existing;
    const truncation = prepareTruncation(this.#b, opened, shift);
    this.#truncations.set(key, truncation);
    return truncation;
  }

  /** A public linear image. */
  image(map: (words: Words) => Words, covers: boolean): SecretValue {
    return new SecretValue(this.#b, () => mapShared(this.shared(), map), { image: { of: this, map, covers } });
  }
}

/** A tensor of secret bits while a graph is lowered. */
export class SecretBits {
  readonly #b: ProgramBuilder;
  readonly #make: () => SharedBits;
  #shared: SharedBits | undefined;
  #masked: MaskedBit | undefined;

  constructor(b: ProgramBuilder, make: () => SharedBits) {
    this.#b = b;
    this.#make = make;
  }
  /** One plane of XOR shares. */
  shared(): SharedBits {
    return (this.#shared ??= this.#make());
  }
  masked(): MaskedBit {
    return (this.#masked ??= openMaskedBit(this.#b, this.shared()));
  }
}
