/**
 * The dialling end of a link's WebSocket, with everything checked that the other end may say at the level of engine.io. Its own
 * client takes the server's word for the shape of an opening and throws outside anybody's reach where it is another, which
 * would end the process. Knows nothing of socket.io packets or frames.
 */
import { NodeWebSocket } from 'socket.io-client';
import { z } from 'zod';

const openingSchema = z.object({
  sid: z.string().min(1).max(100),
  upgrades: z.array(z.string()).max(0),
  pingInterval: z.number().positive(),
  pingTimeout: z.number().positive(),
  maxPayload: z.number().positive(),
});

type Packet = Parameters<NodeWebSocket['onPacket']>[0];

export class CheckedWebSocket extends NodeWebSocket {
  #opened = false;

  /** Hosts open once, then carry messages, then close; they never ping (listener.ts). */
  override onPacket(packet: Packet): void {
    if (this.#isExpected(packet)) super.onPacket(packet);
    else this.onError('malformed packet', undefined);
  }

  #isExpected({ type, data }: Packet): boolean {
    if (type === 'message' || type === 'close' || type === 'noop') return this.#opened;
    if (type !== 'open' || this.#opened || typeof data !== 'string') return false;
    try {
      this.#opened = openingSchema.safeParse(JSON.parse(data)).success;
    } catch {
      return false;
    }
    return this.#opened;
  }
}
