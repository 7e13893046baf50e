/**
 * How socket.io packets are written in WebSocket messages on a link: a frame is one binary message, everything else one
 * short JSON text. Knows nothing of frames' content. Replaces socket.io's own parser, which spends a text message and a
 * second WebSocket message on each binary event.
 */
import { EventEmitter } from 'node:events';
import { z } from 'zod';

/** Name of the event that carries a frame. */
export const FRAME_EVENT = 'frame';
/** Names of the events that carry JSON; a name chosen by the other end could be one that socket.io acts on. */
export const HELLO_EVENT = 'hello';
export const CONTROL_EVENT = 'control';
const EVENT = 2;

const eventSchema = z.tuple([z.enum([HELLO_EVENT, CONTROL_EVENT]), z.unknown()]);

const packetSchema = z.object({
  type: z.int().min(0).max(4),
  nsp: z.literal('/'),
  data: z.unknown().optional(),
});

interface Packet {
  readonly type: number;
  readonly nsp: string;
  readonly data?: unknown;
}

class Encoder {
  encode(packet: Packet): (string | Uint8Array)[] {
    const { type, nsp, data } = packet;
    if (type === EVENT && Array.isArray(data) && data[0] === FRAME_EVENT && data[1] instanceof Uint8Array) {
      return [data[1]];
    }
    return [JSON.stringify({ type, nsp, data })];
  }
}

class Decoder extends EventEmitter {
  /** Throws on anything that no correct host sends; socket.io then closes the connection. */
  add(message: string | Uint8Array): void {
    if (typeof message !== 'string') {
      this.emit('decoded', { type: EVENT, nsp: '/', data: [FRAME_EVENT, message] });
      return;
    }
    const packet = packetSchema.parse(JSON.parse(message));
    this.emit('decoded', packet.type === EVENT ? { ...packet, data: eventSchema.parse(packet.data) } : packet);
  }

  destroy(): void {
    this.removeAllListeners();
  }
}

export const packetParser = { Encoder, Decoder };
