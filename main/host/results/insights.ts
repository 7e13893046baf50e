/** The figures of a run for dashboards, in the shape that shared/timing.ts fixes: one party's own. Knows no files. */
import type { ExecutionTimes } from '../../../engine/runtime/profiler.ts';
import { modelShapes } from '../../../shared/model.ts';
import type { ModelDescription } from '../../../shared/model.ts';
import type { ModelNode, RunInsights } from '../../../shared/timing.ts';
import { jobCost } from './job-cost.ts';
import { layerRows } from './layers.ts';
import type { RunRecord } from './results.ts';
import { peersOf, timeShares } from './time-shares.ts';

/** Executions that are kept one by one, at either end of a long run. */
const DETAILED_EXECUTIONS = 500;

/** Of the first party in the record; undefined where there is none. */
export function runInsights(run: RunRecord): RunInsights | undefined {
  const [times] = run.times;
  const traffic = run.traffic.find(({ id }) => id === times?.id);
  if (times === undefined || traffic === undefined) return undefined;
  const { wallMs, ms, waitMs } = timeShares(times);
  const { id: party, ...carried } = traffic;
  const all = times.executions;
  const kept =
    all.length <= 2 * DETAILED_EXECUTIONS
      ? all
      : [...all.slice(0, DETAILED_EXECUTIONS), ...all.slice(-DETAILED_EXECUTIONS)];
  const index = run.plan.parties.indexOf(party);
  const { metrics } = run;
  const epochs = run.executions.reduce((most, { epoch = 0 }) => Math.max(most, epoch + 1), 0);
  return {
    tacitInsights: 1,
    party,
    title: run.title,
    startedAtMs: run.startedAt.getTime(),
    planDigest: run.plan.digest,
    kernels: run.kernels,
    seconds: run.seconds,
    traffic: carried,
    wallMs,
    activityMs: ms,
    waits: [...waitMs].map(([peer, spent]) => ({ party: peer, ms: spent })),
    layers: layerRows(run).map(({ computeMs, ...layer }) => ({ ...layer, computeMs: computeMs[0] ?? 0 })),
    programs: jobCost(run.plan, run.executions).programs.map(({ program, kind, executions, rounds, bytesSent }) => ({
      program,
      kind,
      executions,
      rounds,
      bytesSent: bytesSent[index] ?? 0,
    })),
    executions: kept.map((one) => ({
      program: one.program,
      execution: one.execution,
      startMs: times.timeOriginMs + one.startedMs,
      wallMs: one.wallMs,
      activityMs: one.activityMs,
      waits: waitsOf(one),
    })),
    executionsInAll: all.length,
    details: all.flatMap(({ program, execution, startedMs, wallMs: length, moments }) =>
      moments === undefined
        ? []
        : [{ program, execution, startMs: times.timeOriginMs + startedMs, wallMs: length, moments }],
    ),
    links: [...times.links].map(([peer, link]) => ({ peer, ...link })),
    model: run.description === undefined ? [] : modelNodes(run.description),
    ...(metrics === undefined
      ? {}
      : { metrics: { ...metrics, epoch: epochs, history: metrics.history?.map((entry) => ({ ...entry })) } }),
  };
}

/** Every layer is fed with the one before it. */
function modelNodes(description: ModelDescription): ModelNode[] {
  const shapes = modelShapes(description);
  return description.layers.map(({ name, kind }, i) => {
    const before = description.layers[i - 1];
    return { layer: name, kind, inputs: before === undefined ? [] : [before.name], shape: [...(shapes[i] ?? [])] };
  });
}

function waitsOf(times: ExecutionTimes): { party: string; ms: number }[] {
  return peersOf(times).map(([party, ms]) => ({ party, ms }));
}
