/**
 * The profile of a run in the Trace Event format (Chromium project, "Trace Event Format"), which Perfetto and
 * chrome://tracing open: one process a party; lanes for executions, compute by layer, serialise, send, wait for each peer,
 * offline. Times in microseconds since the first execution.
 *
 * The profiler keeps sums for each execution, not single moments: within an execution the spans of a lane stand one after
 * the other from its start, and their lengths are exact.
 */
import type { ExecutionTimes } from '../../../engine/runtime/profiler.ts';
import type { RunRecord } from './results.ts';
import { peersOf } from './time-shares.ts';

/** Executions drawn with all their lanes at either end of a long run; those between have their own span only. */
const DETAILED_EXECUTIONS = 1000;

interface Span {
  readonly name: string;
  readonly ms: number;
  readonly category: string;
}

/** Lanes of one execution with their spans. */
export function lanesOf(times: ExecutionTimes): { lane: string; spans: Span[] }[] {
  const { activityMs, layerMs } = times;
  const span = (name: string, ms: number): Span => ({ name, ms, category: name });
  const compute = [...layerMs].map(([key, ms]) => ({ name: key.replace('\n', ' · '), ms, category: 'compute' }));
  const booked = compute.reduce((sum, { ms }) => sum + ms, 0);
  // Several threads may be busy at once, so layers can add up to more than the wall time of the kernels.
  const unbooked = Math.max(0, activityMs.compute - booked);
  const peers = peersOf(times);
  return [
    { lane: 'compute', spans: [...compute, span('compute', unbooked)] },
    { lane: 'fill', spans: [span('fill', activityMs.fill)] },
    { lane: 'serialise', spans: [span('serialise', activityMs.serialise)] },
    { lane: 'send', spans: [span('send', activityMs.send)] },
    ...peers.map(([party, ms]) => ({
      lane: `wait for ${party}`,
      spans: [{ name: `wait for ${party}`, ms, category: 'wait' }],
    })),
    { lane: 'offline', spans: [{ name: 'wait for the dealer', ms: activityMs.offline, category: 'offline' }] },
  ].map(({ lane, spans }) => ({ lane, spans: spans.filter(({ ms }) => ms > 0) }));
}

/** The JSON text of the trace. */
export function traceEvents(run: Pick<RunRecord, 'title' | 'times'>): string {
  const events: object[] = [];
  const starts = run.times.flatMap(({ timeOriginMs, executions }) =>
    executions.slice(0, 1).map((e) => timeOriginMs + e.startedMs),
  );
  const zeroMs = Math.min(...starts, Infinity);
  run.times.forEach(({ id, timeOriginMs, executions }, index) => {
    const pid = index + 1;
    const lanes = new Map<string, number>();
    const thread = (lane: string): number => {
      let tid = lanes.get(lane);
      if (tid === undefined) {
        tid = lanes.size + 1;
        lanes.set(lane, tid);
        events.push(
          { ph: 'M', name: 'thread_name', pid, tid, args: { name: lane } },
          { ph: 'M', name: 'thread_sort_index', pid, tid, args: { sort_index: tid } },
        );
      }
      return tid;
    };
    events.push({ ph: 'M', name: 'process_name', pid, args: { name: id } });
    const micro = (ms: number): number => Math.round(ms * 1000);
    executions.forEach((times, position) => {
      const startMs = timeOriginMs + times.startedMs - zeroMs;
      events.push({
        ph: 'X',
        name: times.program,
        cat: 'execution',
        pid,
        tid: thread('executions'),
        ts: micro(startMs),
        dur: micro(times.wallMs),
        args: { execution: times.execution, ...times.activityMs },
      });
      if (position >= DETAILED_EXECUTIONS && position < executions.length - DETAILED_EXECUTIONS) return;
      for (const { lane, spans } of lanesOf(times)) {
        let at = startMs;
        for (const { name, ms, category } of spans) {
          events.push({ ph: 'X', name, cat: category, pid, tid: thread(lane), ts: micro(at), dur: micro(ms) });
          at += ms;
        }
      }
    });
  });
  return JSON.stringify({ displayTimeUnit: 'ms', otherData: { job: run.title }, traceEvents: events });
}
