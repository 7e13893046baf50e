/**
 * The browser's carrier of the API: a server on the loopback that serves the built interface, calls and events over
 * socket.io, and uploads. Knows nothing of what is called.
 *
 * Whoever has the token may do everything that the host's owner may. It is new at each start and stands in the address's
 * fragment, which browsers send to nobody. Other programs of this machine and other pages in the browser have neither the
 * token nor a Host and Origin that are let in (no DNS rebinding, no cross-site requests).
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { MachineError } from '../../../shared/errors.ts';
import { rendererFolder } from '../../paths.ts';
import type { Host } from '../run/host.ts';
import { HostSlot } from './host-slot.ts';
import { pageHeaders, plain, servePage } from './page-files.ts';
import { openApi } from './services.ts';

export interface ServeApiOptions {
  /** 0 takes any free one. */
  readonly port: number;
  /** By default a new one of 256 bits. */
  readonly token?: string | undefined;
  /** Told of errors that nobody raised on purpose. */
  readonly onUnexpected?: ((error: unknown) => void) | undefined;
}

export interface ServedApi {
  /** To be opened in a browser; holds the token: for the owner's eyes only. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  /** Ends connections and what the API holds open; the host stays open. */
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const SOCKET_PATH = '/api/socket';
const UPLOAD_PATH = '/api/upload';
/** A job's text is the largest thing that is called with. */
const MAX_MESSAGE_BYTES = 4 << 20;

/**
 * Serves a host that is open, or one whose first start is to come (see HostSlot).
 * @throws MachineError `api-port-in-use`.
 */
export async function serveApi(host: Host | HostSlot, options: ServeApiOptions): Promise<ServedApi> {
  const slot = host instanceof HostSlot ? host : HostSlot.of(host);
  const token = options.token ?? randomBytes(32).toString('base64url');
  const onUnexpected = options.onUnexpected ?? ((error: unknown) => console.error(error));
  const api = openApi(slot, onUnexpected);
  const isToken = tokenCheck(token);
  let hosts: readonly string[] = [];
  const isOurs = ({ headers }: IncomingMessage): boolean =>
    hosts.includes(headers.host ?? '') &&
    (headers.origin === undefined || headers.origin === `http://${headers.host ?? ''}`);

  const answerUpload = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (!isToken(bearer)) return plain(response, 401, 'The token is wrong: open the address that Tacit printed.');
    const bytes = Number(request.headers['content-length'] ?? 0);
    const answer = await api.upload(url.searchParams.get('name') ?? '', request, bytes);
    // A browser reads the answer to an upload only once it has sent all of it.
    request.resume();
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
    response.end(JSON.stringify(answer));
  };

  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
    if (!isOurs(request)) return plain(response, 403, 'This address is not served here.');
    const url = new URL(request.url ?? '/', `http://${LOOPBACK}`);
    if (request.method === 'POST' && url.pathname === UPLOAD_PATH) {
      answerUpload(request, response, url).catch((error: unknown) => {
        onUnexpected(error);
        response.destroy();
      });
      return;
    }
    if (request.method !== 'GET') return plain(response, 405, 'Only GET is answered here.');
    servePage(rendererFolder, url.pathname, response);
  });
  // Long uploads are fine; silent connections are not.
  server.requestTimeout = 0;

  const sockets = new Server(server, {
    path: SOCKET_PATH,
    serveClient: false,
    transports: ['websocket'],
    maxHttpBufferSize: MAX_MESSAGE_BYTES,
    allowRequest: (request, decide) => decide(null, isOurs(request)),
  });
  sockets.use((socket, next) => {
    if (isToken(socket.handshake.auth['token'])) return next();
    const refusal = Object.assign(new Error('The token is wrong: open the address that Tacit printed.'), {
      data: { code: 'token-wrong' },
    });
    next(refusal);
  });
  sockets.on('connection', (socket) => {
    socket.on('call', (name: unknown, request: unknown, reply: unknown) => {
      if (typeof reply !== 'function') return;
      void api.call(name, request).then((answer) => {
        reply(answer);
      });
    });
  });
  api.subscribe((name, body) => sockets.emit('event', name, body));

  server.listen(options.port, LOOPBACK);
  try {
    await once(server, 'listening');
  } catch (cause) {
    await api.close();
    throw new MachineError('api-port-in-use', `Port ${options.port} of ${LOOPBACK} cannot be listened at.`, {
      hint: 'Choose another port, or 0 for any free one.',
      cause,
    });
  }
  const { port } = server.address() as AddressInfo;
  hosts = [`${LOOPBACK}:${port}`, `localhost:${port}`];
  return {
    url: `http://${LOOPBACK}:${port}/#token=${token}`,
    port,
    token,
    close: async () => {
      await api.close();
      await sockets.close();
      server.closeAllConnections();
    },
  };
}

/** Compares in constant time. */
function tokenCheck(token: string): (offered: unknown) => boolean {
  const expected = Buffer.from(token);
  return (offered) => {
    if (typeof offered !== 'string') return false;
    const bytes = Buffer.from(offered);
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  };
}
