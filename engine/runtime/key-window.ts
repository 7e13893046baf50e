/**
 * Remembers what was recorded under the most recent message keys, so that a resend is told from a key used twice.
 * Memory is bounded: of keys that fell out of the window only the highest is kept, and whatever is not above it counts as
 * used. Knows nothing of payloads.
 */
import { compareMessageKeys, laneOf, messageKeyId } from './message-key.ts';
import type { Lane } from './message-key.ts';
import type { MessageKey } from './transport.ts';

const CAPACITY = 4096;

interface LaneMemory {
  /** In order of recording. */
  readonly recent: Map<string, { key: MessageKey; value: string }>;
  highestForgotten: MessageKey | undefined;
}

export class KeyWindow {
  #lanes: Record<Lane, LaneMemory> = {
    rounds: { recent: new Map(), highestForgotten: undefined },
    material: { recent: new Map(), highestForgotten: undefined },
  };

  /**
   * Records `value` (a digest) under `key` when the key is new. `repeated`: recorded before with the same value.
   * `reused`: recorded before with another value, or so old that it cannot be told.
   */
  record(key: MessageKey, value: string): 'new' | 'repeated' | 'reused' {
    const lane = this.#lanes[laneOf(key)];
    const id = messageKeyId(key);
    const earlier = lane.recent.get(id);
    if (earlier !== undefined) return earlier.value === value ? 'repeated' : 'reused';
    if (lane.highestForgotten !== undefined && compareMessageKeys(key, lane.highestForgotten) <= 0) return 'reused';
    lane.recent.set(id, { key, value });
    if (lane.recent.size > CAPACITY) this.#forgetOldest(lane);
    return 'new';
  }

  #forgetOldest(lane: LaneMemory): void {
    for (const [id, { key }] of lane.recent) {
      lane.recent.delete(id);
      if (lane.highestForgotten === undefined || compareMessageKeys(key, lane.highestForgotten) > 0) {
        lane.highestForgotten = key;
      }
      return;
    }
  }
}
