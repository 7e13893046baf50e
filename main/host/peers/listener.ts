/**
 * The one HTTPS server of a host: TLS 1.3, a certificate asked of whoever connects, and two doors behind it. Pinned keys
 * reach the link door; any key reaches the invitation door, where messages are short. Knows nothing of sessions.
 *
 * Invariant: before a key is known to be pinned, nothing but HTTP's request line and headers is read from it at the link
 * door; the answer is an HTTP error.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { Server as HttpsServer } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { Server } from 'socket.io';
import type { ServerOptions, Socket } from 'socket.io';
import { MachineError } from '../../../shared/errors.ts';
import type { Address } from '../../../shared/address.ts';
import { PROTOCOL_VERSION, linkHelloSchema } from '../../../shared/wire.ts';
import type { LinkHello, LinkRefusal } from '../../../shared/wire.ts';
import { Connection } from './connection.ts';
import { fingerprintOf } from './identity.ts';
import type { Identity } from './identity.ts';
import { HELLO_EVENT, packetParser } from './packets.ts';
import { INVITATION_PATH, LINK_PATH, MAX_INVITATION_MESSAGE_BYTES, MAX_LINK_MESSAGE_BYTES } from './paths.ts';

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Strangers' included; an organisation has a few peers. */
const MAX_CONNECTIONS = 512;
/** engine.io's own heartbeat would wait behind bulk data on a slow line; connections watch themselves. */
const NO_HEARTBEAT_MS = 1_000_000_000;

export interface ListenerRules {
  /** Whether the key belongs to a peer that was ever pinned; others do not reach the link door. */
  isKnown(fingerprint: string): boolean;
  /** Code with which a known peer is refused by name, or undefined. */
  refusal(fingerprint: string): string | undefined;
  /** Takes the connection over. */
  onLink(connection: Connection): void;
  /** Whether one more stranger from this address may try an invitation now. */
  admitsStranger(remoteAddress: string): boolean;
  onStranger(fingerprint: string, socket: Socket, tls: TLSSocket): void;
}

export interface Listener {
  readonly address: Address;
  close(): Promise<void>;
}

/** Port 0 takes any free one. A port in use is a MachineError (`port-in-use`). */
export async function listen(
  address: Address,
  identity: Identity,
  software: string,
  rules: ListenerRules,
): Promise<Listener> {
  const https = createServer({
    cert: identity.certificatePem,
    key: identity.privateKeyPem.expose(),
    minVersion: 'TLSv1.3',
    requestCert: true,
    // A chain proves nothing here; each door looks at the key itself.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    headersTimeout: HANDSHAKE_TIMEOUT_MS,
    requestTimeout: HANDSHAKE_TIMEOUT_MS,
  });
  https.maxConnections = MAX_CONNECTIONS;
  https.on('request', (request, response) => {
    if (!request.url?.startsWith('/tacit/')) response.writeHead(404).end();
  });
  const links = linkDoor(https, identity, software, rules);
  const invitations = invitationDoor(https, rules);
  https.listen(address.port, address.host);
  try {
    await once(https, 'listening');
  } catch (cause) {
    throw new MachineError('port-in-use', `This host cannot listen on ${address.host}:${address.port}.`, {
      hint: 'Choose another port, or end the program that uses it.',
      cause,
    });
  }
  const bound = https.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  return {
    address: { host: address.host, port },
    async close() {
      await Promise.all([links.close(), invitations.close()]);
      https.closeAllConnections();
    },
  };
}

function linkDoor(https: HttpsServer, identity: Identity, software: string, rules: ListenerRules): Server {
  const door = new Server(https, {
    ...doorOptions(LINK_PATH, MAX_LINK_MESSAGE_BYTES),
    parser: packetParser,
    allowRequest: (request, decide) => {
      const key = keyOf(request);
      decide(key === undefined ? 'no-key' : null, key !== undefined && rules.isKnown(key));
    },
  });
  const own: LinkHello = { protocol: PROTOCOL_VERSION, software, fingerprint: identity.fingerprint };
  door.use((socket, next) => {
    const key = keyOf(socket.request)!;
    const hello = linkHelloSchema.safeParse(socket.handshake.auth);
    const refuse = (code: string) => next(new RefusedLink({ code, protocol: PROTOCOL_VERSION, software }));
    if (!hello.success) return refuse('hello-malformed');
    if (hello.data.protocol !== PROTOCOL_VERSION) return refuse('version-mismatch');
    if (hello.data.fingerprint !== key) return refuse('peer-key-mismatch');
    const code = rules.refusal(key);
    if (code !== undefined) return refuse(code);
    (socket.data as { software: string }).software = hello.data.software;
    next();
  });
  door.on('connection', (socket) => {
    const { software: theirs } = socket.data as { software: string };
    const peer = { fingerprint: keyOf(socket.request)!, software: theirs, dialled: false };
    const connection = new Connection(peer, socket, socket.request.socket as TLSSocket);
    socket.emit(HELLO_EVENT, own);
    rules.onLink(connection);
  });
  return door;
}

function invitationDoor(https: HttpsServer, rules: ListenerRules): Server {
  const door = new Server(https, {
    ...doorOptions(INVITATION_PATH, MAX_INVITATION_MESSAGE_BYTES),
    parser: packetParser,
    allowRequest: (request, decide) => {
      const admitted = keyOf(request) !== undefined && rules.admitsStranger(request.socket.remoteAddress ?? '');
      decide(admitted ? null : 'not-admitted', admitted);
    },
  });
  door.on('connection', (socket) => {
    rules.onStranger(keyOf(socket.request)!, socket, socket.request.socket as TLSSocket);
  });
  return door;
}

function doorOptions(path: string, maxHttpBufferSize: number): Partial<ServerOptions> {
  return {
    path,
    maxHttpBufferSize,
    transports: ['websocket'],
    perMessageDeflate: false,
    httpCompression: false,
    serveClient: false,
    connectTimeout: HANDSHAKE_TIMEOUT_MS,
    pingInterval: NO_HEARTBEAT_MS,
    pingTimeout: NO_HEARTBEAT_MS,
  };
}

/** Fingerprint of the key that TLS has proved, or undefined when no certificate was shown. */
function keyOf(request: IncomingMessage): string | undefined {
  const certificate = (request.socket as TLSSocket).getPeerX509Certificate();
  return certificate === undefined ? undefined : fingerprintOf(certificate);
}

/** Reaches the dialling side with its data. */
class RefusedLink extends Error {
  readonly data: LinkRefusal;
  constructor(refusal: LinkRefusal) {
    super(refusal.code);
    this.data = refusal;
  }
}
