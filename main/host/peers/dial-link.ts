/**
 * Dials a peer and opens a connection: pinned TLS, then socket.io over that very TLS socket, then the hellos.
 * Knows nothing of trying again. Failures are LinkErrors that name the step.
 */
import { Agent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { io } from 'socket.io-client';
import type { Socket } from 'socket.io-client';
import { PROTOCOL_VERSION, linkHelloSchema, linkRefusalSchema } from '../../../shared/wire.ts';
import type { LinkHello } from '../../../shared/wire.ts';
import { formatAddress } from '../../../shared/address.ts';
import { CheckedWebSocket } from './checked-transport.ts';
import { Connection } from './connection.ts';
import { LinkError, hopFailure, refusalFailure, unknownHereFailure, versionFailure } from './failure.ts';
import type { LinkFailure } from './failure.ts';
import type { Identity } from './identity.ts';
import { HELLO_EVENT, packetParser } from './packets.ts';
import { LINK_PATH, MAX_LINK_MESSAGE_BYTES } from './paths.ts';
import { dialTls } from './tls-dial.ts';
import type { DialTarget } from './tls-dial.ts';

const HELLO_TIMEOUT_MS = 10_000;

/** `software` names this program's version, for the other side's messages. */
export async function dialLink(
  target: DialTarget,
  identity: Identity,
  software: string,
  signal: AbortSignal,
): Promise<Connection> {
  const tls = await dialTls(target, identity, signal);
  const hello: LinkHello = { protocol: PROTOCOL_VERSION, software, fingerprint: identity.fingerprint };
  const socket = openSocket(tls, LINK_PATH, { auth: hello, parser: packetParser });
  return new Promise((resolve, reject) => {
    const where = formatAddress(target.address);
    const fail = (failure: LinkFailure) => give(() => reject(new LinkError(failure)));
    const onAbort = () => give(() => reject(signal.reason as unknown));
    const timer = setTimeout(() => fail(hopFailure('tls', target.name, where)), HELLO_TIMEOUT_MS);
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('connect_error');
      socket.off('disconnect', onLost);
    };
    const give = (settle: () => void) => {
      done();
      socket.disconnect();
      tls.destroy();
      settle();
    };
    const onLost = () => fail(hopFailure('tls', target.name, where));
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('connect_error', (error: Error & { data?: unknown }) => {
      const refusal = linkRefusalSchema.safeParse(error.data);
      if (refusal.success) fail(refusalFailure(target.name, refusal.data));
      else if (isForbidden(error)) fail(unknownHereFailure(target.name));
      else onLost();
    });
    socket.on('disconnect', onLost);
    socket.once(HELLO_EVENT, (message: unknown) => {
      const answer = linkHelloSchema.safeParse(message);
      if (!answer.success || answer.data.fingerprint !== target.fingerprint) return onLost();
      const { protocol, software: theirs } = answer.data;
      if (protocol !== PROTOCOL_VERSION) return fail(versionFailure(target.name, protocol, theirs));
      const connection = new Connection(
        { fingerprint: target.fingerprint, software: theirs, dialled: true },
        socket,
        tls,
      );
      done();
      resolve(connection);
    });
  });
}

/** socket.io over a TLS socket that is connected and whose other end is known. */
export function openSocket(tls: TLSSocket, path: string, options: { auth: object; parser?: unknown }): Socket {
  const settings = {
    ...options,
    path,
    transports: [CheckedWebSocket],
    agent: new ConnectedAgent(tls),
    forceNew: true,
    reconnection: false,
    perMessageDeflate: false,
    maxPayload: MAX_LINK_MESSAGE_BYTES,
  };
  // Typed for browsers; under Node these reach the WebSocket as they are.
  return io('https://peer.invalid', settings as unknown as Parameters<typeof io>[1]);
}

/** engine.io's answer to a request that the door does not allow: the key is not pinned there. */
function isForbidden(error: Error & { description?: unknown }): boolean {
  const { description } = error;
  return (
    typeof description === 'object' &&
    description !== null &&
    'message' in description &&
    /response: 40[03]/.test(String(description.message))
  );
}

/** Gives the one socket it was made with to the one request it serves. */
class ConnectedAgent extends Agent {
  readonly #tls: TLSSocket;
  constructor(tls: TLSSocket) {
    super();
    this.#tls = tls;
  }
  override createConnection(): Duplex {
    return this.#tls;
  }
}
