/**
 * WebSockets over TLS written by hand, for peers and strangers that do not keep to anything: what a correct program would never
 * send leaves here unchanged. Knows nothing of what the bytes mean.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { formatAddress, parseAddress } from '../../../shared/address.ts';
import type { Identity } from '../../../main/host/peers/identity.ts';

const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export interface RawSocket {
  /** Sends one text message. */
  say(text: string): void;
  /** Sends one binary message. */
  give(bytes: Uint8Array): void;
  /** The other end has ended the connection. */
  readonly ended: Promise<void>;
}

/** A WebSocket message in one frame; clients mask, here with zeros. */
function message(opcode: 1 | 2, payload: Uint8Array, masked: boolean): Buffer {
  const length = payload.byteLength;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  if (masked) head[1] |= 0x80;
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), payload]);
}

const CLOSE = 8;

/** Calls back with the opcode of each frame that comes, in whatever pieces; what they hold is dropped. */
function frameReader(onFrame: (opcode: number) => void): (bytes: Buffer) => void {
  let held = Buffer.alloc(0);
  return (bytes) => {
    held = Buffer.concat([held, bytes]);
    while (held.length >= 2) {
      const [first, second] = [held[0]!, held[1]!];
      const short = second & 127;
      const lengthAt = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (held.length < lengthAt) return;
      const length = short === 126 ? held.readUInt16BE(2) : short === 127 ? Number(held.readBigUInt64BE(2)) : short;
      const end = lengthAt + (second & 128 ? 4 : 0) + length;
      if (held.length < end) return;
      held = held.subarray(end);
      onFrame(first & 15);
    }
  };
}

/** `masked`: of the end that dialled. */
function rawSocket(tls: TLSSocket, masked: boolean): RawSocket {
  const ended = new Promise<void>((resolve) => tls.once('close', () => resolve()));
  // The closing handshake would wait for this end's answer.
  const read = frameReader((opcode) => {
    if (opcode === CLOSE) tls.destroy();
  });
  tls.on('error', () => {});
  tls.on('data', read);
  return {
    say: (text) => void tls.write(message(1, Buffer.from(text), masked)),
    give: (bytes) => void tls.write(message(2, bytes, masked)),
    ended,
  };
}

/** Reads the header of an HTTP message; what follows it stays to be read. */
async function httpHead(tls: TLSSocket): Promise<string> {
  let held = Buffer.alloc(0);
  for (;;) {
    await once(tls, 'readable');
    for (let piece = tls.read() as Buffer | null; piece !== null; piece = tls.read() as Buffer | null) {
      held = Buffer.concat([held, piece]);
    }
    const end = held.indexOf('\r\n\r\n') + 4;
    if (end < 4) continue;
    tls.unshift(held.subarray(end));
    return held.subarray(0, end).toString();
  }
}

/** Opens a WebSocket at a host's door (paths.ts) under a key of one's own. */
export async function dialRaw(address: string, identity: Identity, path: string): Promise<RawSocket> {
  const { certificatePem: cert, privateKeyPem } = identity;
  const tls = connect({ ...parseAddress(address), cert, key: privateKeyPem.expose(), rejectUnauthorized: false });
  await once(tls, 'secureConnect');
  tls.write(
    `GET ${path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: raw\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  );
  const answer = await httpHead(tls);
  if (!answer.startsWith('HTTP/1.1 101')) throw new Error(`not opened: ${answer}`);
  return rawSocket(tls, true);
}

export interface RawListener {
  readonly address: string;
  close(): Promise<void>;
}

/** Takes whoever dials under a key of one's own, opens the WebSocket, and lets `serve` do the rest. */
export async function listenRaw(identity: Identity, serve: (socket: RawSocket) => void): Promise<RawListener> {
  const { certificatePem: cert, privateKeyPem } = identity;
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert, key: privateKeyPem.expose(), requestCert: true, rejectUnauthorized: false });
  server.on('secureConnection', (tls) => {
    sockets.add(tls);
    tls.on('error', () => {});
    void httpHead(tls).then((request) => {
      const key = /sec-websocket-key: (\S+)/iu.exec(request)?.[1] ?? '';
      const accept = createHash('sha1').update(`${key}${ACCEPT_GUID}`).digest('base64');
      tls.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      serve(rawSocket(tls, false));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    address: formatAddress({ host: '127.0.0.1', port }),
    async close() {
      for (const tls of sockets) tls.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
