/**
 * Where things lie in a WebAssembly memory: the record of the running instruction, a staging area for packing, scratch for
 * each thread, then the arena that slots address. Knows nothing of instructions.
 */

/** A page of WebAssembly memory. */
export const PAGE_BYTES = 65536;
/** A 32-bit memory less one page, so that the address behind its last byte is a 32-bit number too. */
const MAXIMUM_PAGES = 65535;
/** Kernels may read so far behind the last tensor. */
const SLACK_BYTES = 4096;

export const RECORD_OFFSET = 1024;
export const RECORD_BYTES = 256 * 1024;
export const STAGING_OFFSET = RECORD_OFFSET + RECORD_BYTES;
export const STAGING_BYTES = 64 * 1024;
const SCRATCH_OFFSET = STAGING_OFFSET + STAGING_BYTES + SLACK_BYTES;
/** The largest user is a packed block of matmul (256 KiB) with packed rows (16 KiB); the longest record fits too. */
const SCRATCH_BYTES = 320 * 1024;

/** Scratch of thread 0, 1, ... */
export function scratchOffset(thread: number): number {
  return SCRATCH_OFFSET + thread * SCRATCH_BYTES;
}

/** Where the arena begins. */
export function arenaOffset(threads: number): number {
  return scratchOffset(threads);
}

/** Pages that an arena of `bytes` bytes needs, or undefined if no memory is that large. */
export function pagesFor(bytes: number, threads: number): number | undefined {
  const pages = Math.ceil((arenaOffset(threads) + bytes + SLACK_BYTES) / PAGE_BYTES);
  return pages <= MAXIMUM_PAGES ? pages : undefined;
}

/** Bytes of the largest arena. */
export function largestArena(threads: number): number {
  return MAXIMUM_PAGES * PAGE_BYTES - SLACK_BYTES - arenaOffset(threads);
}
