/** A part of the ONNX backend's tests, the first of each operator: what docs/conformance.md says of them is so. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { readOnnxGraph } from '../../engine/models/onnx/graph.ts';
import { difference } from '../../main/host/conformance/compare.ts';
import { refusedIn } from '../../main/host/conformance/report.ts';
import { conformanceTests, runConformanceTest } from '../../main/host/conformance/suite.ts';
import type { ConformanceTest } from '../../main/host/conformance/suite.ts';
import { requires } from '../helpers/requires.ts';

/** The operator that a test is about: of models with several, the first that holds no constant. */
function subject({ folder }: ConformanceTest): string {
  try {
    const { nodes } = readOnnxGraph(new Uint8Array(readFileSync(`${folder}/model.onnx`)), 'model.onnx');
    return nodes.find(({ operator }) => operator !== 'Constant')?.operator ?? 'Constant';
  } catch {
    return 'unreadable';
  }
}

requires('libonnx-testdata')('operators of ONNX on shares', () => {
  const refused = refusedIn(readFileSync('docs/conformance.md', 'utf8'));
  const chosen = new Map<string, ConformanceTest>();
  for (const candidate of conformanceTests()) {
    const operator = subject(candidate);
    if (!chosen.has(operator)) chosen.set(operator, candidate);
  }
  test('there is one of every operator', () => expect(chosen.size).toBeGreaterThan(150));
  test.each([...chosen])('%s', async (_, candidate) => {
    const verdict = await runConformanceTest(candidate, {
      signal: new AbortController().signal,
      kernels: () => wasmKernels({ threads: 1 }),
    });
    const expected = refused.has(`${candidate.suite}/${candidate.name}`) ? 'refused' : 'passed';
    expect(verdict, verdict.reason).toMatchObject({ outcome: expected });
  });
});

describe('comparison with what is expected', () => {
  const floats = (...values: number[]) =>
    ({ type: 'float32', shape: [values.length], data: Float32Array.from(values) }) as const;
  const whole = (...values: number[]) =>
    ({ type: 'int32', shape: [values.length], data: Int32Array.from(values) }) as const;
  test.each([
    ['a small error', floats(0.0015, 100.9), floats(0, 100), undefined],
    ['an absolute error', floats(0, 0.0025), floats(0, 0), /position 1/],
    ['a relative error', floats(101.5), floats(100), /position 0/],
    ['not a number', floats(NaN), floats(0), /NaN at position 0/],
    ['a wrong whole number', whole(1, 2, 3), whole(1, 2, 4), /3 at position 2, expected is 4/],
    ['another type', whole(1), floats(1), /type/],
    ['another shape', floats(1, 2), floats(1), /shape/],
  ])('%s', (_, found, expected, reason) => {
    if (reason === undefined) expect(difference(found, expected)).toBeUndefined();
    else expect(difference(found, expected)).toMatch(reason);
  });
});
