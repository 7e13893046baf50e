import { afterEach, expect, test } from 'vitest';
import type { RunView } from '../../../shared/api/run-calls.ts';
import { Client, serveNewHost } from './clients.ts';
import type { ServedHost } from './clients.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startedHost(): Promise<{ host: ServedHost; client: Client }> {
  const host = await serveNewHost();
  closing.push(() => host.close());
  const client = await new Client(host.api).ready();
  closing.push(() => client.close());
  await client.call('host.create', { name: 'Clinic A' });
  return { host, client };
}

test('the sample runs to its end: progress by party, results, figures that keep what was predicted', async () => {
  const { client } = await startedHost();
  const parties = new Set<string>();
  const ended = client.event('runs.changed', (run) => {
    for (const { party } of run.progress) parties.add(party);
    return run.state !== 'running';
  });
  const started = await client.call('runs.startSample', {});
  expect(started).toMatchObject({ kind: 'local', state: 'running', hasInsights: false });
  const done = await ended;
  expect(done).toMatchObject({ state: 'done', hasInsights: true });
  expect(done.quality.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
  const line = done.progress.find(({ party }) => party === 'clinic-a');
  expect(line).toMatchObject({ phase: 'finished' });
  expect([...parties].sort()).toEqual(['clinic-a', 'clinic-b', 'registry']);

  const { id } = started;
  const insights = await client.call('runs.insights', { id });
  expect(insights.map(({ party }) => party)).toEqual(['clinic-a', 'clinic-b']);
  for (const { traffic, activityMs, wallMs, metrics } of insights) {
    expect([traffic.bytesSent, traffic.rounds]).toEqual([traffic.predictedBytes, traffic.predictedRounds]);
    const parts = Object.values(activityMs).reduce((sum, ms) => sum + ms, 0);
    expect(Math.abs(parts - wallMs)).toBeLessThan(1);
    expect(metrics?.accuracy).toBeGreaterThan(0.8);
    expect([...(metrics?.history ?? []).map(({ epoch }) => epoch), metrics?.epoch]).toEqual([1, 2, 3, 4, 5]);
  }
  const [{ planDigest = '', layers = [] } = {}] = insights;
  expect(await client.call('runs.prediction', { id, planDigest })).toEqual({ canPredict: true });
  const prediction = await client.call('runs.predict', { id });
  expect(prediction).toMatchObject({ planDigest, threads: 1 });
  expect(prediction.layers.map(({ layer, phase }) => [layer, phase])).toEqual(
    layers.map(({ layer, phase }) => [layer === '' ? '(no layer)' : layer, phase]),
  );
  expect(prediction.layers.some(({ computeMs }) => computeMs > 0)).toBe(true);
  const kept = await client.call('runs.prediction', { id, planDigest });
  expect(kept.prediction?.layers).toEqual(prediction.layers);
  expect(await client.call('runs.prediction', { id, planDigest: 'another' })).toEqual({ canPredict: true });
  const detail = await client.call('runs.get', { id });
  expect(detail.files.map(({ party, name }) => `${party}/${name}`)).toContain('clinic-a/model.onnx');
  const file = await client.call('runs.file', { id, party: 'clinic-a', name: 'metrics.json' });
  expect(JSON.parse(Buffer.from(file.base64, 'base64').toString())).toHaveProperty('accuracy');
  for (const name of ['../../tacit.db', 'nothing.json']) {
    expect((await client.failure('runs.file', { id, party: 'clinic-a', name })).code).toBe('result-unknown');
  }
  expect((await client.failure('runs.cancel', { id })).code).toBe('run-over');
  expect((await client.failure('runs.get', { id: 'local-0' })).code).toBe('run-unknown');
});

test('a run that a person ends is over, says so, and can be gone on with', async () => {
  const { client } = await startedHost();
  const begun = client.event('runs.changed', ({ progress }) => progress.length > 0);
  const { id } = await client.call('runs.startSample', {});
  await begun;
  await client.call('runs.cancel', { id });
  const [run] = await client.call('runs.list', {});
  expect(run).toMatchObject({ id, state: 'cancelled' } satisfies Partial<RunView>);
  const [last] = (await client.call('activity.list', { limit: 1 })).entries;
  expect(last?.facts).toContainEqual(['outcome', 'cancelled']);

  const ended = client.event('runs.changed', ({ attempts, state }) => attempts === 2 && state !== 'running');
  expect(await client.call('runs.resume', { id })).toMatchObject({ state: 'running', attempts: 2 });
  expect(await ended).toMatchObject({ state: 'done', hasInsights: true });
  expect((await client.failure('runs.resume', { id })).code).toBe('run-not-resumable');
});
