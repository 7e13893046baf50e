/** The host itself and its settings. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { machineProbeSchema, settingsSchema } from '../../../shared/api/host-calls.ts';
import type { HostStatus, MachineProbe, Settings } from '../../../shared/api/host-calls.ts';
import { parseAddress } from '../../../shared/address.ts';
import type { Address } from '../../../shared/address.ts';
import { PROTOCOL_VERSION } from '../../../shared/wire.ts';
import { fingerprintWords } from '../../../shared/words.ts';
import { packageFile } from '../../paths.ts';
import { exportBackup, readBackup } from '../backup/backup.ts';
import { hasTensorflowPackage } from '../baseline/tensorflow-package.ts';
import { GpuSettings } from '../gpu/gpu-settings.ts';
import { reachOwn } from '../peers/reach.ts';
import { probe, probeByPort } from '../probe/probe.ts';
import type { Host } from '../run/host.ts';
import { SecretText } from '../store/secret-text.ts';
import { VAULT_QUOTA_SETTING } from '../store/store.ts';
import { DEFAULT_QUOTA_BYTES } from '../store/vault.ts';
import type { ApiContext, Service } from './context.ts';
import { diagnostics } from './diagnostics.ts';

const startedAtMs = Date.now();
const KEY = 'interface';
const PROBE_SETTING = 'machine-probe';
const GIGABYTE = 1e9;
const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(packageFile, 'utf8')));

/** What is set, with defaults for the rest. */
export function currentSettings({ slot }: Pick<ApiContext, 'slot'>): Settings {
  const stored = slot.host?.store.settings.get(KEY, settingsSchema.partial());
  return {
    theme: 'system',
    threads: availableParallelism(),
    kernels: 'auto',
    vaultGigabytes: DEFAULT_QUOTA_BYTES / GIGABYTE,
    addresses: [],
    ...withoutUndefined(stored ?? {}),
  };
}

export function hostService(
  context: ApiContext,
  onCreated: () => void,
): Service<
  | `host.${'status' | 'create' | 'restore' | 'backup' | 'reach' | 'probe' | 'probed' | 'diagnostics'}`
  | `settings.${'get' | 'set'}`
> {
  const { slot } = context;

  const status = (): HostStatus => {
    const stored = slot.host?.store.identity.get();
    return {
      ...(stored === undefined
        ? {}
        : {
            identity: {
              name: stored.name,
              fingerprint: stored.fingerprint,
              words: fingerprintWords(stored.fingerprint, 8),
              createdAtMs: stored.createdAtMs,
            },
            address: slot.host?.address,
          }),
      version,
      protocol: PROTOCOL_VERSION,
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      hasTensorflow: hasTensorflowPackage(),
      folder: slot.folder,
      startedAtMs,
    };
  };

  /** After a first start. */
  const begun = (kind: string, { identity }: Host): HostStatus => {
    context.record(kind, { name: identity.name, fingerprint: identity.fingerprint });
    onCreated();
    const now = status();
    context.publish('host.changed', now);
    return now;
  };

  /** One part after the other: what is measured at the same time is measured wrong. */
  const probeMachine = async ({ store, gpuPort }: Host): Promise<MachineProbe> => {
    const { signal } = context;
    const tried = (part: 'kernels' | 'gpu') =>
      gpuPort === undefined ? probe(part, signal) : probeByPort(part, gpuPort(), signal);
    const [cpu, gpu] = [await tried('kernels'), await tried('gpu')];
    // A card that was suspected of taking processes with it has just been used, and nothing happened.
    if (gpu.works && gpu.isSoftware !== true) new GpuSettings(store.settings).end();
    const found: MachineProbe = { atMs: Date.now(), cpu, gpu };
    store.settings.set(PROBE_SETTING, found);
    return found;
  };

  return {
    handlers: {
      'host.status': status,
      'host.create': async ({ name, listen }) => begun('identity-created', await slot.create(name, address(listen))),
      'host.restore': async ({ file, passphrase, listen }) => {
        const backup = await readBackup(file, new SecretText(passphrase));
        return begun('identity-restored', await slot.restore(backup, address(listen)));
      },
      'host.backup': async ({ passphrase }) => {
        const { store, identity } = context.host();
        const text = await exportBackup(store, new SecretText(passphrase));
        context.record('backup-made', { peers: store.peers.list().length });
        return { name: `${fileName(identity.name)}.tacit-backup`, text };
      },
      'host.reach': async ({ address: text }) => {
        const failure = await reachOwn(context.host().identity, parseAddress(text), context.signal);
        if (failure === undefined) return { address: text, isReached: true };
        const { hop, message, hint } = failure;
        return { address: text, isReached: false, failure: { hop, message, hint } };
      },
      'host.probe': () => probeMachine(context.host()),
      'host.probed': () => ({ probe: context.host().store.settings.get(PROBE_SETTING, machineProbeSchema) }),
      'host.diagnostics': () => ({
        name: 'tacit-diagnostics.json',
        text: diagnostics(context.host(), status(), currentSettings(context)),
      }),
      'settings.get': () => currentSettings(context),
      'settings.set': (change) => {
        const changed = { ...currentSettings(context), ...withoutUndefined(change) };
        const { settings } = context.host().store;
        settings.set(KEY, changed);
        settings.set(VAULT_QUOTA_SETTING, changed.vaultGigabytes * GIGABYTE);
        return changed;
      },
    },
  };
}

const address = (text: string | undefined): Address | undefined =>
  text === undefined ? undefined : parseAddress(text);

/** A name as part of a file's. */
const fileName = (name: string): string =>
  name
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
    .toLowerCase() || 'tacit';

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
