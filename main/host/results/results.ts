/**
 * Writes what a run leaves behind in one party's folder: timings.json (Trace Event format), insights.json (dashboards,
 * shared/timing.ts), report.html, and where that party receives them metrics.json, model.onnx and model.json (TF.js Layers),
 * tables and arrays. The caller hands over only what this party may see. Knows nothing of processes, links or jobs' meaning.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plan } from '../../../engine/plan/plan.ts';
import type { Assumption } from '../../../engine/tensor/graph.ts';
import type { ExecutionTimes, LinkTotal } from '../../../engine/runtime/profiler.ts';
import { writeOnnx } from '../../../engine/models/onnx/write.ts';
import { writeNpy } from '../../../engine/models/npy.ts';
import type { PlainTensor } from '../../../engine/models/tensor.ts';
import { writeTfjsLayers } from '../../../engine/models/tfjs-layers/write.ts';
import { InputError, MachineError } from '../../../shared/errors.ts';
import type { KernelReport } from '../../../shared/kernel-choice.ts';
import type { ModelDescription, TrainedModel } from '../../../shared/model.ts';
import type { PrivacyClaim, PrivacySpent } from '../../../shared/privacy-account.ts';
import type { Disclosure } from './disclosures.ts';
import { runInsights } from './insights.ts';
import type { CostedExecution } from './job-cost.ts';
import { reportHtml } from './report.ts';
import { traceEvents } from './trace.ts';
import type { Scores } from '../../../shared/metrics.ts';

/** Every run leaves one at every compute party. */
export const REPORT_FILE = 'report.html';

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
  /** By peer, over all executions. */
  readonly links: ReadonlyMap<string, LinkTotal>;
}

export interface RunMetrics extends Scores {
  /** Plaintext training on the same rows; only a launcher that holds all files has it. */
  readonly baseline?: Scores | undefined;
  /** Earlier reveals, where the job asked for them, by epoch (from 1). */
  readonly history?: readonly (Scores & { readonly epoch: number })[] | undefined;
}

/** Figures that a run gave, as rows under headings; written as NAME.csv. */
export interface ResultTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

/** What a run gave one party. */
export interface RunOutcome {
  readonly tables?: readonly ResultTable[] | undefined;
  /** Written as NAME.npy. */
  readonly arrays?: Readonly<Record<string, PlainTensor>> | undefined;
  readonly metrics?: RunMetrics | undefined;
  readonly model?: TrainedModel | undefined;
}

export interface RunSeconds {
  readonly setup: number;
  readonly offline: number;
  readonly online: number;
}

export interface RunRecord extends RunOutcome {
  /** Name of the job. */
  readonly title: string;
  readonly startedAt: Date;
  /** What was run, as rows of name and value: task, model, rows, epochs, machine ... */
  readonly about: readonly (readonly [name: string, value: string])[];
  readonly learned: readonly Disclosure[];
  /** What noise guarantees, and what all runs over this party's data have spent; absent without noise. */
  readonly privacy?: { readonly run: readonly PrivacyClaim[]; readonly spent: readonly PrivacySpent[] } | undefined;
  readonly plan: Plan;
  /** Absent where the job has no model. */
  readonly description?: ModelDescription | undefined;
  /** The executions that were run, in order. */
  readonly executions: readonly CostedExecution[];
  readonly assumptions: readonly Assumption[];
  readonly seconds: RunSeconds;
  /** Those whose figures this party has: itself, or all where one launcher ran them. */
  readonly traffic: readonly PartyTraffic[];
  readonly times: readonly PartyTimes[];
  /** What computed, where one party's process did. */
  readonly kernels?: KernelReport | undefined;
}

/**
 * Writes the files into `folder`, each whole or not at all; files of an earlier run are replaced.
 * @returns paths of the files.
 * @throws MachineError `results-not-written`.
 */
export async function writeResults(folder: string, run: RunRecord): Promise<string[]> {
  const { models, missing } = modelFiles(run.model);
  const files: [name: string, content: string | Uint8Array][] = [
    ['timings.json', traceEvents(run)],
    [REPORT_FILE, reportHtml({ ...run, about: [...run.about, ...missing] })],
  ];
  const insights = runInsights(run);
  if (insights !== undefined) files.push(['insights.json', JSON.stringify(insights)]);
  if (run.metrics !== undefined) files.push(['metrics.json', `${JSON.stringify(run.metrics, undefined, 2)}\n`]);
  if (run.privacy !== undefined) files.push(['privacy.json', `${JSON.stringify(run.privacy, undefined, 2)}\n`]);
  files.push(...models);
  for (const one of run.tables ?? []) files.push([`${one.name}.csv`, csvText(one)]);
  for (const [name, array] of Object.entries(run.arrays ?? {})) files.push([`${name}.npy`, writeNpy(array)]);
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

/** The model in both formats; TF.js Layers where it has the layers, else with what the report says of it. */
function modelFiles(model: TrainedModel | undefined): {
  readonly models: readonly [name: string, content: string | Uint8Array][];
  readonly missing: readonly (readonly [name: string, value: string])[];
} {
  if (model === undefined) return { models: [], missing: [] };
  const onnx: [string, Uint8Array] = ['model.onnx', writeOnnx(model)];
  try {
    const { modelJson, weights } = writeTfjsLayers(model);
    return { models: [onnx, ['model.json', modelJson], ['weights.bin', weights]], missing: [] };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { models: [onnx], missing: [['model as TF.js Layers', `not written: ${error.message}`]] };
  }
}

/** Comma-separated values as RFC 4180 has them. */
function csvText({ columns, rows }: ResultTable): string {
  const cell = (value: string | number): string =>
    typeof value === 'string' && /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : String(value);
  return [columns, ...rows].map((row) => `${row.map(cell).join(',')}\n`).join('');
}
