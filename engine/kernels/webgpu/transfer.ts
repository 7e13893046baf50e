/**
 * Kernels between packed bytes of the host and slots of a memory. A pack step's parts begin at multiples of 4 bytes, because
 * a thread writes a half word; the host closes the gaps. Knows nothing of devices.
 */
import type { BitSlot, Slot, WordSlot } from '../kernels.ts';
import { packedBytes } from '../kernels.ts';
import { keystreamKernel } from './keystream.ts';
import type { Kernel } from './kernel.ts';
import { batchKernel } from './kernel.ts';
import type { Step } from './step.ts';
import { elementStep, halfIndex, high32, low32, planeHalves, usedHalves, wordIndex } from './step.ts';

/** Where packed bytes lie: come from the host, or expanded on the device. */
type Source = 'arrived' | 'leaving';

/** 32 bits from byte `at` of a source. */
function halfAt(source: Source): string {
  return `fn halfAt(at: u32) -> u32 {
  let low = ${source}[at / 4u];
  let by = 8u * (at % 4u);
  if (by == 0u) { return low; }
  return (low >> by) | (${source}[at / 4u + 1u] << (32u - by));
}`;
}

/** q: threads, first byte, out, bytes of a word, mask, mask, adds. */
const unpackWordsKernel = (source: Source): Kernel =>
  batchKernel(
    `unpack words ${source}`,
    'words',
    `let at = q[1] + i * q[3];
  var word = vec2u(halfAt(at), halfAt(at + 4u));
  if (q[6] == 1u) { word = add(word, ld(q[2] + i)); }
  st(q[2] + i, word & vec2u(q[4], q[5]));`,
    halfAt(source),
  );

/** q: threads, first byte, out, bytes of a plane, halves of a plane, halves with bits, adds. */
const unpackPlanesKernel = (source: Source): Kernel =>
  batchKernel(
    `unpack planes ${source}`,
    'halves',
    `let plane = i / q[5];
  let column = i % q[5];
  let to = q[2] + plane * q[4] + column;
  var bits = halfAt(q[1] + plane * q[3] + 4u * column);
  if (q[6] == 1u) { bits ^= ld32(to); }
  st32(to, bits);`,
    halfAt(source),
  );

/** q: threads, first half that leaves, input, bytes of a word, mask, mask, words. */
const packWordsKernel = batchKernel(
  'pack words',
  'words',
  `var bits = 0u;
  for (var b = 0u; b < 4u; b++) {
    let at = 4u * i + b;
    if (at / q[3] < q[6]) {
      let inside = at % q[3];
      let word = ld(q[2] + at / q[3]) & vec2u(q[4], q[5]);
      bits |= ((word[inside / 4u] >> (8u * (inside % 4u))) & 255u) << (8u * b);
    }
  }
  leaving[q[1] + i] = bits;`,
);

/** q: threads, first half that leaves, input, bytes of a plane, halves of a plane, mask of a plane's last byte, planes. */
const packPlanesKernel = batchKernel(
  'pack planes',
  'halves',
  `var bits = 0u;
  for (var b = 0u; b < 4u; b++) {
    let at = 4u * i + b;
    let plane = at / q[3];
    let inside = at % q[3];
    if (plane < q[6]) {
      var byte = (ld32(q[2] + plane * q[4] + inside / 4u) >> (8u * (inside % 4u))) & 255u;
      if (inside == q[3] - 1u) { byte &= q[5]; }
      bits |= byte << (8u * b);
    }
  }
  leaving[q[1] + i] = bits;`,
);

const unpackKernels = {
  arrived: { words: unpackWordsKernel('arrived'), bits: unpackPlanesKernel('arrived') },
  leaving: { words: unpackWordsKernel('leaving'), bits: unpackPlanesKernel('leaving') },
} as const;

export const TRANSFER_KERNELS = [
  ...Object.values(unpackKernels).flatMap(({ words, bits }) => [words, bits]),
  packWordsKernel,
  packPlanesKernel,
  keystreamKernel,
];

/** Which argument of an unpacking step is the first byte: it moves when bytes of several steps are put together. */
export const FIRST_BYTE = 1;

function maskOf(width: number): [number, number] {
  const mask = (1n << BigInt(width)) - 1n;
  return [low32(mask), high32(mask)];
}

/** Packed bytes from `firstByte` of a source on into a slot: overwritten, or added. */
export function unpackStep(slot: Slot, width: number, source: Source, firstByte: number, adds: boolean): Step {
  const kernel = unpackKernels[source][slot.kind];
  if (slot.kind === 'words') {
    const args = [firstByte, wordIndex(slot), Math.ceil(width / 8), ...maskOf(width), adds ? 1 : 0];
    return elementStep(kernel, slot.length, ...args);
  }
  const used = usedHalves(slot.length);
  const args = [firstByte, halfIndex(slot), Math.ceil(slot.length / 8), planeHalves(slot.length), used, adds ? 1 : 0];
  return elementStep(kernel, used * slot.planes, ...args);
}

/** A slot packed from byte `firstByte` on, a multiple of 4. */
export function packStep(slot: Slot, width: number, firstByte: number): Step {
  const halves = Math.ceil(packedBytes(slot, width) / 4);
  if (slot.kind === 'words') {
    const args = [firstByte / 4, wordIndex(slot), Math.ceil(width / 8), ...maskOf(width), slot.length];
    return elementStep(packWordsKernel, halves, ...args);
  }
  const lastMask = slot.length % 8 === 0 ? 255 : 2 ** (slot.length % 8) - 1;
  const planeBytes = Math.ceil(slot.length / 8);
  const args = [firstByte / 4, halfIndex(slot), planeBytes, planeHalves(slot.length), lastMask, slot.planes];
  return elementStep(packPlanesKernel, halves, ...args);
}

/** A large slot as several whose packed bytes, one after the other, are those of the slot. */
export function pieces(slot: Slot, width: number, mostBytes: number): Slot[] {
  const whole = packedBytes(slot, width);
  if (whole <= mostBytes) return [slot];
  return slot.kind === 'words' ? wordPieces(slot, width, mostBytes) : planePieces(slot, mostBytes);
}

function wordPieces(slot: WordSlot, width: number, mostBytes: number): WordSlot[] {
  const size = Math.floor(mostBytes / Math.ceil(width / 8));
  const result: WordSlot[] = [];
  for (let start = 0; start < slot.length; start += size) {
    result.push({ ...slot, offset: slot.offset + start * 8, length: Math.min(size, slot.length - start) });
  }
  return result;
}

function planePieces(slot: BitSlot, mostBytes: number): BitSlot[] {
  const size = Math.max(1, Math.floor(mostBytes / Math.ceil(slot.length / 8)));
  const result: BitSlot[] = [];
  for (let plane = 0; plane < slot.planes; plane += size) {
    const offset = slot.offset + plane * planeHalves(slot.length) * 4;
    result.push({ ...slot, offset, planes: Math.min(size, slot.planes - plane) });
  }
  return result;
}

/** The bytes of a step with this kernel come from the host. */
export function readsArrived(kernel: Kernel): boolean {
  return kernel === unpackKernels.arrived.words || kernel === unpackKernels.arrived.bits;
}
