import { describe, expect, test } from 'vitest';
import {
  boundBy,
  demandOf,
  layerLines,
  layersCsv,
  modelledTime,
  shareParts,
} from '../../renderer/src/state/insights-model.ts';
import { layoutGraph } from '../../renderer/src/state/graph-layout.ts';
import { pairsOf } from '../../renderer/src/state/project-model.ts';
import { clockOffsets, detailedExecutions, stepOf } from '../../renderer/src/state/step-model.ts';
import { rateOf, withLook } from '../../renderer/src/state/stock-flow.ts';
import type { MemberLink } from '../../shared/api/project-calls.ts';
import type { VaultStock } from '../../shared/api/record-calls.ts';
import { activities, runInsightsSchema } from '../../shared/timing.ts';
import type { ActivityName, ModelNode, RunInsights } from '../../shared/timing.ts';

const activityMs = {
  compute: 100,
  upload: 0,
  readback: 0,
  fill: 20,
  serialise: 5,
  send: 10,
  wait: 60,
  offline: 4,
  other: 1,
};
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
  expect(layersCsv(lines).split('\n')[1]).toBe('dense1,forward,40,,1,1,1,9,0');
  const layers = [{ layer: '(none)', phase: lines[1]?.phase ?? '', computeMs: 7 }];
  const predicted = layerLines([insights('a')], '(none)', { layers });
  expect(predicted.map(({ predictedMs }) => predictedMs)).toEqual([undefined, 7]);
  expect(layersCsv(predicted).split('\n')[2]).toMatch(/^\(none\),\w*,10,7,/);
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

describe('one execution moment by moment', () => {
  const stepNames = {
    activity: names,
    waitFor: (party: string) => `wait for ${party}`,
    sendTo: (party: string) => `send to ${party}`,
    round: (number: number) => `round ${number}`,
  };
  /** Two parties that send each other a message after 1 ms, which takes 2 ms. */
  const party = (name: string, peer: string, startMs: number): RunInsights =>
    insights(name, {
      details: [
        {
          program: 'step',
          execution: 7,
          startMs,
          wallMs: 5,
          moments: [
            { round: 0, activity: 'compute', startMs: 0, ms: 1 },
            { round: 0, activity: 'send', peer, bytes: 64, startMs: 1, ms: 0.5 },
            { round: 0, activity: 'wait', peer, bytes: 64, startMs: 1.5, ms: 1.5 },
            { round: 1, activity: 'compute', startMs: 3, ms: 2 },
          ],
        },
      ],
    });

  test('messages go from the start of sending to their arrival', () => {
    const step = stepOf([party('a', 'b', 1000), party('b', 'a', 1000)], 7, stepNames);
    expect(step.endMs).toBe(5);
    expect(step.arrows).toEqual([
      { from: 0, to: 1, round: 0, bytes: 64, startMs: 1, endMs: 3 },
      { from: 1, to: 0, round: 0, bytes: 64, startMs: 1, endMs: 3 },
    ]);
    expect(step.bands.map(({ programs }) => programs.map(({ name, ms }) => [name, ms]))).toEqual([
      [
        ['round 1', 3],
        ['round 2', 2],
      ],
      [
        ['round 1', 3],
        ['round 2', 2],
      ],
    ]);
  });

  test('a clock that is wrong by more than a message takes is put right, a good one is left alone', () => {
    expect(clockOffsets([party('a', 'b', 1000), party('b', 'a', 1001)])).toEqual([0, 0]);
    const skewed = [party('a', 'b', 1000), party('b', 'a', 61_000)];
    expect(clockOffsets(skewed)).toEqual([0, 60_000]);
    expect(stepOf(skewed, 7, stepNames).arrows.map(({ startMs, endMs }) => endMs - startMs)).toEqual([2, 2]);
  });

  test('only executions that all parties kept are offered', () => {
    expect(detailedExecutions([party('a', 'b', 0), party('b', 'a', 0)]).map(({ execution }) => execution)).toEqual([7]);
    expect(detailedExecutions([party('a', 'b', 0), insights('b')])).toEqual([]);
  });
});

