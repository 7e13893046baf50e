/**
 * How the two ends of an invitation prove to each other that they hold its secret, over the TLS connection they share.
 *
 * proof = HMAC-SHA256(secret, "tacit/v1/invitation" || role || fingerprint of inviter || of invited || TLS exporter)
 * (RFC 2104; exporter: RFC 8446, 7.5). The exporter is the same only at the two ends of one connection, so whoever sits
 * between has two and can replay neither. Leakage: a proof is one MAC under 256 random bits that serve once.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { wordsOf } from '../../../shared/words.ts';
import type { SecretText } from '../store/secret-text.ts';

export interface InvitationBinding {
  /** base64url of 32 bytes. */
  readonly secret: SecretText;
  readonly inviter: string;
  readonly invited: string;
  readonly exporter: Buffer;
}

type Purpose = 'inviter' | 'invited' | 'words';

export function exporterOf(tls: TLSSocket): Buffer {
  return tls.exportKeyingMaterial(32, 'EXPORTER-tacit-invitation', Buffer.from('v1'));
}

/** 64 hexadecimal digits. */
export function proofOf(binding: InvitationBinding, role: 'inviter' | 'invited'): string {
  return mac(binding, role).toString('hex');
}

export function proofHolds(binding: InvitationBinding, role: 'inviter' | 'invited', proof: string): boolean {
  const given = Buffer.from(proof, 'hex');
  const expected = mac(binding, role);
  return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
}

/** Six words that both people see; equal exactly when nobody is between. */
export function pairingWords(binding: InvitationBinding): string[] {
  return wordsOf(mac(binding, 'words').subarray(0, 6));
}

function mac({ secret, inviter, invited, exporter }: InvitationBinding, purpose: Purpose): Buffer {
  return createHmac('sha256', Buffer.from(secret.expose(), 'base64url'))
    .update(`tacit/v1/invitation\n${purpose}\n${inviter}\n${invited}\n`)
    .update(exporter)
    .digest();
}
