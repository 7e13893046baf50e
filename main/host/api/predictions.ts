/**
 * What rehearsals on this machine said of the time of layers, by the digest of the plan that was rehearsed; the last of them
 * are kept, for the dashboards of runs of the same plan. Knows no job.
 */
import { z } from 'zod';
import type { CostPreview } from '../../../shared/api/job-calls.ts';
import { predictionSchema } from '../../../shared/api/run-calls.ts';
import type { Prediction } from '../../../shared/api/run-calls.ts';
import type { SettingStore } from '../store/settings.ts';

const KEY = 'rehearsals';
const MOST_KEPT = 20;

/** Of a rehearsal that was just done. */
export function toPrediction({ planDigest, layers }: CostPreview, threads: number): Prediction {
  return {
    planDigest,
    madeAtMs: Date.now(),
    threads,
    layers: layers.map(({ layer, phase, computeMs }) => ({ layer, phase, computeMs })),
  };
}

/** An older one of the same plan gives way. */
export function keepPrediction(settings: SettingStore, prediction: Prediction): void {
  const others = kept(settings).filter(({ planDigest }) => planDigest !== prediction.planDigest);
  settings.set(KEY, [prediction, ...others].slice(0, MOST_KEPT));
}

export const predictionOf = (settings: SettingStore, planDigest: string): Prediction | undefined =>
  kept(settings).find((one) => one.planDigest === planDigest);

/** Those of another version are worth nothing: a rehearsal is soon done again. */
function kept(settings: SettingStore): readonly Prediction[] {
  const parsed = z.array(predictionSchema).safeParse(settings.get(KEY, z.unknown()));
  return parsed.success ? parsed.data : [];
}
