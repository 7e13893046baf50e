/**
 * Assigns memory to values by liveness: a value's bytes are given to others after its last use.
 * First fit over a sorted list of holes, which merges neighbours. Knows nothing of programs.
 */
import { SLOT_ALIGNMENT_BYTES } from '../kernels/kernels.ts';

interface Hole {
  offset: number;
  bytes: number;
}

export class BufferAllocator {
  readonly #holes: Hole[] = [];
  readonly #base: number;
  #end: number;

  /** Offsets start at `base`. */
  constructor(base: number) {
    this.#base = base;
    this.#end = base;
  }

  /** Highest end of any buffer so far. */
  get peak(): number {
    return this.#end;
  }

  take(bytes: number): number {
    const needed = roundUp(Math.max(bytes, 1));
    const index = this.#holes.findIndex((hole) => hole.bytes >= needed);
    const hole = this.#holes[index];
    if (hole === undefined) {
      const last = this.#holes[this.#holes.length - 1];
      // Grow from a hole at the end rather than beyond it.
      if (last !== undefined && last.offset + last.bytes === this.#end) {
        this.#holes.pop();
        this.#end = last.offset + needed;
        return last.offset;
      }
      const offset = this.#end;
      this.#end += needed;
      return offset;
    }
    const offset = hole.offset;
    if (hole.bytes === needed) this.#holes.splice(index, 1);
    else {
      hole.offset += needed;
      hole.bytes -= needed;
    }
    return offset;
  }

  free(offset: number, bytes: number): void {
    const size = roundUp(Math.max(bytes, 1));
    if (offset < this.#base) return;
    let index = this.#holes.findIndex((hole) => hole.offset > offset);
    if (index < 0) index = this.#holes.length;
    this.#holes.splice(index, 0, { offset, bytes: size });
    const next = this.#holes[index + 1];
    const self = this.#holes[index];
    if (self !== undefined && next !== undefined && self.offset + self.bytes === next.offset) {
      self.bytes += next.bytes;
      this.#holes.splice(index + 1, 1);
    }
    const previous = this.#holes[index - 1];
    if (self !== undefined && previous !== undefined && previous.offset + previous.bytes === self.offset) {
      previous.bytes += self.bytes;
      this.#holes.splice(index, 1);
    }
  }
}

export function roundUp(bytes: number): number {
  return Math.ceil(bytes / SLOT_ALIGNMENT_BYTES) * SLOT_ALIGNMENT_BYTES;
}