test('a layer stands below everything that feeds it, branches side by side', () => {
  const node = (layer: string, ...inputs: string[]): ModelNode => ({ layer, kind: 'dense', inputs, shape: [1] });
  const model = [
    node('in', 'data'),
    node('left', 'in'),
    node('right', 'in'),
    node('deep', 'right'),
    node('add', 'left', 'deep'),
  ];
  const { nodes, edges, rows, columns } = layoutGraph(model);
  expect(nodes.map(({ node: { layer }, row, column }) => [layer, row, column])).toEqual([
    ['in', 0, 0],
    ['left', 1, 0],
    ['right', 1, 1],
    ['deep', 2, 0],
    ['add', 3, 0],
  ]);
  expect([edges.length, rows, columns]).toEqual([5, 4, 2]);
});

test('rates of stock are means over the looks of the last seconds', () => {
  const stock = (made: number, used: number): VaultStock[] => [
    {
      job: 'j',
      name: 'job',
      ...{ made, used, left: made - used, burnt: 0, bytesLeft: 0 },
      byLabel: [{ label: 'step', made, used, left: made - used, burnt: 0, bytesLeft: 0 }],
    },
  ];
  let looks = withLook([], stock(10, 0), 0);
  expect(rateOf(looks, 'j', 'step')).toEqual({ madePerSecond: 0, usedPerSecond: 0 });
  looks = withLook(looks, stock(10, 4), 2000);
  expect(rateOf(looks, 'j', 'step')).toEqual({ madePerSecond: 0, usedPerSecond: 2 });
  looks = withLook(looks, stock(40, 4), 20_000);
  looks = withLook(looks, stock(40, 4), 40_000);
  // What was used half a minute ago is no rate of now.
  expect(rateOf(looks, 'j', 'step')).toEqual({ madePerSecond: 0, usedPerSecond: 0 });
  expect(looks.length).toBe(2);
  expect(rateOf(looks, 'j', 'other')).toEqual({ madePerSecond: 0, usedPerSecond: 0 });
});

describe('who reaches whom', () => {
  const members = ['a', 'b', 'c', 'd'].map((party) => ({ party, standing: 'accepted' as const }));
  const link = (from: string, to: string, state: MemberLink['state'], sinceMs: number, hop?: MemberLink['hop']) => ({
    from,
    to,
    state,
    sinceMs,
    ...(hop === undefined ? {} : { hop }),
  });

  test('a pair works where whoever tells of it says so; what does not work comes first, with both sides', () => {
    const pairs = pairsOf(members, [
      link('a', 'b', 'connected', 5),
      link('b', 'a', 'connected', 6),
      link('a', 'c', 'awaited', 9),
      link('c', 'a', 'unreachable', 7, 'tcp'),
      link('b', 'c', 'reconnecting', 3),
      link('a', 'd', 'unpaired', 1),
    ]);
    expect(pairs.map(({ one, other, state, sinceMs }) => [one + other, state, sinceMs])).toEqual([
      ['ac', 'fails', 7],
      ['ad', 'unpaired', 1],
      ['bc', 'waits', 3],
      ['bd', 'unknown', undefined],
      ['cd', 'unknown', undefined],
      ['ab', 'works', 5],
    ]);
    expect(pairs[0]?.sides.map(({ from }) => from)).toEqual(['a', 'c']);
  });

  test('two that know no address of each other will never meet; whoever has left is in no pair', () => {
    const gone = members.map((member) => (member.party > 'b' ? { ...member, standing: 'left' as const } : member));
    const told = [link('a', 'b', 'awaited', 1), link('b', 'a', 'awaited', 2)];
    expect(pairsOf(gone, told)).toMatchObject([{ one: 'a', other: 'b', state: 'fails' }]);
    expect(pairsOf(gone, told.slice(1))).toMatchObject([{ state: 'waits' }]);
  });
});
