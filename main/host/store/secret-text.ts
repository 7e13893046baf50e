/**
 * A secret that is text (a PEM key, a token): it neither prints, inspects nor serialises. Knows nothing of what it hides.
 */
import { inspect } from 'node:util';

const HIDDEN = '[secret text]';

export class SecretText {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  /** The text itself: only for the call that needs it, never for a message, a log or a JSON document. */
  expose(): string {
    return this.#text;
  }
  toString(): string {
    return HIDDEN;
  }
  toJSON(): string {
    return HIDDEN;
  }
  [inspect.custom](): string {
    return HIDDEN;
  }
}
