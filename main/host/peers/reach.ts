/**
 * Whether an address leads to this very host: dials it as a peer would, and expects this organisation's own key. Knows nothing
 * of settings. Behind a router that does not turn packets round, an address can work for others and fail here.
 */
import type { Address } from '../../../shared/address.ts';
import { LinkError } from './failure.ts';
import type { LinkFailure } from './failure.ts';
import type { Identity } from './identity.ts';
import { dialTls } from './tls-dial.ts';

/** The failed step, or undefined where the host was reached. */
export async function reachOwn(
  identity: Identity,
  address: Address,
  signal: AbortSignal,
): Promise<LinkFailure | undefined> {
  const { name, fingerprint } = identity;
  try {
    const socket = await dialTls({ name, address, fingerprint }, identity, signal);
    socket.on('error', () => {});
    socket.destroy();
    return undefined;
  } catch (error) {
    if (error instanceof LinkError) return error.failure;
    throw error;
  }
}
