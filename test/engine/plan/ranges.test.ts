/** What has no place in fixed point is refused before anything runs: which tensor, which layer, which bound, what would fit. */
import { describe, expect, test } from 'vitest';
import { lower } from '../../../engine/plan/lower.ts';
import { encodeFixed } from '../../../engine/runtime/words.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import { constant, sharedInput } from '../../../engine/tensor/tensor.ts';

function newGraph(fractionBits = 16, assumedBound = 54): Graph {
  return new Graph({ name: 'infer', fractionBits, assumedBound, wordBits: 64 });
}

/** The error's code, message and hint. */
function refusal(run: () => unknown): { code: unknown; message: unknown; hint: unknown } {
  try {
    run();
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'hint' in error)
      return { code: error.code, message: error.message, hint: error.hint };
    throw error;
  }
  throw new Error('it was not refused');
}

describe('data', () => {
  const encode = (values: readonly number[]) => () => encodeFixed(values, 16, 4, (i) => `Row ${i + 1}, column income,`);

  test('by place and bound, without telling the value', () => {
    expect(refusal(encode([1, -15.9999, 100]))).toEqual({
      code: 'value-out-of-range',
      message: 'Row 3, column income, is too large: magnitudes must stay below 16 at 16 fraction bits.',
      hint: 'Divided by 8 all of it fits, exact to 13 fraction bits of what it is now. Or leave the value out.',
    });
    expect([...encode([1, -15.9999, 100 / 8])()]).toHaveLength(3);
  });

  test('a value that only rounding brings to the bound', () => {
    expect(refusal(encode([16 - 2 ** -18])).hint).toContain('Divided by 2 ');
  });

  test.each([NaN, Infinity, -Infinity])('%d', (value) => {
    expect(refusal(encode([0, value]))).toMatchObject({
      message: 'Row 2, column income, is not a finite number: magnitudes must stay below 16 at 16 fraction bits.',
      hint: 'Repair the value, or leave it out.',
    });
  });
});

describe('constants of a model', () => {
  const traced =
    (value: number, scale = 16) =>
    () => {
      const graph = newGraph();
      return graph.scope('shift', 'forward', () => constant(graph, [0, value], [2, 1], scale));
    };

  test('that a word has no place for, with the fraction bits that would fit', () => {
    expect(refusal(traced(-1e15))).toEqual({
      code: 'constant-out-of-range',
      message:
        'Layer shift (forward): the constant [2, 1] holds -1000000000000000 at position 1: at 16 fraction bits magnitudes must stay below 140737488355328 in words of 64 bits.',
      hint: 'It would fit with 13 fraction bits or fewer, or scaled down.',
    });
    expect(traced(-1e15, 13)().node.bound).toBeLessThan(63);
    expect(refusal(traced(1e30)).hint).toBe('Rescale the model.');
  });

  test.each([NaN, Infinity])('%d', (value) => {
    expect(refusal(traced(value))).toMatchObject({
      code: 'constant-not-finite',
      message: `Layer shift (forward): the constant [2, 1] holds ${value} at position 1, which has no fixed-point form.`,
    });
  });
});

describe('bounds of the planner', () => {
  test('an assumption that a word has no room for: layer, operation, bound, and the one that fits', () => {
    const lowered = (assumedBound: number) => () => {
      const graph = newGraph(12, assumedBound);
      const x = sharedInput(graph, 'x', [2, 3], 21);
      graph.scope('scores', 'forward', () => x.mulRaw(x).rescaled(12)).reveal('y', ['a']);
      return lower(graph, { parties: ['a', 'b'] });
    };
    expect(refusal(lowered(63))).toEqual({
      code: 'bound-too-large',
      message:
        'Layer scores (forward): multiply [2, 3] may reach 2^63 units of 2^-24, as the job assumes: 1 bit more than a word of 64 bits has room for.',
      hint: 'A bound of 62 bits fits (precision.bound of a job).',
    });
    expect(lowered(62)().steps.length).toBeGreaterThan(0);
  });

  test('a proved bound that is reached: the fraction bits that fit', () => {
    const graph = newGraph();
    const table = { low: 0n, intervalBits: 8, indexBits: 2, offsetShift: 0, coefficients: [[1n]] };
    const y = graph.scope('table', 'forward', () => sharedInput(graph, 'x', [4], 1).lookUp(table, 48, 63.5));
    y.rescaled(16).reveal('y', ['a']);
    expect(refusal(() => lower(graph, { parties: ['a', 'b'] }))).toEqual({
      code: 'bound-too-large',
      message:
        'Layer table (forward): lookUp [4] may reach 2^64 units of 2^-48: 2 bits more than a word of 64 bits has room for.',
      hint: 'It fits with 15 fraction bits instead of 16 (precision.fractionBits of a job), or with values 2^2 times smaller.',
    });
  });
});
