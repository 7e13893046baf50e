/**
 * One shared WebAssembly memory with the tensors of a program, and their way in and out of it as packed bytes.
 * Knows nothing of instructions or threads.
 */
import type { BitSlot, Memory, PackedPart, Slot, WordSlot } from '../kernels.ts';
import { packedBytes, planeBytes, slotBytes } from '../kernels.ts';
import { checkSlot } from '../check.ts';
import type { KernelExports } from './module.ts';
import { instantiate } from './module.ts';
import { RECORD_OFFSET, STAGING_BYTES, STAGING_OFFSET, arenaOffset, largestArena, pagesFor } from './layout.ts';
import { InternalError, MachineError } from '../../../shared/errors.ts';

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}

/** A WebAssembly memory with the module bound to it, known to the threads by a number. */
export interface Space {
  readonly id: number;
  readonly memory: WebAssembly.Memory;
  readonly kernels: KernelExports;
}

/** Reserves a memory for an arena. Throws MachineError `kernel-memory` if this machine or 32-bit addresses cannot hold it. */
export function reserveSpace(id: number, bytes: number, threads: number, module: WebAssembly.Module): Space {
  const pages = pagesFor(bytes, threads);
  if (pages === undefined) {
    throw new MachineError(
      'kernel-memory',
      `The plan needs ${gibibytes(bytes)} of working memory; the CPU kernels hold at most ${gibibytes(largestArena(threads))}.`,
      { hint: 'Use a smaller batch or a smaller model.' },
    );
  }
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    return { id, memory, kernels: instantiate(module, memory) };
  } catch (cause) {
    throw new MachineError('kernel-memory', `This machine did not grant ${gibibytes(bytes)} of working memory.`, {
      hint: 'Close other programs, or use a smaller batch or a smaller model.',
      cause,
    });
  }
}

export class Arena implements Memory {
  readonly bytes: number;
  readonly #arena: number;
  readonly #onDispose: (space: Space) => void;
  #space: Space | undefined;
  readonly #all: Uint8Array;
  readonly #record: Int32Array;

  /** Takes over a zeroed space that holds `bytes`; `onDispose` gets it back, zeroed. */
  constructor(space: Space, bytes: number, threads: number, onDispose: (space: Space) => void) {
    this.bytes = bytes;
    this.#arena = arenaOffset(threads);
    this.#space = space;
    this.#onDispose = onDispose;
    this.#all = new Uint8Array(space.memory.buffer);
    this.#record = new Int32Array(space.memory.buffer, RECORD_OFFSET);
  }

  /** The memory and the module bound to it. */
  get space(): Space {
    if (this.#space === undefined) throw new InternalError('kernel-memory-disposed', 'The memory was disposed of.');
    return this.#space;
  }

  /** Puts an instruction's record where the kernels read it. */
  setRecord(record: Int32Array): void {
    this.#record.set(record);
  }

  async pack(parts: readonly PackedPart[]): Promise<Uint8Array> {
    for (const { slot } of parts) checkSlot(slot, this.bytes);
    const packed = new Uint8Array(parts.reduce((sum, part) => sum + packedBytes(part.slot, part.width), 0));
    let at = 0;
    for (const { slot, width } of parts) {
      if (slot.kind === 'words') this.#readWords(slot, width, packed, at);
      else this.#readPlanes(slot, packed, at);
      at += packedBytes(slot, width);
    }
    return packed;
  }

  write(slot: Slot, packed: Uint8Array, width: number): void {
    this.#checkPacked(slot, packed, width);
    if (slot.kind === 'words') {
      const { unpackWords } = this.space.kernels;
      if (width === 64) this.#all.set(packed, this.#arena + slot.offset);
      else this.#mergeWords(slot, packed, width, unpackWords);
    } else if (slot.length % 128 === 0) {
      this.#all.set(packed, this.#arena + slot.offset);
    } else {
      const { copyPlanes } = this.space.kernels;
      this.#mergePlanes(slot, packed, (to, toStep, from, fromStep, bytes, planes) =>
        copyPlanes(to, toStep, from, fromStep, bytes, planes, 0xff),
      );
    }
  }

  accumulate(slot: Slot, packed: Uint8Array, width: number): void {
    this.#checkPacked(slot, packed, width);
    const { addPackedWords, addPlanes } = this.space.kernels;
    if (slot.kind === 'words') this.#mergeWords(slot, packed, width, addPackedWords);
    else this.#mergePlanes(slot, packed, addPlanes);
  }

