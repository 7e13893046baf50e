import { expect, test } from 'vitest';
import { evaluateSecretly } from '../../helpers/simulate.ts';

test.each([2, 3, 5])('product, n = %i', async (parties) => {
  const result = await evaluateSecretly([{ values: [1.5, -2, 3] }, { values: [2, 0.25, -7] }], (x, y) => x.mul(y), {
    parties,
  });
  [3, -0.5, -21].forEach((v, i) => expect(result.values[i]).toBeCloseTo(v, 3));
});

test.each([2, 3, 5])('relu of a matrix product, n = %i', async (parties) => {
  const result = await evaluateSecretly(
    [
      { values: [1, 2, 3, 4, 5, 6], shape: [2, 3] },
      { values: [1, -1, 0.5, -0.5, 0.25, -3], shape: [3, 2] },
    ],
    (x, y) => x.matmul(y).relu(),
    { parties },
  );
  [2.75, 0, 8, 0].forEach((v, i) => expect(result.values[i]).toBeCloseTo(v, 3));
});
