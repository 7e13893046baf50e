/**
 * A job's text and the form over it. The text is the truth: the form reads values from it and writes single entries into it,
 * so comments and everything that the form does not know stay as they are.
 */
import { isMap, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';

type Path = readonly (string | number)[];

export class JobText {
  text = $state('');
  readonly #document: Document = $derived(parseDocument(this.text, { version: '1.2', schema: 'core' }));

  constructor(text: string) {
    this.text = text;
  }

  /** Whether the form has something to read and write. */
  get isReadable(): boolean {
    return this.#document.errors.length === 0 && isMap(this.#document.contents);
  }

  /** The entry as text; empty where there is none, or a list or group. */
  get(...path: Path): string {
    if (!this.isReadable) return '';
    const value: unknown = this.#document.getIn(path);
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
  }

  keys(...path: Path): string[] {
    if (!this.isReadable) return [];
    const found: unknown = this.#document.getIn(path);
    if (!isMap(found)) return [];
    return found.items.map(({ key }) => String(isScalar(key) ? key.value : key));
  }

  list(...path: Path): string[] {
    if (!this.isReadable) return [];
    const value: unknown = (this.#document.toJS() as Record<string, unknown>)[String(path[0])];
    const found = path
      .slice(1)
      .reduce<unknown>(
        (object, key) =>
          typeof object === 'object' && object !== null ? (object as Record<string, unknown>)[key] : undefined,
        value,
      );
    return Array.isArray(found) ? found.map(String) : [];
  }

  set(path: Path, value: unknown): void {
    this.#edit((document) => document.setIn(path, document.createNode(value, { flow: Array.isArray(value) })));
  }

  remove(path: Path): void {
    this.#edit((document) => document.deleteIn(path));
  }

  #edit(change: (document: Document) => void): void {
    const document = parseDocument(this.text, { version: '1.2', schema: 'core' });
    if (document.errors.length > 0) return;
    change(document);
    this.text = document.toString({ lineWidth: 120, flowCollectionPadding: true });
  }
}
