/** The host itself and its settings. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { z } from 'zod';
import { settingsSchema } from '../../../shared/api/host-calls.ts';
import type { HostStatus, Settings } from '../../../shared/api/host-calls.ts';
import { PROTOCOL_VERSION } from '../../../shared/wire.ts';
import { fingerprintWords } from '../../../shared/words.ts';
import { packageFile } from '../../paths.ts';
import type { ApiContext, Service } from './context.ts';

const startedAtMs = Date.now();
const KEY = 'interface';
const { version } = z.object({ version: z.string() }).parse(JSON.parse(readFileSync(packageFile, 'utf8')));

/** What is set, with defaults for the rest. */
export function currentSettings({ slot }: Pick<ApiContext, 'slot'>): Settings {
  const stored = slot.host?.store.settings.get(KEY, settingsSchema.partial());
  return { theme: 'system', threads: availableParallelism(), addresses: [], ...withoutUndefined(stored ?? {}) };
}

export function hostService(
  context: ApiContext,
  onCreated: () => void,
): Service<'host.status' | 'host.create' | 'settings.get' | 'settings.set'> {
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
      folder: slot.folder,
      startedAtMs,
    };
  };

  return {
    handlers: {
      'host.status': status,
      'host.create': async ({ name }) => {
        const { identity } = await slot.create(name);
        context.record('identity-created', { name: identity.name, fingerprint: identity.fingerprint });
        onCreated();
        const now = status();
        context.publish('host.changed', now);
        return now;
      },
      'settings.get': () => currentSettings(context),
      'settings.set': (change) => {
        const changed = { ...currentSettings(context), ...withoutUndefined(change) };
        context.host().store.settings.set(KEY, changed);
        return changed;
      },
    },
  };
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
