/** Where the model files lie that this organisation keeps to itself in jobs that it proposed. Paths never leave the host. */
import { z } from 'zod';
import type { Store } from '../store/store.ts';

const key = (session: string): string => `model of ${session}`;

/** Durable. */
export function keepModelPath({ settings }: Pick<Store, 'settings'>, session: string, path: string): void {
  settings.set(key(session), path);
}

export function modelPath({ settings }: Pick<Store, 'settings'>, session: string): string | undefined {
  return settings.get(key(session), z.string());
}
