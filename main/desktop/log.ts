/** What the app's processes print, in one file that never grows beyond bounds: a full one becomes `.old`. Knows no content. */
import { appendFileSync, renameSync, statSync } from 'node:fs';

const LARGEST_BYTES = 2 * 2 ** 20;

export class DesktopLog {
  readonly #file: string;
  constructor(file: string) {
    this.#file = file;
  }

  /** A log that cannot be written is no reason to stop. */
  write(text: string): void {
    try {
      const bytes = statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
      if (bytes > LARGEST_BYTES) renameSync(this.#file, `${this.#file}.old`);
      appendFileSync(this.#file, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600 });
    } catch (error) {
      console.error(error);
    }
  }
}
