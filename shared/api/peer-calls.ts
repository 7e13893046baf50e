/** Calls about peers: who is paired, how each link does, and invitations in both directions. */
import { z } from 'zod';
import { addressSchema } from '../address.ts';
import { fingerprintSchema } from '../ids.ts';
import { apiErrorSchema, call, momentSchema, nothing } from './call.ts';

export const linkStates = ['awaited', 'connecting', 'connected', 'reconnecting', 'unreachable', 'refused'] as const;
export const hops = ['dns', 'tcp', 'tls', 'key', 'version', 'refused'] as const;

const linkViewSchema = z.object({
  state: z.enum(linkStates),
  sinceMs: momentSchema,
  /** What is being waited for, in words, with the peer's name. */
  step: z.string().optional(),
  failure: z.object({ hop: z.enum(hops), code: z.string(), message: z.string(), hint: z.string() }).optional(),
  nextTryAtMs: momentSchema.optional(),
  software: z.string().optional(),
  rttMs: z.number().optional(),
  bytesInPerSecond: z.number(),
  bytesOutPerSecond: z.number(),
});
export type LinkView = z.infer<typeof linkViewSchema>;

const peerViewSchema = z.object({
  fingerprint: fingerprintSchema,
  name: z.string(),
  words: z.array(z.string()),
  addresses: z.array(z.string()),
  pinnedAtMs: momentSchema,
  lastSeenMs: momentSchema.optional(),
  revokedAtMs: momentSchema.optional(),
  /** Absent for a revoked peer. */
  link: linkViewSchema.optional(),
});
export type PeerView = z.infer<typeof peerViewSchema>;

/** open: waits for somebody to come; dialling: goes to the inviting host; asking: a person here is asked; waiting: for the other side's person. */
export const invitationStates = ['open', 'dialling', 'asking', 'waiting', 'paired', 'failed', 'cancelled'] as const;

const invitationViewSchema = z.object({
  id: z.string(),
  direction: z.enum(['made', 'opened']),
  state: z.enum(invitationStates),
  sinceMs: momentSchema,
  expiresAtMs: momentSchema,
  /** Of an invitation that was made here and is still good: how it is passed on. */
  link: z.string().optional(),
  text: z.string().optional(),
  file: z.string().optional(),
  /** The other side, as far as it is known. */
  organisation: z.string().optional(),
  fingerprint: fingerprintSchema.optional(),
  fingerprintWords: z.array(z.string()).optional(),
  /** To be compared with the other side's: equal words mean that nobody is between. */
  pairingWords: z.array(z.string()).optional(),
  error: apiErrorSchema.optional(),
});
export type InvitationView = z.infer<typeof invitationViewSchema>;

/** What an invitation says, before anything happens. */
const invitePreviewSchema = z.object({
  organisation: z.string(),
  fingerprint: fingerprintSchema,
  fingerprintWords: z.array(z.string()),
  addresses: z.array(z.string()),
  expiresAtMs: momentSchema,
  isExpired: z.boolean(),
  isOwn: z.boolean(),
  /** Name under which this key is pinned already. */
  knownAs: z.string().optional(),
});
export type InvitePreview = z.infer<typeof invitePreviewSchema>;

const inviteText = z.string().min(1).max(20_000);
const invitationId = z.string().min(1).max(64);

export const peerCalls = {
  'peers.list': call(nothing, z.array(peerViewSchema)),
  'peers.revoke': call(z.strictObject({ fingerprint: fingerprintSchema }), nothing),
  'invitations.list': call(nothing, z.array(invitationViewSchema)),
  'invitations.create': call(
    z.strictObject({ addresses: z.array(addressSchema).max(16), validForMinutes: z.int().min(1).max(10_080) }),
    invitationViewSchema,
  ),
  /** Says what a link, a text or a file holds; does nothing. */
  'invitations.read': call(z.strictObject({ text: inviteText }), invitePreviewSchema),
  /** Goes to the inviting host with it; both sides' people are asked then. */
  'invitations.open': call(
    z.strictObject({
      text: inviteText,
      /** Where they can dial this host; none where it can only dial them. Without it, those of the settings. */
      addresses: z.array(addressSchema).max(16).optional(),
    }),
    invitationViewSchema,
  ),
  'invitations.answer': call(z.strictObject({ id: invitationId, accept: z.boolean() }), invitationViewSchema),
  'invitations.cancel': call(z.strictObject({ id: invitationId }), nothing),
};

export const peerEvents = {
  /** One peer's link changed, or a peer was paired or revoked. */
  'peers.changed': z.array(peerViewSchema),
  'invitations.changed': z.array(invitationViewSchema),
};
