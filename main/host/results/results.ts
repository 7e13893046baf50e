/**
 * Writes what a run leaves behind in one party's folder: timings.json (Trace Event format), insights.json (dashboards,
 * shared/timing.ts), report.html, and where that party receives them metrics.json, model.onnx and model.json (TF.js Layers). The caller hands over only what this party
 * may see. Knows nothing of processes, links or jobs' meaning.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plan } from '../../../engine/plan/plan.ts';
import type { Assumption } from '../../../engine/tensor/graph.ts';
import type { ExecutionTimes } from '../../../engine/runtime/profiler.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { MachineError } from '../../../shared/errors.ts';
import type { TrainedModel } from '../../../shared/model.ts';
import type { Disclosure } from './disclosures.ts';
import { runInsights } from './insights.ts';
import type { CostedExecution } from './job-cost.ts';
import { reportHtml } from './report.ts';
import { traceEvents } from './trace.ts';

/** What one compute party's links carried, beside what the plan said; payload only, evaluation apart. */
export interface PartyTraffic {
  readonly id: string;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly rounds: number;
  readonly predictedBytes: number;
  readonly predictedRounds: number;
  /** Received from the dealer. */
  readonly dealerBytes: number;
  readonly evalRounds: number;
  readonly evalBytes: number;
}

/** One party's profile of the run. */
export interface PartyTimes {
  readonly id: string;
  /** `performance.timeOrigin` of the process that measured: times of several processes get one clock by it. */
  readonly timeOriginMs: number;
  /** Drained from its Profiler, in order. */
  readonly executions: readonly ExecutionTimes[];
}

/** Quality on the test rows. Which of `accuracy` and `rmse` is there hangs on the task. */
export interface Scores {
  readonly accuracy?: number | undefined;
  readonly rmse?: number | undefined;
  readonly loss?: number | undefined;
}

export interface RunMetrics extends Scores {
  /** Plaintext training on the same rows; only a launcher that holds all files has it. */
  readonly baseline?: Scores | undefined;
  /** Earlier reveals, where the job asked for them, by epoch (from 1). */
  readonly history?: readonly (Scores & { readonly epoch: number })[] | undefined;
}

export interface RunSeconds {
  readonly setup: number;
  readonly offline: number;
  readonly online: number;
}

export interface RunRecord {
  /** Name of the job. */
  readonly title: string;
  readonly startedAt: Date;
  /** What was run, as rows of name and value: task, model, rows, epochs, machine ... */
  readonly about: readonly (readonly [name: string, value: string])[];
  readonly learned: readonly Disclosure[];
  readonly plan: Plan;
  /** The executions that were run, in order. */
  readonly executions: readonly CostedExecution[];
  readonly assumptions: readonly Assumption[];
  readonly seconds: RunSeconds;
  /** Those whose figures this party has: itself, or all where one launcher ran them. */
  readonly traffic: readonly PartyTraffic[];
  readonly times: readonly PartyTimes[];
  readonly metrics?: RunMetrics | undefined;
  readonly model?: TrainedModel | undefined;
}

/**
 * Writes the files into `folder`, each whole or not at all; files of an earlier run are replaced.
 * @returns paths of the files.
 * @throws MachineError `results-not-written`.
 */
export async function writeResults(folder: string, run: RunRecord): Promise<string[]> {
  const files: [name: string, content: string | Uint8Array][] = [
    ['timings.json', traceEvents(run)],
    ['report.html', reportHtml(run)],
  ];
  const insights = runInsights(run);
  if (insights !== undefined) files.push(['insights.json', JSON.stringify(insights)]);
  if (run.metrics !== undefined) files.push(['metrics.json', `${JSON.stringify(run.metrics, undefined, 2)}\n`]);
  if (run.model !== undefined) {
    const { modelJson, weights } = writeTfjsLayers(run.model);
    files.push(['model.onnx', writeOnnx(run.model)], ['model.json', modelJson], ['weights.bin', weights]);
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const [name, content] of files) {
      const part = join(folder, `${name}.part`);
      await writeFile(part, content, { mode: 0o600 });
      await rename(part, join(folder, name));
    }
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown cause';
    throw new MachineError('results-not-written', `The results could not be written to ${folder} (${code}).`, {
      hint: 'Make room or choose another folder; the run itself is not lost.',
      cause,
    });
  }
  return files.map(([name]) => join(folder, name));
}
