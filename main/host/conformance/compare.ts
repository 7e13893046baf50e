/**
 * Compares a result with what a test expects: whole numbers and bools exactly, floating-point numbers to 1 % or 2e-3, whichever
 * is more. Knows nothing of how results come about.
 */
import { toFloat64 } from '../../../engine/models/tensor.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';

const RELATIVE_TOLERANCE = 0.01;
const ABSOLUTE_TOLERANCE = 2e-3;

/** What differs first, or undefined. */
export function difference(found: PlainTensor, expected: PlainTensor): string | undefined {
  if (found.type !== expected.type) return `the type is ${found.type}, expected is ${expected.type}`;
  if (found.shape.join() !== expected.shape.join())
    return `the shape is [${found.shape.join(', ')}], expected is [${expected.shape.join(', ')}]`;
  const isExact = !expected.type.startsWith('float');
  const [a, b] = [toFloat64('the result', found), toFloat64('the expected result', expected)];
  for (let i = 0; i < b.length; i++) {
    const [value = NaN, wanted = NaN] = [a[i], b[i]];
    const allowed = isExact ? 0 : Math.max(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE * Math.abs(wanted));
    if (value === wanted) continue;
    if (!(Math.abs(value - wanted) <= allowed)) return `${value} at position ${i}, expected is ${wanted}`;
  }
  return undefined;
}
