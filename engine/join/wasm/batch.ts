/**
 * Carries out one batch in the curve module: lays points, messages and work space out in its memory, and erases what is
 * secret afterwards. Runs in a worker; knows nothing of how batches come.
 */
import type { PackedMessages, RefusedPoint } from '../curve.ts';
import { POINT_BYTES } from '../curve.ts';
import type { CurveExports } from './module.ts';

const PAGE_BYTES = 65536;
const SCALAR_BYTES = 32;
/** Work space of four points. */
const QUAD_WORK_BYTES = 480;
/** The base point: fills the last group of four. */
const FILLER = Uint8Array.from({ length: POINT_BYTES }, (_, index) => (index === 0 ? 9 : 0));

export type BatchTask =
  | { readonly kind: 'hash'; readonly messages: PackedMessages; readonly domain: Uint8Array }
  | {
      readonly kind: 'hashAndMultiply';
      readonly messages: PackedMessages;
      readonly domain: Uint8Array;
      readonly scalar: Uint8Array;
    }
  | { readonly kind: 'multiply'; readonly points: Uint8Array; readonly scalar: Uint8Array };

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16;

function room(curve: CurveExports, bytes: number): Uint8Array {
  const missing = curve.heap() + bytes - curve.memory.buffer.byteLength;
  if (missing > 0) curve.memory.grow(Math.ceil(missing / PAGE_BYTES));
  return new Uint8Array(curve.memory.buffer);
}

export function runBatch(curve: CurveExports, task: BatchTask): Uint8Array | RefusedPoint {
  const count = task.kind === 'multiply' ? task.points.length / POINT_BYTES : task.messages.offsets.length - 1;
  if (count === 0) return new Uint8Array(0);
  const padded = Math.ceil(count / 4) * 4;
  const points = align(curve.heap());
  const scalar = points + padded * POINT_BYTES;
  const work = scalar + SCALAR_BYTES;
  const free = work + (padded / 4) * QUAD_WORK_BYTES;
  let memory: Uint8Array;
  if (task.kind === 'multiply') {
    memory = room(curve, free - curve.heap());
    memory.set(task.points, points);
    for (let i = count; i < padded; i++) memory.set(FILLER, points + i * POINT_BYTES);
    const index = curve.firstNotCanonical(points, count);
    if (index < count) return { index, reason: 'notCanonical' };
  } else {
    const { bytes, offsets } = task.messages;
    const tag = align(free);
    const offsetsAt = align(tag + task.domain.length + 1);
    const messagesAt = align(offsetsAt + (padded + 1) * 4);
    memory = room(curve, messagesAt + bytes.length + PAGE_BYTES - curve.heap());
    memory.set(task.domain, tag);
    memory[tag + task.domain.length] = task.domain.length;
    memory.set(bytes, messagesAt);
    const entries = new Uint32Array(memory.buffer, offsetsAt, padded + 1).fill(bytes.length);
    entries.set(offsets);
    curve.hashToCurve(points, padded, messagesAt, offsetsAt, tag, task.domain.length + 1, work);
    memory.fill(0, messagesAt, messagesAt + bytes.length);
  }
  if (task.kind !== 'hash') {
    memory.set(task.scalar, scalar);
    curve.multiplyPoints(points, padded, scalar, work);
    memory.fill(0, scalar, scalar + SCALAR_BYTES);
    const index = curve.firstZero(points, count);
    if (index < count) return { index, reason: 'lowOrder' };
  }
  return memory.slice(points, points + count * POINT_BYTES);
}
