/** Private inference over real TLS links between the parties. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readNpy, writeNpy } from '../../engine/models/npy.ts';
import { writeOnnx } from '../../engine/models/onnx/write.ts';
import { entryFile } from '../../main/paths.ts';
import { plainForward } from '../engine/models/plain-forward.ts';
import { convolutional } from '../engine/models/sample-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-infer-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each([2, 3])('a convolutional net over sockets, %i parties', (parties) => {
  const [model, input, output] = ['model.onnx', 'x.npy', 'y.npy'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const x = Float64Array.from({ length: 3 * 2 * 9 * 7 }, (_, i) => Math.sin(i));
  writeFileSync(model, writeOnnx(convolutional));
  writeFileSync(input, writeNpy({ type: 'float64', shape: [3, 2, 9, 7], data: x }));
  const argv = [
    'infer',
    model,
    '--input',
    input,
    '--output',
    output,
    '--transport',
    'sockets',
    '--parties',
    String(parties),
    '--json',
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, [entryFile('cli'), ...argv], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  const closing = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as {
    parties: { bytesSent: number; predictedBytes: number; rounds: number; predictedRounds: number }[];
  };
  expect(closing.parties).toHaveLength(parties);
  for (const party of closing.parties) {
    expect(party.bytesSent).toBe(party.predictedBytes);
    expect(party.rounds).toBe(party.predictedRounds);
  }
  const y = readNpy(readFileSync(output), 'y.npy');
  plainForward(convolutional, x).forEach((wanted, i) =>
    expect(Math.abs(wanted - Number(y.data[i]))).toBeLessThan(2e-3),
  );
});
