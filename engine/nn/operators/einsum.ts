/**
 * Sums of products by Einstein's convention, for one or two operands: labels that both have and the result keeps are a batch,
 * labels that both have and it does not are contracted, and the rest are rows and columns of one matrix product.
 */
import { diagonal } from '../../tensor/rearrange.ts';
import { sizeOf } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorFamily } from './call.ts';
import { isFloat, secretTensor } from './value.ts';
import type { TensorValue } from './value.ts';

interface Labelled {
  readonly x: Tensor;
  /** One an axis. */
  readonly labels: readonly string[];
}

/** Labels of a term; an ellipsis stands for as many unnamed axes as are left. */
function labelsOf(call: OperatorCall, term: string, rank: number): string[] {
  const [before = '', after] = term.split('...');
  const named = [...before, ...(after ?? '')];
  if (!/^[A-Za-z]*$/.test(named.join('')) || (after === undefined ? named.length !== rank : named.length > rank))
    throw call.unsupported(`has the term "${term}" for a tensor of rank ${rank}`, 'Repair the model.');
  if (after === undefined) return named;
  const free = Array.from({ length: rank - named.length }, (_, i) => `.${rank - named.length - i}`);
  return [...before, ...free, ...after];
}

/** Axes with one label become their diagonal. */
function withoutTwins({ x, labels }: Labelled): Labelled {
  const second = labels.findIndex((label, i) => labels.indexOf(label) < i);
  if (second < 0) return { x, labels };
  const first = labels.indexOf(labels[second] ?? '');
  const rest = labels.map((_, axis) => axis).filter((axis) => axis !== first && axis !== second);
  const matrices = x.transpose([...rest, first, second]);
  return withoutTwins({ x: diagonal(matrices), labels: [...rest, first].map((axis) => labels[axis] ?? '') });
}

/** Sums over labels that nobody asks for. */
function reduced({ x, labels }: Labelled, wanted: ReadonlySet<string>): Labelled {
  const axis = labels.findIndex((label) => !wanted.has(label));
  if (axis < 0) return { x, labels };
  return reduced({ x: x.sum(axis), labels: labels.filter((_, i) => i !== axis) }, wanted);
}

function ordered({ x, labels }: Labelled, order: readonly string[]): Tensor {
  return x.transpose(order.map((label) => labels.indexOf(label)));
}

/** Before truncation: the scales add up. */
function product(a: Labelled, b: Labelled, result: readonly string[]): Labelled {
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const batch = shared.filter((label) => result.includes(label));
  const inner = shared.filter((label) => !result.includes(label));
  const [rows, columns] = [a, b].map(({ labels }) => labels.filter((label) => !shared.includes(label)));
  const size = (labels: readonly string[]): number =>
    sizeOf(
      labels.map(
        (label) =>
          (a.labels.includes(label) ? a.x.shape[a.labels.indexOf(label)] : b.x.shape[b.labels.indexOf(label)]) ?? 1,
      ),
    );
  const sizes = [batch, rows ?? [], columns ?? [], inner].map(size) as [number, number, number, number];
  const left = ordered(a, [...batch, ...(rows ?? []), ...inner]).reshape([sizes[0], sizes[1], sizes[3]]);
  const right = ordered(b, [...batch, ...inner, ...(columns ?? [])]).reshape([sizes[0], sizes[3], sizes[2]]);
  const labels = [...batch, ...(rows ?? []), ...(columns ?? [])];
  const shape = labels.map((label) => size([label]));
  return { x: left.matmulRaw(right).reshape(shape), labels };
}

function einsum(call: OperatorCall): TensorValue {
  const equation = (call.attribute('equation', 'string') ?? '').replaceAll(' ', '');
  const [left = '', stated] = equation.split('->');
  const terms = left.split(',');
  if (terms.length > 2 || terms.length !== call.inputs.length)
    throw call.unsupported(`has ${terms.length} terms in "${equation}"; one or two are supported`);
  const operands = terms.map((term, i): Labelled => {
    const x = call.numbers(i);
    return withoutTwins({ x, labels: labelsOf(call, term, x.shape.length) });
  });
  const all = operands.flatMap(({ labels }) => labels);
  const free = [...new Set(all)]
    .filter((label) => label.startsWith('.'))
    .sort()
    .reverse();
  const once = [...new Set(all)].filter(
    (label) => all.indexOf(label) === all.lastIndexOf(label) && !label.startsWith('.'),
  );
  const result =
    stated === undefined
      ? [...free, ...once.sort()]
      : labelsOf(call, stated, [...stated.replace('...', '')].length + (stated.includes('...') ? free.length : 0));
  const [first, second] = operands;
  if (first === undefined) throw call.unsupported('has no operand', 'Repair the model.');
  if (second === undefined) return secretTensor(call.type(0), ordered(reduced(first, new Set(result)), result));
  const wanted = (other: Labelled): Set<string> => new Set([...result, ...other.labels]);
  const raw = ordered(product(reduced(first, wanted(second)), reduced(second, wanted(first)), result), result);
  return secretTensor(call.type(0), isFloat(call.type(0)) ? raw.rescaled(call.graph.options.fractionBits) : raw);
}

export const einsums: OperatorFamily = { Einsum: { attributes: ['equation'], run: einsum } };
