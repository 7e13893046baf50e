/**
 * What a party remembers of its graphics cards: the fastest variant of products by card and driver, and uses that did not come
 * to an end, because a driver that crashes takes the process with it. Knows nothing of devices.
 */
import { z } from 'zod';
import { MATMUL_VARIANTS } from '../../../engine/kernels/webgpu/matmul.ts';
import type { MatmulVariant } from '../../../engine/kernels/webgpu/matmul.ts';
import type { SettingStore } from '../store/settings.ts';

/** Where settings are kept. */
export type KeptSettings = Pick<SettingStore, 'get' | 'set'>;

/** Keeps them while the process lives. */
export function forgetfulSettings(): KeptSettings {
  const values = new Map<string, unknown>();
  return {
    get: (key, schema) => (values.has(key) ? schema.parse(values.get(key)) : undefined),
    set: (key, value) => void values.set(key, value),
  };
}

const VARIANTS = 'gpu-variants';
const UNFINISHED = 'gpu-unfinished-uses';

/** Variants of another version of the kernels are measured anew. */
const KERNELS_VERSION = 1;
/** A process may be killed for other reasons than its driver, but hardly so often. */
const MOST_UNFINISHED = 2;

const variantsSchema = z.object({
  version: z.int(),
  variants: z.record(z.string(), z.enum(MATMUL_VARIANTS)),
});

export class GpuSettings {
  readonly #settings: KeptSettings;

  constructor(settings: KeptSettings) {
    this.#settings = settings;
  }

  variant(description: string): MatmulVariant | undefined {
    return this.#variants()[description];
  }

  keepVariant(description: string, variant: MatmulVariant): void {
    const variants = { ...this.#variants(), [description]: variant };
    this.#settings.set(VARIANTS, { version: KERNELS_VERSION, variants });
  }

  /** Whether the last uses of a card all ended with their process. */
  get isSuspect(): boolean {
    return this.#unfinished() >= MOST_UNFINISHED;
  }

  /** Durable: before a card is touched. */
  begin(): void {
    this.#settings.set(UNFINISHED, this.#unfinished() + 1);
  }

  /** The use came to an end, good or bad, and the process with it lives. */
  end(): void {
    if (this.#unfinished() > 0) this.#settings.set(UNFINISHED, 0);
  }

  #unfinished(): number {
    return this.#settings.get(UNFINISHED, z.int().min(0)) ?? 0;
  }

  #variants(): Readonly<Record<string, MatmulVariant>> {
    const stored = this.#settings.get(VARIANTS, z.unknown());
    const parsed = variantsSchema.safeParse(stored);
    return parsed.success && parsed.data.version === KERNELS_VERSION ? parsed.data.variants : {};
  }
}
