/**
 * What makes this organisation the one that its peers know: identity, peers and settings, out of a store and into a new one.
 * Never the vault or running jobs: material that two machines hold would hide two values under one mask.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { z } from 'zod';
import { addressSchema } from '../../../shared/address.ts';
import { InputError } from '../../../shared/errors.ts';
import { displayNameSchema, fingerprintSchema } from '../../../shared/ids.ts';
import { checkIdentity } from '../peers/identity.ts';
import type { Identity } from '../peers/identity.ts';
import type { Links } from '../peers/links.ts';
import { SecretText } from '../store/secret-text.ts';
import type { Store } from '../store/store.ts';
import { openFile, sealFile } from './sealed-file.ts';

const backupSchema = z.strictObject({
  madeAtMs: z.int().min(0),
  identity: z.strictObject({
    name: displayNameSchema,
    fingerprint: fingerprintSchema,
    certificatePem: z.string().max(10_000),
    privateKeyPem: z.string().max(10_000),
  }),
  peers: z
    .array(
      z.strictObject({
        fingerprint: fingerprintSchema,
        name: displayNameSchema,
        addresses: z.array(addressSchema).max(16),
        isRevoked: z.boolean(),
      }),
    )
    .max(10_000),
});

export interface Backup {
  readonly madeAtMs: number;
  readonly identity: Identity;
  readonly peers: readonly {
    readonly fingerprint: string;
    readonly name: string;
    readonly addresses: readonly string[];
    readonly isRevoked: boolean;
  }[];
}

/** The backup of a store as the text of a file. @throws InputError `passphrase-short`, `identity-missing`. */
export async function exportBackup(store: Store, passphrase: SecretText): Promise<string> {
  const identity = store.identity.get();
  if (identity === undefined) throw new InputError('identity-missing', 'There is no identity to save yet.');
  const { name, fingerprint, certificatePem, privateKeyPem } = identity;
  const content: z.input<typeof backupSchema> = {
    madeAtMs: Date.now(),
    identity: { name, fingerprint, certificatePem, privateKeyPem: privateKeyPem.expose() },
    peers: store.peers.list().map((peer) => ({
      fingerprint: peer.fingerprint,
      name: peer.name,
      addresses: [...peer.addresses],
      isRevoked: peer.revokedAtMs !== undefined,
    })),
  };
  return sealFile(content, passphrase);
}

/** @throws InputError `backup-unreadable`, `passphrase-wrong`, `backup-damaged`. */
export async function readBackup(text: string, passphrase: SecretText): Promise<Backup> {
  const parsed = backupSchema.safeParse(await openFile(text, passphrase));
  const damaged = new InputError('backup-damaged', 'The backup opens, but what is in it does not fit together.', {
    hint: 'Use another copy, made by the same or an earlier version.',
  });
  if (!parsed.success) throw damaged;
  const { identity, ...rest } = parsed.data;
  const restored = { ...identity, privateKeyPem: new SecretText(identity.privateKeyPem) };
  checkIdentity(restored);
  try {
    const key = createPrivateKey(identity.privateKeyPem);
    if (!new X509Certificate(identity.certificatePem).checkPrivateKey(key)) throw damaged;
  } catch {
    throw damaged;
  }
  return { ...rest, identity: restored };
}

/** The peers of a backup, dialled from now on; those that were revoked stay so. */
export function restorePeers(links: Links, { peers }: Backup): void {
  for (const { isRevoked, ...peer } of peers) {
    links.pin(peer);
    if (isRevoked) links.revoke(peer.fingerprint);
  }
}
