/**
 * Opens a TLS 1.3 connection to an address and makes sure of the key at the other end before anything is written to it.
 * Knows nothing of what is spoken over it. Each step that can fail has its own name, so that a person learns which did.
 */
import { once } from 'node:events';
import { connect } from 'node:tls';
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
  signal.throwIfAborted();
  // One socket from the start: a TLS socket laid over a TCP socket of ours crashes Node when both are destroyed.
  const tls = connect({
    host: address.host,
    port: address.port,
    cert: identity.certificatePem,
    key: identity.privateKeyPem.expose(),
    minVersion: 'TLSv1.3',
    // The chain says nothing: the pinned key below does, before a byte is written.
    rejectUnauthorized: false,
  });
  tls.setNoDelay(true);
  tls.setKeepAlive(true);
  const reach = async (event: 'connect' | 'secureConnect') => {
    try {
      await once(tls, event, { signal: AbortSignal.any([signal, AbortSignal.timeout(STEP_TIMEOUT_MS)]) });
    } catch (cause) {
      signal.throwIfAborted();
      const hop = event === 'secureConnect' ? 'tls' : isLookUp(cause) ? 'dns' : 'tcp';
      throw new LinkError(hopFailure(hop, name, where), cause);
    }
  };
  try {
    await reach('connect');
    await reach('secureConnect');
    const certificate = tls.getPeerX509Certificate();
    if (certificate === undefined) throw new LinkError(hopFailure('tls', name, where));
    const got = fingerprintOf(certificate);
    if (got !== fingerprint) throw new LinkError(keyFailure(name, where, got));
    return tls;
  } catch (error) {
    tls.on('error', () => {});
    tls.destroy();
    throw error;
  }
}

function isLookUp(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'getaddrinfo';
}
