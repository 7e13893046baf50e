/**
 * Opens a TLS 1.3 connection to an address and makes sure of the key at the other end before anything is written to it.
 * Knows nothing of what is spoken over it. Each step that can fail has its own name, so that a person learns which did.
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { formatAddress } from '../../../shared/address.ts';
import type { Address } from '../../../shared/address.ts';
import { LinkError, hopFailure, keyFailure } from './failure.ts';
import { fingerprintOf } from './identity.ts';
import type { Identity } from './identity.ts';

export interface DialTarget {
  /** For messages. */
  readonly name: string;
  readonly address: Address;
  /** The only key that is accepted there. */
  readonly fingerprint: string;
}

const STEP_TIMEOUT_MS = 10_000;

/** Throws a LinkError that names the step (`dns`, `tcp`, `tls`, `key`), or the signal's reason. */
export async function dialTls(target: DialTarget, identity: Identity, signal: AbortSignal): Promise<TLSSocket> {
  const { name, address, fingerprint } = target;
  const where = formatAddress(address);
  const step = async <T>(hop: 'dns' | 'tcp' | 'tls', work: (deadline: AbortSignal) => Promise<T>): Promise<T> => {
    try {
      return await work(AbortSignal.any([signal, AbortSignal.timeout(STEP_TIMEOUT_MS)]));
    } catch (cause) {
      signal.throwIfAborted();
      throw new LinkError(hopFailure(hop, name, where), cause);
    }
  };
  const { address: ip } = await step('dns', (deadline) => raceAbort(lookup(address.host), deadline));
  const tcp = connectTcp({ host: ip, port: address.port, noDelay: true, keepAlive: true });
  let tls: TLSSocket | undefined;
  try {
    await step('tcp', (deadline) => once(tcp, 'connect', { signal: deadline }));
    tls = connectTls({
      socket: tcp,
      cert: identity.certificatePem,
      key: identity.privateKeyPem.expose(),
      minVersion: 'TLSv1.3',
      // The chain says nothing: the pinned key below does, before a byte is written.
      rejectUnauthorized: false,
    });
    const secured = tls;
    await step('tls', (deadline) => once(secured, 'secureConnect', { signal: deadline }));
    const certificate = secured.getPeerX509Certificate();
    if (certificate === undefined) throw new LinkError(hopFailure('tls', name, where));
    const got = fingerprintOf(certificate);
    if (got !== fingerprint) throw new LinkError(keyFailure(name, where, got));
    return secured;
  } catch (error) {
    abandon(tcp);
    if (tls !== undefined) abandon(tls);
    throw error;
  }
}

function abandon(socket: Socket): void {
  socket.on('error', () => {});
  socket.destroy();
}

function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as unknown);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
