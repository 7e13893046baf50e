/** What a run leaves behind, from a real run of a small job: report, trace, metrics and model files. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { prepareJob, trainInProcess } from '../../../main/bench/in-process-training.ts';
import { openJobFile } from '../../../main/host/jobs/open-job.ts';
import { disclosures } from '../../../main/host/results/disclosures.ts';
import { jobCost } from '../../../main/host/results/job-cost.ts';
import { layerRows } from '../../../main/host/results/layers.ts';
import { reportHtml } from '../../../main/host/results/report.ts';
import { writeResults } from '../../../main/host/results/results.ts';
import type { RunRecord } from '../../../main/host/results/results.ts';
import { traceEvents } from '../../../main/host/results/trace.ts';
import { timeShares } from '../../../main/host/results/time-shares.ts';
import { readModelFile } from '../../../main/host/models/model-files.ts';
import { standardisedLogistic } from '../../engine/models/sample-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'tacit-results-'));
afterAll(() => rmSync(folder, { recursive: true }));
let run: RunRecord;

beforeAll(async () => {
  const cells = (heading: string, cell: (row: number) => string): string =>
    [heading, ...Array.from({ length: 30 }, (_, row) => cell(row))].join('\n');
  writeFileSync(
    join(folder, 'a.csv'),
    cells('age', (row) => String(20 + row)),
  );
  writeFileSync(
    join(folder, 'b.csv'),
    cells('dose,sick', (row) => `${row % 7},${row < 15 ? 0 : 1}`),
  );
  writeFileSync(
    join(folder, 'job.yaml'),
    `name: "<b>tiny</b>"
parties: { a: { data: a.csv }, b: { data: b.csv }, c: {} }
dealer: d
join: { how: rows }
label: { b: sick }
task: classification
model: { template: logistic }
train: { epochs: 4, batch: all, optimizer: { name: sgd, lr: 0.5 }, metricsEvery: 2 }
reveal: { model: [a], metrics: [b] }
`,
  );
  const prepared = await prepareJob(await openJobFile(join(folder, 'job.yaml')));
  const trained = await trainInProcess(prepared, () => wasmKernels({ threads: 1 }));
  run = {
    title: prepared.compiled.job.name,
    startedAt: new Date(Date.UTC(2026, 0, 2, 3, 4)),
    about: [['task', 'classification']],
    learned: disclosures(prepared.compiled.job),
    plan: prepared.compiled.plan,
    description: prepared.compiled.training?.description,
    executions: trained.executions,
    assumptions: prepared.compiled.assumptions,
    seconds: { setup: 0.1, offline: 0.2, online: 0.3 },
    traffic: trained.traffic,
    times: trained.times,
    metrics: { ...trained.metrics, baseline: { accuracy: 1, loss: 0.25 } },
    model: standardisedLogistic,
  };
});

test('counted bytes and rounds equal the predicted ones, evaluation apart', () => {
  const cost = jobCost(run.plan, run.executions);
  run.traffic.forEach((party, i) => {
    expect(party.bytesSent).toBe(party.predictedBytes);
    expect(party.rounds).toBe(party.predictedRounds);
    expect(party.evalBytes).toBe(cost.evaluation.bytesSent[i]);
    expect(party.evalRounds).toBe(cost.evaluation.rounds);
  });
  // What a party's layers send, open, multiply and are dealt is what the party does.
  for (const self of run.plan.parties.keys()) {
    const { layers, training, evaluation } = jobCost(run.plan, run.executions, self);
    for (const figure of ['bytesSent', 'bytesOpened', 'multiplyAdds', 'dealerBytes'] as const) {
      const ofLayers = layers.reduce((all, layer) => all + layer[figure], 0);
      expect(ofLayers).toBe((training[figure][self] ?? 0) + (evaluation[figure][self] ?? 0));
    }
  }
  expect(cost.evaluation.executions).toBe(2);
  expect(cost.training.executions).toBe(1 + 4 + 1);
  // What one sends another receives.
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  expect(sum(cost.training.bytesSent)).toBe(sum(cost.training.bytesReceived));
});

test('the files are written whole, readable by their owner only, and replace those of an earlier run', async () => {
  const target = join(folder, 'results');
  await writeResults(target, run);
  const files = await writeResults(target, run);
  const names = [
    'insights.json',
    'metrics.json',
    'model.json',
    'model.onnx',
    'report.html',
    'timings.json',
    'weights.bin',
  ];
  expect(readdirSync(target).sort()).toEqual(names);
  expect(files.map((file) => file.slice(target.length + 1)).sort()).toEqual(names);
  if (process.platform !== 'win32') for (const file of files) expect(statSync(file).mode & 0o077).toBe(0);
  expect(JSON.parse(readFileSync(join(target, 'metrics.json'), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(run.metrics)),
  );
  expect(readModelFile(join(target, 'model.onnx')).description.layers).toHaveLength(2);
});

test('a party without model and metrics finds neither', async () => {
  const { model: _model, metrics: _metrics, ...rest } = run;
  await writeResults(join(folder, 'less'), rest);
  expect(readdirSync(join(folder, 'less')).sort()).toEqual(['insights.json', 'report.html', 'timings.json']);
});

test('a folder that cannot be made is one clear error', async () => {
  await expect(writeResults(join(folder, 'a.csv', 'results'), run)).rejects.toMatchObject({
    code: 'results-not-written',
    kind: 'machine',
  });
});

describe('trace', () => {
  interface Event {
    readonly ph: string;
    readonly name: string;
    readonly cat?: string;
    readonly id?: string;
    readonly pid: number;
    readonly tid: number;
    readonly ts?: number;
    readonly dur?: number;
    readonly args?: Record<string, unknown>;
  }
  const events = async (): Promise<Event[]> => {
    await writeResults(join(folder, 'trace'), run);
    const file = JSON.parse(readFileSync(join(folder, 'trace/timings.json'), 'utf8')) as { traceEvents: Event[] };
    return file.traceEvents;
  };

  test('has a process a party, and every execution of each', async () => {
    const all = await events();
    const processes = all.filter(({ name }) => name === 'process_name');
    expect(processes.map(({ args }) => args?.name)).toEqual(['a', 'b', 'c']);
    for (const { pid } of processes) {
      const executions = all.filter((event) => event.pid === pid && event.cat === 'execution');
      expect(executions.map(({ name }) => name)).toEqual(run.executions.map(({ program }) => program));
    }
    expect(Math.min(...all.flatMap(({ ts }) => ts ?? []))).toBe(0);
    expect(all.every(({ ph, ts }) => ph === 'M' || Number.isInteger(ts))).toBe(true);
    expect(all.every(({ ph, dur }) => ph !== 'X' || (dur ?? -1) >= 0)).toBe(true);
  });

  test('rounding to microseconds makes no two spans of a lane overlap', () => {
    const [party] = run.times;
    const execution = { ...party!.executions[0]!, wallMs: 0.0005 };
    const executions = [0, 0.0005, 0.001].map((startedMs, index) => ({ ...execution, execution: index, startedMs }));
    const text = traceEvents({
      title: run.title,
      kernels: undefined,
      times: [{ ...party!, timeOriginMs: 0, executions }],
    });
    const { traceEvents: all } = JSON.parse(text) as { traceEvents: Event[] };
    const whole = all.filter(({ cat }) => cat === 'execution');
    expect(whole.map(({ ts, dur }) => [ts, dur])).toEqual([
      [0, 1],
      [1, 0],
      [1, 1],
    ]);
  });

  test('the lanes of an execution hold what the profiler measured', async () => {
    const all = await events();
    const waits = all.filter(({ pid, name, cat }) => pid === 1 && cat === 'wait' && name.startsWith('wait for b'));
    const measured = run.times[0]!.executions.reduce((sum, { waitMs }) => sum + (waitMs.get('b') ?? 0), 0);
    const shown = waits.reduce((sum, { dur }) => sum + (dur ?? 0), 0) / 1000;
    expect(Math.abs(shown - measured)).toBeLessThan(0.001 * (waits.length + 1));
    expect(all.some(({ cat, name }) => cat === 'compute' && name.startsWith('dense1 · forward, round'))).toBe(true);
    const lanes = all.filter(({ name, pid }) => name === 'thread_name' && pid === 1).map(({ args }) => args?.name);
    expect(lanes).toEqual(expect.arrayContaining(['executions', 'compute', 'serialise', 'send', 'wait for c']));
  });

  test('every message of a detailed execution is a flow from its sender to its receiver', async () => {
    const all = await events();
    const flows = (ph: string): string[] => all.filter((event) => event.ph === ph).map(({ id }) => id ?? '');
    const sent = flows('s');
    expect(sent.length).toBeGreaterThan(0);
    expect(new Set(sent).size).toBe(sent.length);
    expect(sent.toSorted()).toEqual(flows('f').toSorted());
  });
});

test('the first and latest executions of a program keep their moments, which lie inside them', () => {
  for (const { executions, links } of run.times) {
    const detailed = executions.filter(({ moments }) => moments !== undefined);
    const steps = detailed.filter(({ program }) => program.startsWith('step'));
    expect(steps.length).toBe(Math.min(6, executions.filter(({ program }) => program.startsWith('step')).length));
    for (const { moments = [], wallMs } of detailed) {
      for (const { startMs, ms } of moments) expect(startMs >= 0 && startMs + ms <= wallMs + 1e-6).toBe(true);
      const rounds = moments.map(({ round }) => round);
      expect(rounds).toEqual(rounds.toSorted((a, b) => a - b));
    }
    const all = executions.reduce((sum, { activityMs }) => sum + activityMs.wait, 0);
    expect([...links.values()].reduce((sum, { waitMs }) => sum + waitMs, 0)).toBeCloseTo(all, 6);
  }
});

test('links carry what the counters say', () => {
  run.times.forEach(({ links }, i) => {
    const sum = (pick: 'bytesSent' | 'bytesReceived'): number =>
      [...links.values()].reduce((total, link) => total + link[pick], 0);
    const traffic = run.traffic[i]!;
    expect(sum('bytesSent')).toBe(traffic.bytesSent + traffic.evalBytes);
    expect(sum('bytesReceived')).toBeGreaterThan(0);
  });
});

test('shares of time add up to the wall time', () => {
  for (const times of run.times) {
    const { ms, wallMs } = timeShares(times);
    expect(Object.values(ms).reduce((a, b) => a + b, 0)).toBeCloseTo(wallMs, 3);
  }
});

test('layers have the plan’s figures and every party’s time', () => {
  const rows = layerRows(run);
  const forward = rows.find(({ layer, phase }) => layer === 'dense1' && phase === 'forward');
  expect(forward?.computeMs).toHaveLength(3);
  expect(forward?.multiplyAdds).toBeGreaterThan(0);
  const opened = rows.reduce((sum, { bytesOpened }) => sum + bytesOpened, 0);
  expect(opened).toBeGreaterThan(0);
});

describe('report', () => {
  test('is one page without scripts or anything from elsewhere, and escapes what others wrote', () => {
    const page = reportHtml(run);
    expect(page.startsWith('<!doctype html>')).toBe(true);
    expect(page).toContain('&lt;b&gt;tiny&lt;/b&gt;');
    expect(page).not.toContain('<b>tiny');
    expect(page).not.toMatch(/<script|<link|<img|src=|href=|url\(/);
    expect(page).toContain('prefers-color-scheme: dark');
  });

  test('says who learned what, the scores in both ways, and that counts equal the plan', () => {
    const text = reportHtml(run)
      .replace(/<style>.*?<\/style>/s, '')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ');
    for (const part of [
      'Who learned what',
      'the trained model, all weights',
      'in the clear, pooled rows',
      'after epoch 2',
      'as predicted',
      '2026-01-02 03:04 UTC',
      'Bounds that are assumed, not proved',
      run.plan.digest,
    ]) {
      expect(text).toContain(part);
    }
    expect(text).not.toContain('undefined');
    expect(text).not.toContain('NaN');
  });

  test('a count that differs from the plan stands out', () => {
    const [first, ...others] = run.traffic;
    const page = reportHtml({ ...run, traffic: [{ ...first!, bytesSent: first!.bytesSent + 8 }, ...others] });
    expect(page).toContain('class="wrong"');
    expect(reportHtml(run)).not.toContain('class="wrong"');
  });
});
