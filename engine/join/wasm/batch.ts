/**
 * Carries out one batch in the curve module: lays points, messages and work space out in its memory, and erases what is
 * secret afterwards. Runs in a worker; knows nothing of how batches come.
 */
import type { PackedMessages, RefusedPoint } from '../curve.ts';
import { POINT_BYTES } from '../curve.ts';
import type { CurveExports } from './module.ts';

const PAGE_BYTES = 65536;
/** Of a scalar, or of a key. */
const SECRET_BYTES = 32;
/** Work space of four points. */
const QUAD_WORK_BYTES = 480;
/** The base point: fills the last group of four. */
const FILLER = Uint8Array.from({ length: POINT_BYTES }, (_, index) => (index === 0 ? 9 : 0));

interface HashTask {
  readonly kind: 'hash';
  readonly messages: PackedMessages;
  readonly domain: Uint8Array;
}

/** `secret`: the scalar. */
interface HashAndMultiplyTask {
  readonly kind: 'hashAndMultiply';
  readonly messages: PackedMessages;
  readonly domain: Uint8Array;
  readonly secret: Uint8Array;
}

/** `secret`: the scalar. */
interface MultiplyTask {
  readonly kind: 'multiply';
  readonly points: Uint8Array;
  readonly secret: Uint8Array;
}

/** `secret`: the key. */
interface KeyedHashTask {
  readonly kind: 'keyedHash';
  readonly messages: PackedMessages;
  readonly secret: Uint8Array;
}

export type BatchTask = HashTask | HashAndMultiplyTask | MultiplyTask | KeyedHashTask;

const align = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** Where a batch's parts lie. */
interface Layout {
  readonly count: number;
  /** `count`, up to a whole number of fours. */
  readonly padded: number;
  /** Points, or hashes: what comes out. */
  readonly points: number;
  readonly secret: number;
  readonly work: number;
  readonly tag: number;
  readonly offsets: number;
  readonly messages: number;
}

/** Lays a batch out and grows the memory to hold it. */
function layOut(curve: CurveExports, count: number, domainBytes: number, messageBytes: number): Layout {
  const padded = Math.ceil(count / 4) * 4;
  const points = align(curve.heap());
  const secret = points + padded * POINT_BYTES;
  const work = secret + SECRET_BYTES;
  const tag = work + (padded / 4) * QUAD_WORK_BYTES;
  const offsets = align(tag + domainBytes + 1);
  const messages = align(offsets + (padded + 1) * 4);
  const missing = messages + messageBytes - curve.memory.buffer.byteLength;
  if (missing > 0) curve.memory.grow(Math.ceil(missing / PAGE_BYTES));
  return { count, padded, points, secret, work, tag, offsets, messages };
}

export function runBatch(curve: CurveExports, task: BatchTask): Uint8Array | RefusedPoint {
  const count = task.kind === 'multiply' ? task.points.length / POINT_BYTES : task.messages.offsets.length - 1;
  if (count === 0) return new Uint8Array(0);
  const domain = 'domain' in task ? task.domain : new Uint8Array(0);
  const messageBytes = task.kind === 'multiply' ? 0 : task.messages.bytes.length;
  const at = layOut(curve, count, domain.length, messageBytes);
  const memory = new Uint8Array(curve.memory.buffer);
  if (task.kind === 'multiply') {
    memory.set(task.points, at.points);
    for (let i = count; i < at.padded; i++) memory.set(FILLER, at.points + i * POINT_BYTES);
    const index = curve.firstNotCanonical(at.points, count);
    if (index < count) return { index, reason: 'notCanonical' };
  } else {
    const { bytes, offsets } = task.messages;
    memory.set(domain, at.tag);
    memory[at.tag + domain.length] = domain.length;
    memory.set(bytes, at.messages);
    // messages that fill the last four are empty
    new Uint32Array(memory.buffer, at.offsets, at.padded + 1).fill(bytes.length).set(offsets);
  }
  if ('secret' in task) memory.set(task.secret, at.secret);
  switch (task.kind) {
    case 'hash':
      hashToCurve(curve, at, domain.length);
      break;
    case 'hashAndMultiply':
      hashToCurve(curve, at, domain.length);
      curve.multiplyPoints(at.points, at.padded, at.secret, at.work);
      break;
    case 'multiply':
      curve.multiplyPoints(at.points, at.padded, at.secret, at.work);
      break;
    case 'keyedHash':
      curve.hmacSha256(at.points, count, at.messages, at.offsets, at.secret);
      break;
  }
  memory.fill(0, at.secret, at.secret + SECRET_BYTES);
  memory.fill(0, at.messages, at.messages + messageBytes);
  const index = task.kind === 'keyedHash' ? count : curve.firstZero(at.points, count);
  if (index < count) return { index, reason: 'lowOrder' };
  return memory.slice(at.points, at.points + count * POINT_BYTES);
}

function hashToCurve(curve: CurveExports, at: Layout, domainBytes: number): void {
  curve.hashToCurve(at.points, at.padded, at.messages, at.offsets, at.tag, domainBytes + 1, at.work);
}
