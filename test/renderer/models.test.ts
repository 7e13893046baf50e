import { expect, test } from 'vitest';
import {
  boundBy,
  demandOf,
  layerLines,
  layersCsv,
  modelledTime,
  shareParts,
} from '../../renderer/src/state/insights-model.ts';
import { activities, runInsightsSchema } from '../../shared/timing.ts';
import type { ActivityName, RunInsights } from '../../shared/timing.ts';

const activityMs = { compute: 100, fill: 20, serialise: 5, send: 10, wait: 60, offline: 4, other: 1 };
const names = Object.fromEntries(activities.map((name) => [name, name])) as Record<ActivityName, string>;

function insights(party: string, change: Partial<RunInsights> = {}): RunInsights {
  return runInsightsSchema.parse({
    tacitInsights: 1,
    party,
    title: 'job',
    startedAtMs: 0,
    planDigest: 'd',
    seconds: { setup: 1, offline: 0, online: 0.2 },
    traffic: {
      bytesSent: 2000,
      bytesReceived: 1000,
      rounds: 10,
      predictedBytes: 2000,
      predictedRounds: 10,
      dealerBytes: 5,
      evalRounds: 2,
      evalBytes: 0,
    },
    wallMs: 200,
    activityMs,
    waits: [
      { party: 'b', ms: 40 },
      { party: 'c', ms: 20 },
    ],
    layers: [
      {
        layer: 'dense1',
        phase: 'forward',
        bytesSent: 1,
        bytesOpened: 1,
        rounds: 1,
        multiplyAdds: 9,
        dealerBytes: 0,
        computeMs: 30,
      },
      {
        layer: '',
        phase: 'forward',
        bytesSent: 2,
        bytesOpened: 0,
        rounds: 1,
        multiplyAdds: 0,
        dealerBytes: 0,
        computeMs: 10,
      },
    ],
    programs: [],
    executions: [],
    executionsInAll: 0,
    ...change,
  });
}

test('parts of a bar add up to the wall time, with waiting split by party', () => {
  const parts = shareParts(insights('a'), names, (party) => `wait for ${party}`);
  expect(parts.reduce((sum, { ms }) => sum + ms, 0)).toBe(200);
  expect(parts.filter(({ colour }) => colour.startsWith('wait')).map(({ name, ms }) => [name, ms])).toEqual([
    ['wait for b', 40],
    ['wait for c', 20],
  ]);
});

test('layers take the slowest party’s time, and leave as CSV', () => {
  const slow = insights('b', { layers: insights('b').layers.map((layer) => ({ ...layer, computeMs: 40 })) });
  const lines = layerLines([insights('a'), slow], '(none)');
  expect(lines.map(({ layer, computeMs, shareOfCompute }) => [layer, computeMs, shareOfCompute])).toEqual([
    ['dense1', 40, 0.5],
    ['(none)', 40, 0.5],
  ]);
  expect(layersCsv(lines).split('\n')[1]).toBe('dense1,forward,40,1,1,1,9,0');
});

test('another network changes latency and transfer, not the own work', () => {
  const demand = demandOf([insights('a'), insights('b'), insights('c')]);
  expect(demand).toEqual({ ownMs: 136, rounds: 12, bytesPerLink: 1000 });
  const far = modelledTime(demand, { latencyMs: 50, bytesPerSecond: 1e6 });
  expect(far).toEqual({ ownMs: 136, latencyMs: 600, transferMs: 1, totalMs: 737 });
  expect(boundBy(far)).toBe('latency');
  expect(boundBy(modelledTime(demand, { latencyMs: 0, bytesPerSecond: 1e3 }))).toBe('bandwidth');
  expect(boundBy(modelledTime(demand, { latencyMs: 0, bytesPerSecond: 1e9 }))).toBe('compute');
});
