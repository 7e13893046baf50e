import { expect, test } from 'vitest';
import { keepPrediction, predictionOf } from '../../../main/host/api/predictions.ts';
import { temporaryStore } from '../store/temporary.ts';

const prediction = (plan: number, computeMs = 1) => ({
  planDigest: `plan-${plan}`,
  madeAtMs: 1,
  threads: 1,
  layers: [{ layer: 'dense1', phase: 'forward', computeMs }],
});

test('the last 20 rehearsals are kept, one a plan', () => {
  const { settings } = temporaryStore();
  expect(predictionOf(settings, 'plan-0')).toBeUndefined();
  for (let plan = 0; plan < 21; plan++) keepPrediction(settings, prediction(plan));
  expect(predictionOf(settings, 'plan-0')).toBeUndefined();
  expect(predictionOf(settings, 'plan-1')).toEqual(prediction(1));
  keepPrediction(settings, prediction(1, 9));
  expect(predictionOf(settings, 'plan-1')).toEqual(prediction(1, 9));
  expect(predictionOf(settings, 'plan-2')).toEqual(prediction(2));
});

test('what another version kept is no hindrance', () => {
  const { settings } = temporaryStore();
  settings.set('rehearsals', [{ plan: 1 }]);
  expect(predictionOf(settings, 'plan-1')).toBeUndefined();
  keepPrediction(settings, prediction(1));
  expect(predictionOf(settings, 'plan-1')).toEqual(prediction(1));
});
