/** Addresses of this host as people edit them: `host:port`, separated by commas or line ends. Knows nothing of the page. */
import type { HostStatus, Settings } from '../../../shared/api/host-calls.ts';

/** What stands in the field at first: the addresses that are set, or where the host listens. */
export function ownAddresses({
  settings,
  status,
}: {
  readonly settings: Settings | undefined;
  readonly status: HostStatus | undefined;
}): string {
  return settings === undefined || settings.addresses.length === 0
    ? (status?.address ?? '')
    : settings.addresses.join(', ');
}

export const addressList = (text: string): string[] =>
  text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
