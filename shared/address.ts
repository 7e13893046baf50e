/** Where a host listens: `host:port`, with IPv6 in brackets. Knows nothing of resolving or dialling it. */
import { z } from 'zod';
import { InputError } from './errors.ts';

export interface Address {
  /** A DNS name or a bare IP address. */
  readonly host: string;
  readonly port: number;
}

const PATTERN = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})))(?::([0-9]{1,5}))$/;

/** Reads `name:port`, `192.0.2.1:port` or `[2001:db8::1]:port`; anything else is an InputError (`address-invalid`). */
export function parseAddress(text: string): Address {
  const [, ipv6, name, port] = PATTERN.exec(text) ?? [];
  const host = ipv6 ?? name;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new InputError('address-invalid', `"${text.slice(0, 80)}" is not an address.`, {
      hint: 'Write host:port, for example clinic-a.example:7443 or [2001:db8::1]:7443.',
    });
  }
  return { host, port: Number(port) };
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The text form, checked. */
export const addressSchema = z.string().refine((text) => {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}, 'An address is host:port, for example clinic-a.example:7443 or [2001:db8::1]:7443.');