  dispose(): void {
    const space = this.#space;
    if (space === undefined) return;
    this.#space = undefined;
    this.#all.fill(0, 0, this.#arena + this.bytes);
    this.#onDispose(space);
  }

  #checkPacked(slot: Slot, packed: Uint8Array, width: number): void {
    checkSlot(slot, this.bytes);
    const length = packedBytes(slot, width);
    if (packed.length !== length) {
      throw new InternalError(
        'kernel-packed-length',
        `${packed.length} packed bytes were given for a slot that takes ${length}.`,
      );
    }
  }

  #readWords(slot: WordSlot, width: number, packed: Uint8Array, at: number): void {
    const { packWords } = this.space.kernels;
    const address = this.#arena + slot.offset;
    if (width === 64) {
      packed.set(this.#all.subarray(address, address + slotBytes(slot)), at);
      return;
    }
    const wordBytes = Math.ceil(width / 8);
    const tile = wordsOfTile(wordBytes);
    for (let start = 0; start < slot.length; start += tile) {
      const count = Math.min(tile, slot.length - start);
      packWords(STAGING_OFFSET, address + start * 8, count, width);
      packed.set(this.#all.subarray(STAGING_OFFSET, STAGING_OFFSET + count * wordBytes), at + start * wordBytes);
    }
  }

  #mergeWords(slot: WordSlot, packed: Uint8Array, width: number, merge: KernelExports['unpackWords']): void {
    const wordBytes = Math.ceil(width / 8);
    const tile = wordsOfTile(wordBytes);
    for (let start = 0; start < slot.length; start += tile) {
      const count = Math.min(tile, slot.length - start);
      this.#all.set(packed.subarray(start * wordBytes, (start + count) * wordBytes), STAGING_OFFSET);
      merge(this.#arena + slot.offset + start * 8, STAGING_OFFSET, count, width);
    }
  }

  #readPlanes(slot: BitSlot, packed: Uint8Array, at: number): void {
    const { copyPlanes } = this.space.kernels;
    const address = this.#arena + slot.offset;
    if (slot.length % 128 === 0) {
      packed.set(this.#all.subarray(address, address + slotBytes(slot)), at);
      return;
    }
    const bytes = Math.ceil(slot.length / 8);
    const step = planeBytes(slot.length);
    const lastMask = slot.length % 8 === 0 ? 0xff : (1 << (slot.length % 8)) - 1;
    if (bytes > STAGING_BYTES) {
      for (let plane = 0; plane < slot.planes; plane++) {
        const from = address + plane * step;
        const to = at + plane * bytes;
        packed.set(this.#all.subarray(from, from + bytes), to);
        packed[to + bytes - 1]! &= lastMask;
      }
      return;
    }
    const batch = Math.floor(STAGING_BYTES / bytes);
    for (let plane = 0; plane < slot.planes; plane += batch) {
      const planes = Math.min(batch, slot.planes - plane);
      copyPlanes(STAGING_OFFSET, bytes, address + plane * step, step, bytes, planes, lastMask);
      packed.set(this.#all.subarray(STAGING_OFFSET, STAGING_OFFSET + planes * bytes), at + plane * bytes);
    }
  }

  #mergePlanes(slot: BitSlot, packed: Uint8Array, merge: KernelExports['addPlanes']): void {
    const address = this.#arena + slot.offset;
    const bytes = Math.ceil(slot.length / 8);
    const step = planeBytes(slot.length);
    if (bytes > STAGING_BYTES) {
      for (let plane = 0; plane < slot.planes; plane++)
        for (let start = 0; start < bytes; start += STAGING_BYTES) {
          const count = Math.min(STAGING_BYTES, bytes - start);
          const from = plane * bytes + start;
          this.#all.set(packed.subarray(from, from + count), STAGING_OFFSET);
          merge(address + plane * step + start, 0, STAGING_OFFSET, 0, count, 1);
        }
      return;
    }
    if (bytes === 0) return;
    const batch = Math.floor(STAGING_BYTES / bytes);
    for (let plane = 0; plane < slot.planes; plane += batch) {
      const planes = Math.min(batch, slot.planes - plane);
      this.#all.set(packed.subarray(plane * bytes, (plane + planes) * bytes), STAGING_OFFSET);
      merge(address + plane * step, step, STAGING_OFFSET, bytes, bytes, planes);
    }
  }
}

/** Words packed at a time: an even number, because the kernels take pairs. */
function wordsOfTile(wordBytes: number): number {
  return Math.floor(STAGING_BYTES / wordBytes / 2) * 2;
}
