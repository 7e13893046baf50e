/**
 * The profile of a run in the Trace Event format (Chromium project, "Trace Event Format"), which Perfetto and
 * chrome://tracing open: one process a party; lanes for executions, compute by layer, serialise, send, wait for each peer,
 * offline. Times in microseconds since the first execution.
 *
 * The first and latest executions of every program are drawn moment by moment, with the messages of a round as flows from the
 * sender's span to the receiver's. Of the others the profiler keeps sums: there the spans of a lane stand one after the other
 * from the start of the execution, and their lengths are exact.
 */
import { kernelReportText } from '../../../shared/kernel-choice.ts';
import type { Activity, ExecutionTimes, Moment } from '../../../engine/runtime/profiler.ts';
import type { RunRecord } from './results.ts';
import { peersOf } from './time-shares.ts';

/** Executions drawn with all their lanes at either end of a long run; those between have their own span only. */
const DETAILED_EXECUTIONS = 1000;

interface Span {
  readonly name: string;
  /** Since the start of the execution. */
  readonly startMs: number;
  readonly ms: number;
  readonly category: string;
  /** The message that was sent or waited for: the same at both ends. */
  readonly message?: { readonly id: string; readonly isSent: boolean };
}

/** Lanes of one execution of a party with their spans. */
function lanesOf(times: ExecutionTimes, party: string): { lane: string; spans: Span[] }[] {
  return times.moments === undefined ? summedLanes(times) : momentLanes(times, times.moments, party);
}

function momentLanes(
  times: ExecutionTimes,
  moments: readonly Moment[],
  party: string,
): { lane: string; spans: Span[] }[] {
  const lanes = new Map<string, Span[]>();
  for (const { activity, peer = '', bytes, layer, round, startMs, ms } of moments) {
    const lane = activity === 'wait' ? `wait for ${peer}` : activity;
    const what = activity === 'send' ? `send to ${peer}` : (layer ?? lane);
    const size = bytes === undefined ? '' : `, ${bytes} bytes`;
    const [sender, receiver] = activity === 'send' ? [party, peer] : [peer, party];
    const message = { id: `${times.execution}/${round}/${sender}>${receiver}`, isSent: activity === 'send' };
    const span = { name: `${what}, round ${round + 1}${size}`, startMs, ms, category: activity };
    lanes.set(lane, [...(lanes.get(lane) ?? []), bytes === undefined ? span : { ...span, message }]);
  }
  return [...lanes].map(([lane, spans]) => ({ lane, spans }));
}

function summedLanes(times: ExecutionTimes): { lane: string; spans: Span[] }[] {
  const { activityMs, layerMs } = times;
  const compute = [...layerMs].map(([key, ms]) => ({ name: key.replace('\n', ' · '), ms, category: 'compute' }));
  const booked = compute.reduce((sum, { ms }) => sum + ms, 0);
  // Several threads may be busy at once, so layers can add up to more than the wall time of the kernels.
  const unbooked = Math.max(0, activityMs.compute - booked);
  const whole = (name: Activity, ms = activityMs[name]): Omit<Span, 'startMs'> => ({ name, ms, category: name });
  const lanes: [lane: string, spans: Omit<Span, 'startMs'>[]][] = [
    ['compute', [...compute, whole('compute', unbooked)]],
    ...(['upload', 'readback', 'fill', 'serialise', 'send'] as const).map((name): [string, Omit<Span, 'startMs'>[]] => [
      name,
      [whole(name)],
    ]),
    ...peersOf(times).map(([peer, ms]): [string, Omit<Span, 'startMs'>[]] => [
      `wait for ${peer}`,
      [{ name: `wait for ${peer}`, ms, category: 'wait' }],
    ]),
    ['offline', [{ name: 'wait for the dealer', ms: activityMs.offline, category: 'offline' }]],
  ];
  return lanes.map(([lane, spans]) => {
    let startMs = 0;
    const placed = spans.map((span) => {
      const at = startMs;
      startMs += span.ms;
      return { ...span, startMs: at };
    });
    return { lane, spans: placed.filter(({ ms }) => ms > 0) };
  });
}

/** The JSON text of the trace. */
export function traceEvents(run: Pick<RunRecord, 'title' | 'times' | 'kernels'>): string {
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
    const ends = new Map<number, number>();
    /** Spans of a lane never overlap, which readers of the format cannot draw: what rounding would add is cut. */
    const place = (tid: number, fromMs: number, ms: number): { ts: number; dur: number } => {
      const ts = Math.max(micro(fromMs), ends.get(tid) ?? -Infinity);
      const end = Math.max(ts, micro(fromMs + ms));
      ends.set(tid, end);
      return { ts, dur: end - ts };
    };
    executions.forEach((times, position) => {
      const startMs = timeOriginMs + times.startedMs - zeroMs;
      const whole = thread('executions');
      events.push({
        ph: 'X',
        name: times.program,
        cat: 'execution',
        pid,
        tid: whole,
        ...place(whole, startMs, times.wallMs),
        args: { execution: times.execution, ...times.activityMs },
      });
      if (position >= DETAILED_EXECUTIONS && position < executions.length - DETAILED_EXECUTIONS) return;
      for (const { lane, spans } of lanesOf(times, id)) {
        const tid = thread(lane);
        for (const { name, startMs: since, ms, category, message } of spans) {
          const { ts, dur } = place(tid, startMs + since, ms);
          events.push({ ph: 'X', name, cat: category, pid, tid, ts, dur });
          if (message === undefined) continue;
          // A flow begins where its sender is done, and ends where the receiver has it.
          const flow = { name: 'message', cat: 'message', id: message.id, pid, tid, ts: ts + dur };
          events.push(message.isSent ? { ph: 's', ...flow } : { ph: 'f', bp: 'e', ...flow });
        }
      }
    });
  });
  return JSON.stringify({
    displayTimeUnit: 'ms',
    otherData: { job: run.title, ...(run.kernels === undefined ? {} : { computedOn: kernelReportText(run.kernels) }) },
    traceEvents: events,
  });
}
