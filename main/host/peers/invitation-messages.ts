/** What the two ends of an invitation say to each other, in order; all else is refused. Knows nothing of secrets. */
import { z } from 'zod';
import { addressSchema } from '../../../shared/address.ts';
import { displayNameSchema, reasonCodeSchema } from '../../../shared/ids.ts';

const proof = z.string().regex(/^[0-9a-f]{64}$/);
const addresses = z.array(addressSchema).max(16);

export const invitationMessageSchema = z.discriminatedUnion('step', [
  /** The invited party begins. */
  z.object({
    step: z.literal('ask'),
    protocol: z.int().min(1).max(65_535),
    id: z.string().regex(/^[A-Za-z0-9_-]{16}$/),
    proof,
    name: displayNameSchema,
    addresses,
  }),
  /** The inviting party proves that it is the one. */
  z.object({ step: z.literal('answer'), proof, name: displayNameSchema }),
  /** A person on the sender's side has confirmed. */
  z.object({ step: z.literal('confirmed') }),
  z.object({ step: z.literal('refused'), code: reasonCodeSchema }),
]);
export type InvitationMessage = z.infer<typeof invitationMessageSchema>;

/** What a person is asked to confirm before a key is pinned. */
export interface PairingQuestion {
  /** What the other organisation calls itself; the fingerprint is what counts. */
  readonly name: string;
  readonly fingerprint: string;
  readonly addresses: readonly string[];
  /** Shown to both people: equal words mean that nobody is between. */
  readonly words: readonly string[];
}

/** Asks a person; false declines. */
export type ConfirmPairing = (question: PairingQuestion, signal: AbortSignal) => Promise<boolean>;
