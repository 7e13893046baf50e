/** Constants of a description as public tensors, and back. */
import type { GraphTensor } from '../../../shared/operator-graph.ts';
import { publicTensor } from './value.ts';
import type { PublicTensor } from './value.ts';

const special = { inf: Infinity, '-inf': -Infinity, nan: NaN } as const;

export function fromGraphTensor({ type, shape, values }: GraphTensor): PublicTensor {
  return publicTensor(
    type,
    shape,
    values.map((value) => (typeof value === 'number' ? value : special[value])),
  );
}

export function toGraphTensor({ type, shape, values }: PublicTensor): GraphTensor {
  const plain = (value: number): number | 'inf' | '-inf' | 'nan' =>
    Number.isFinite(value) ? value : Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  return { type, shape, values: values.map(plain) };
}
