/**
 * An invitation to become peers, in the forms in which people pass it on: a link, a text with a link in it, or a file.
 * Knows nothing of how it is made good. It carries a secret: whoever has it first may ask to be paired, once, and people
 * still confirm; so it is sent over a channel that both trust.
 */
import { z } from 'zod';
import { addressSchema } from './address.ts';
import { InputError } from './errors.ts';
import { displayNameSchema, fingerprintSchema } from './ids.ts';
import { fingerprintWords } from './words.ts';

const FORMAT = 1;
const LINK_PREFIX = 'tacit://join/';
/** A file or text beyond this is no invitation. */
const MAX_CHARACTERS = 16_384;

const inviteSchema = z.strictObject({
  tacitInvite: z.literal(FORMAT),
  /** Names the invitation, is no secret. */
  id: z.string().regex(/^[A-Za-z0-9_-]{16}$/),
  /** 32 random bytes as base64url; good for one try. */
  secret: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  organisation: displayNameSchema,
  fingerprint: fingerprintSchema,
  addresses: z.array(addressSchema).min(1, 'An invitation needs an address to reach.').max(16),
  expiresAt: z.iso.datetime(),
});
export type Invite = z.infer<typeof inviteSchema>;

/** `tacit://join/...`: opens the app, and can be pasted anywhere. */
export function inviteLink(invite: Invite): string {
  const json = new TextEncoder().encode(JSON.stringify(invite));
  const base64 = btoa(String.fromCharCode(...json));
  return LINK_PREFIX + base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** For a letter or a chat: who invites, until when, the first words of the fingerprint, and the link. */
export function inviteText(invite: Invite): string {
  return [
    `${invite.organisation} invites you to train models together with Tacit.`,
    `The invitation is good once, until ${invite.expiresAt}. Open this link in Tacit, or paste it there:`,
    '',
    inviteLink(invite),
    '',
    `Key of ${invite.organisation} begins with: ${fingerprintWords(invite.fingerprint, 8).join(' ')}`,
    '',
  ].join('\n');
}

/** Content of a `.tacit-invite` file. */
export function inviteFile(invite: Invite): string {
  return `${JSON.stringify(invite, null, 2)}\n`;
}

/**
 * Reads any of the three forms. InputErrors: `invite-not-found` (no link or file content in the text), `invite-damaged`
 * (cut off or changed), `invite-version` (made by another version). Expiry is the caller's to check: `inviteHasExpired`.
 */
export function parseInvite(text: string): Invite {
  const trimmed = text.trim();
  if (trimmed.length > MAX_CHARACTERS) throw notFound();
  const json = trimmed.startsWith('{') ? trimmed : decodeLink(trimmed);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw damaged('it is cut off or changed', cause);
  }
  const format = z.object({ tacitInvite: z.number() }).safeParse(value);
  if (format.success && format.data.tacitInvite !== FORMAT) {
    throw new InputError(
      'invite-version',
      `The invitation has format ${format.data.tacitInvite}, this program reads ${FORMAT}.`,
      {
        hint: 'Use the same version of Tacit at both organisations.',
      },
    );
  }
  const invite = inviteSchema.safeParse(value);
  if (!invite.success) {
    const [issue] = invite.error.issues;
    throw damaged(`${issue!.path.join('.') || 'its content'}: ${issue!.message}`, undefined);
  }
  return invite.data;
}

export function inviteHasExpired(invite: Invite, nowMs: number): boolean {
  return nowMs >= Date.parse(invite.expiresAt);
}

function decodeLink(text: string): string {
  const start = text.indexOf(LINK_PREFIX);
  if (start < 0) throw notFound();
  const code = /^[A-Za-z0-9_-]*/.exec(text.slice(start + LINK_PREFIX.length))![0];
  try {
    const bytes = Uint8Array.from(atob(code.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    );
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw damaged('its link is cut off or changed', cause);
  }
}

function notFound(): InputError {
  return new InputError('invite-not-found', `There is no invitation in this text.`, {
    hint: `Paste the whole link, which begins with ${LINK_PREFIX}, or open the .tacit-invite file.`,
  });
}

function damaged(what: string, cause: unknown): InputError {
  return new InputError('invite-damaged', `The invitation is damaged: ${what}.`, {
    hint: 'Copy the whole link again, or ask for a new invitation.',
    cause,
  });
}
