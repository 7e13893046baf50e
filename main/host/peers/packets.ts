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
const [CONNECT, DISCONNECT, EVENT, CONNECT_ERROR] = [0, 1, 2, 4] as const;

const nsp = z.literal('/');
/** Of a shape that socket.io takes for granted: other data would make it throw where nobody catches it. */
const packetSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal(CONNECT), nsp, data: z.looseObject({}).optional() }),
  z.object({ type: z.literal(DISCONNECT), nsp }),
  z.object({
    type: z.literal(EVENT),
    nsp,
    data: z.tuple([z.enum([HELLO_EVENT, CONTROL_EVENT]), z.unknown()]),
  }),
  z.object({
    type: z.literal(CONNECT_ERROR),
    nsp,
    data: z.object({ message: z.string(), data: z.unknown().optional() }),
  }),
]);

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
  #connected = false;

  /** Throws on anything that no correct host sends; socket.io then closes the connection. */
  add(message: string | Uint8Array): void {
    if (typeof message !== 'string') {
      this.emit('decoded', { type: EVENT, nsp: '/', data: [FRAME_EVENT, message] });
      return;
    }
    const packet = packetSchema.parse(JSON.parse(message));
    if (packet.type === CONNECT) {
      // A second one before the first is served would be a second socket on one connection.
      if (this.#connected) throw new Error('connected already');
      this.#connected = true;
    }
    this.emit('decoded', packet);
  }

  destroy(): void {
    this.removeAllListeners();
  }
}

export const packetParser = { Encoder, Decoder };
