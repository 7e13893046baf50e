/** A node's attributes, typed on the way out; `finish` refuses those that nobody asked for. Knows no operator. */
import type { InputError } from '../../../shared/errors.ts';
import type { OnnxAttribute, OnnxNode } from './graph.ts';

type Kind = OnnxAttribute['kind'];
type AttributeOf<K extends Kind> = Extract<OnnxAttribute, { readonly kind: K }>;

function isOf<K extends Kind>(attribute: OnnxAttribute, kind: K): attribute is AttributeOf<K> {
  return attribute.kind === kind;
}

export class NodeAttributes {
  readonly #node: OnnxNode;
  readonly #refuse: (reason: string) => InputError;
  readonly #known = new Set<string>();

  constructor(node: OnnxNode, refuse: (reason: string) => InputError) {
    this.#node = node;
    this.#refuse = refuse;
  }

  int(name: string, fallback: number): number {
    return this.#get(name, 'int', 'an integer')?.value ?? fallback;
  }

  float(name: string, fallback: number): number {
    return this.#get(name, 'float', 'a number')?.value ?? fallback;
  }

  text(name: string, fallback: string): string {
    return this.#get(name, 'string', 'a text')?.value ?? fallback;
  }

  ints(name: string): readonly number[] | undefined {
    return this.#get(name, 'ints', 'a list of integers')?.value;
  }

  floats(name: string): readonly number[] | undefined {
    return this.#get(name, 'floats', 'a list of numbers')?.value;
  }

  strings(name: string): readonly string[] | undefined {
    return this.#get(name, 'strings', 'a list of texts')?.value;
  }

  /** One size of at least 1 an axis; ones when absent. */
  sizes(name: string, axes: number): readonly number[] {
    const sizes = this.ints(name) ?? new Array<number>(axes).fill(1);
    if (sizes.length === axes && sizes.every((size) => size >= 1)) return sizes;
    throw this.#refuse(`has an attribute "${name}" that is not ${axes} sizes of at least 1`);
  }

  has(name: string): boolean {
    this.ignore(name);
    return this.#node.attributes.has(name);
  }

  /** Attributes that say nothing about the result here. */
  ignore(...names: string[]): void {
    for (const name of names) this.#known.add(name);
  }

  finish(): void {
    for (const name of this.#node.attributes.keys()) {
      if (!this.#known.has(name)) throw this.#refuse(`has an attribute "${name}" that is not supported`);
    }
  }

  #get<K extends Kind>(name: string, kind: K, expected: string): AttributeOf<K> | undefined {
    this.#known.add(name);
    const attribute = this.#node.attributes.get(name);
    if (attribute === undefined || isOf(attribute, kind)) return attribute;
    throw this.#refuse(`has an attribute "${name}" that is not ${expected}`);
  }
}
