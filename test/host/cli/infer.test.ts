/** `tacit infer` as a process: files in, files out, closing JSON, refusals. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readNpy, writeNpy } from '../../../engine/models/npy.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { entryFile } from '../../../main/paths.ts';
import { plainForward } from '../../engine/models/plain-forward.ts';
import { mlp } from '../../engine/models/sample-models.ts';
import { runInProcess } from './run-in-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-infer-'));
const inFolder = (name: string): string => join(folder, name);
const x = Float64Array.from({ length: 12 }, (_, i) => (i - 6) / 4);

beforeAll(() => {
  writeFileSync(inFolder('model.onnx'), writeOnnx(mlp));
  writeFileSync(inFolder('x.npy'), writeNpy({ type: 'float64', shape: [4, 3], data: x }));
});
afterAll(() => rmSync(folder, { recursive: true }));

function tacit(...argv: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [entryFile('cli'), 'infer', ...argv], { encoding: 'utf8' });
}

test('answers go to a file, and the closing object counts bytes and rounds as predicted', () => {
  const { status, stdout } = tacit(
    inFolder('model.onnx'),
    ...['--input', inFolder('x.npy'), '--output', inFolder('y.npy'), '--parties', '3', '--json'],
  );
  expect(status).toBe(0);
  const closing = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as {
    parties: { id: string; bytesSent: number; predictedBytes: number; rounds: number; predictedRounds: number }[];
    seconds: Record<string, number>;
    outputs: { receiver: string; shape: number[] }[];
    modelOwner: string;
  };
  expect(closing.parties.map(({ id }) => id)).toEqual(['party-1', 'party-2', 'party-3']);
  for (const party of closing.parties) {
    expect(party.bytesSent).toBe(party.predictedBytes);
    expect(party.rounds).toBe(party.predictedRounds);
  }
  expect(Object.keys(closing.seconds)).toEqual(['setup', 'offline', 'online']);
  expect(closing.modelOwner).toBe('party-2');
  expect(closing.outputs).toMatchObject([{ receiver: 'party-1', shape: [4, 3] }]);
  const y = readNpy(readFileSync(inFolder('y.npy')), 'y.npy');
  expect(y).toMatchObject({ type: 'float32', shape: [4, 3] });
  plainForward(mlp, x).forEach((wanted, i) => expect(Math.abs(wanted - Number(y.data[i]))).toBeLessThan(2e-3));
});

test('several inputs give several outputs', () => {
  const given = ['--input', inFolder('x.npy'), '--input', inFolder('x.npy'), '--output', inFolder('two.npy')];
  expect(tacit(inFolder('model.onnx'), ...given, '--owner-of-model', 'party-1').status).toBe(0);
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(['two.0.npy', 'two.1.npy']));
  expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
});

test.each([
  ['a model that is not there', ['absent.onnx', '--input', 'x.npy', '--output', 'z.npy'], /Cannot read .*absent\.onnx/],
  [
    'an input that is not there',
    ['model.onnx', '--input', 'absent.npy', '--output', 'z.npy'],
    /Cannot read .*absent\.npy/,
  ],
  ['no input', ['model.onnx', '--output', 'z.npy'], /--input FILE is missing/],
  ['no output', ['model.onnx', '--input', 'x.npy'], /--output FILE is missing/],
  ['an output of another kind', ['model.onnx', '--input', 'x.npy', '--output', 'z.csv'], /must end in \.npy/],
  ['a model that is no model', ['x.npy', '--input', 'x.npy', '--output', 'z.npy'], /is not a model file/],
  ['too many parties', ['model.onnx', '--input', 'x.npy', '--output', 'z.npy', '--parties', '99'], /--parties must be/],
  [
    'an owner beyond the parties',
    ['model.onnx', '--input', 'x.npy', '--output', 'z.npy', '--owner-of-model', '3'],
    /--owner-of-model must be/,
  ],
  [
    'another transport',
    ['model.onnx', '--input', 'x.npy', '--output', 'z.npy', '--transport', 'pigeon'],
    /--transport must be one of memory, sockets/,
  ],
])('%s is refused with one line and exit code 2', async (_, argv, line) => {
  const files = argv.map((part) => (/\.(onnx|npy|csv)$/.test(part) ? inFolder(part) : part));
  const { exitCode, stdout, stderr } = await runInProcess('infer', ...files);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr.trimEnd().split('\n').at(-1)).toMatch(line);
  expect(existsSync(inFolder('z.npy'))).toBe(false);
});
