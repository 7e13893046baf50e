/// <reference types="@webgpu/types" />
/**
 * Times of compute passes on the device's own clock, for devices that have one (`timestamp-query`). Two queries a pass, read
 * back with whatever is read back next. Knows nothing of what passes do.
 */
import { Usage } from './gpu.ts';

/** Passes between two readbacks that are timed; those beyond are not. */
const MOST_PASSES = 1024;
const QUERY_BYTES = 8;
/** GPUBufferUsage.QUERY_RESOLVE. */
const QUERY_RESOLVE = 0x200;

type Tell = (ms: number) => void;

/** Queries that are under way to the host. */
export interface PendingTimes {
  readonly bytes: number;
  /** Tells every pass its time, from the bytes that came back. */
  read(bytes: Uint8Array): void;
}

export class PassClock {
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  #tells: Tell[] = [];

  private constructor(device: GPUDevice) {
    this.#queries = device.createQuerySet({ type: 'timestamp', count: 2 * MOST_PASSES });
    this.#resolved = device.createBuffer({
      size: 2 * MOST_PASSES * QUERY_BYTES,
      usage: QUERY_RESOLVE | Usage.copySource,
    });
  }

  /** Undefined where the device has no clock. */
  static on(device: GPUDevice): PassClock | undefined {
    return device.features.has('timestamp-query') ? new PassClock(device) : undefined;
  }

  /** What a pass needs to be timed; nothing where too many are timed already. */
  pass(tell: Tell): GPUComputePassDescriptor {
    const number = this.#tells.length;
    if (number === MOST_PASSES) return {};
    this.#tells.push(tell);
    return {
      timestampWrites: {
        querySet: this.#queries,
        beginningOfPassWriteIndex: 2 * number,
        endOfPassWriteIndex: 2 * number + 1,
      },
    };
  }

  /** Bytes that `resolve` will copy. */
  get bytes(): number {
    return 2 * this.#tells.length * QUERY_BYTES;
  }

  /** Copies the times of all passes since the last call to a buffer, at a multiple of 8. */
  resolve(encoder: GPUCommandEncoder, target: GPUBuffer, offset: number): PendingTimes {
    const tells = this.#tells;
    const { bytes } = this;
    this.#tells = [];
    if (bytes > 0) {
      encoder.resolveQuerySet(this.#queries, 0, 2 * tells.length, this.#resolved, 0);
      encoder.copyBufferToBuffer(this.#resolved, 0, target, offset, bytes);
    }
    return {
      bytes,
      read: (copied) => {
        const view = new DataView(copied.buffer, copied.byteOffset, copied.byteLength);
        tells.forEach((tell, pass) => {
          const [begin, end] = [0, 1].map((which) => view.getBigUint64((2 * pass + which) * QUERY_BYTES, true));
          // Drivers may reset their clocks.
          tell(Math.max(0, Number(end! - begin!)) / 1e6);
        });
      },
    };
  }

  destroy(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
  }
}
