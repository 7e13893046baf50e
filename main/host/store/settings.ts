/** Settings of this party: a key, a JSON value, and the schema its reader brings. Knows no key. */
import type { z } from 'zod';
import { MachineError } from '../../../shared/errors.ts';
import type { StoreDatabase } from './database.ts';

export class SettingStore {
  readonly #database: StoreDatabase;
  constructor(database: StoreDatabase) {
    this.#database = database;
  }

  /** The stored value, or undefined. One that does not fit the schema is refused (`setting-invalid`), not dropped. */
  get<Schema extends z.ZodType>(key: string, schema: Schema): z.output<Schema> | undefined {
    const text = this.#database.read(() =>
      this.#database.prepare<[string], string>('SELECT value FROM setting WHERE key = ?').pluck().get(key),
    );
    if (text === undefined) return undefined;
    const parsed = schema.safeParse(JSON.parse(text));
    if (!parsed.success) {
      throw new MachineError('setting-invalid', `The stored setting ${key} is not valid: ${parsed.error.message}`, {
        hint: 'Set it again.',
      });
    }
    return parsed.data;
  }

  /** Durable. */
  set(key: string, value: unknown): void {
    this.#database.durable(() =>
      this.#database
        .prepare<[string, string]>(
          'INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
        )
        .run(key, JSON.stringify(value)),
    );
  }
}
