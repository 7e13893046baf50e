/**
 * The receiving half of one lane of a session with one peer: takes numbered frames, in order and once each, puts messages
 * together, and says how far they may be acknowledged. Knows nothing of sockets.
 *
 * Invariant: a frame is acknowledged once it is here, unless more than the limit lies unread; then the sender has to wait.
 * A message that is not whole does not count, so that one longer than the limit still arrives. A sender that does not wait is
 * refused: a peer makes this host hold the limit, what may be on its way, and one message of each lane, at most.
 */
import { hash } from 'node:crypto';
import type { Inbox } from '../../../engine/runtime/inbox.ts';
import { KeyWindow } from '../../../engine/runtime/key-window.ts';
import type { Lane } from '../../../engine/runtime/message-key.ts';
import { CHUNK_BYTES, FRAME_HEADER_BYTES, MAX_BYTES_IN_FLIGHT, MAX_FRAMES_IN_FLIGHT } from '../../../shared/wire.ts';
import type { FrameHeader } from '../../../shared/wire.ts';

interface Partial {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
  readonly digests: string[];
}

/** Codes of what a correct host does not send. */
export type LaneViolation =
  'frame-out-of-order' | 'frame-changed' | 'message-key-reused' | 'window-exceeded' | 'message-too-large';

/** The frame that fills the window goes beyond it, and the end of a lane waits for nothing. */
const MAX_UNACKNOWLEDGED_BYTES = MAX_BYTES_IN_FLIGHT + CHUNK_BYTES + FRAME_HEADER_BYTES;
const MAX_UNACKNOWLEDGED_FRAMES = MAX_FRAMES_IN_FLIGHT + 1;

export class IncomingLane {
  readonly #lane: Lane;
  readonly #inbox: Inbox;
  readonly #unreadLimitBytes: number;
  readonly #keys = new KeyWindow();
  /** Digests of the last frames, by position modulo its length. */
  readonly #recent = new Array<string>(2 * MAX_FRAMES_IN_FLIGHT);
  #received = 0;
  #acknowledgeable = 0;
  /** Of the frames from #acknowledgeable on. */
  #unacknowledgedBytes = 0;
  #partial: Partial | undefined;
  #ended = false;

  constructor(lane: Lane, inbox: Inbox, unreadLimitBytes: number) {
    this.#lane = lane;
    this.#inbox = inbox;
    this.#unreadLimitBytes = unreadLimitBytes;
  }

  /** Frames taken in: the next must have this number. */
  get received(): number {
    return this.#received;
  }

  /** The position below which the sender may forget its frames. */
  get acknowledgeable(): number {
    if (this.#ended || this.#inbox.unreadBytes(this.#lane) <= this.#unreadLimitBytes) {
      this.#acknowledgeable = this.#received;
      this.#unacknowledgedBytes = 0;
    }
    return this.#acknowledgeable;
  }

  /** Whether the sender has ended this lane. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Takes a frame of type data or end. The result names a violation, after which the session cannot go on. */
  take(header: FrameHeader, frame: Uint8Array): LaneViolation | undefined {
    const payload = frame.subarray(FRAME_HEADER_BYTES);
    const digest = `${header.type} ${hash('sha256', payload, 'base64')}`;
    if (header.sequence < this.#received) {
      const earlier =
        this.#received - header.sequence <= this.#recent.length ? this.#recent[this.#slot(header.sequence)] : digest;
      return earlier === digest ? undefined : 'frame-changed';
    }
    if (header.sequence !== this.#received || this.#ended) return 'frame-out-of-order';
    this.#recent[this.#slot(header.sequence)] = digest;
    this.#received += 1;
    this.#unacknowledgedBytes += frame.byteLength;
    if (
      this.#unacknowledgedBytes > MAX_UNACKNOWLEDGED_BYTES ||
      this.#received - this.#acknowledgeable > MAX_UNACKNOWLEDGED_FRAMES
    ) {
      return 'window-exceeded';
    }
    if (header.type === 'data') return this.#takeChunk(header, payload, digest);
    if (this.#partial !== undefined) return 'frame-out-of-order';
    this.#ended = true;
    return undefined;
  }

  #slot(sequence: number): number {
    return sequence % this.#recent.length;
  }

  #takeChunk(header: FrameHeader, chunk: Uint8Array, digest: string): LaneViolation | undefined {
    try {
      this.#partial ??= { header, payload: new Uint8Array(header.totalBytes), digests: [] };
    } catch {
      // No memory: nothing that this machine can take in.
      return 'message-too-large';
    }
    const { header: first, payload, digests } = this.#partial;
    const fits =
      header.chunk === digests.length &&
      header.totalBytes === first.totalBytes &&
      header.attempt === first.attempt &&
      header.execution === first.execution &&
      header.round === first.round;
    if (!fits) return 'frame-out-of-order';
    payload.set(chunk, header.chunk * CHUNK_BYTES);
    digests.push(digest);
    if (digests.length < header.chunks) return undefined;
    this.#partial = undefined;
    const { attempt, execution, round } = header;
    const key = { attempt, execution, round };
    const outcome = this.#keys.record(
      key,
      digests.length === 1 ? digest : hash('sha256', digests.join('\n'), 'base64'),
    );
    if (outcome === 'reused') return 'message-key-reused';
    if (outcome === 'new') this.#inbox.deliver(key, payload);
    return undefined;
  }
}
