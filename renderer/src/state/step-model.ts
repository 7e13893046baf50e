/**
 * One execution of a run, moment by moment: what every party did in each round, and the messages between them. Pure functions;
 * knows nothing of the page.
 */
import type { ActivityName, ExecutionDetail, RunInsights } from '../../../shared/timing.ts';
import { waitColour } from './insights-model.ts';
import type { Band, Span } from './insights-model.ts';

/** A message from the band of its sender to that of its receiver. */
export interface Arrow {
  readonly from: number;
  readonly to: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly round: number;
  readonly bytes: number;
}

export interface Step {
  readonly bands: readonly Band[];
  readonly arrows: readonly Arrow[];
  readonly endMs: number;
}

export interface StepNames {
  readonly activity: Readonly<Record<ActivityName, string>>;
  readonly waitFor: (party: string) => string;
  readonly sendTo: (party: string) => string;
  readonly round: (number: number) => string;
}

/** Executions of which every party kept the moments. */
export function detailedExecutions(insights: readonly RunInsights[]): ExecutionDetail[] {
  const [first, ...others] = insights;
  return (first?.details ?? []).filter(({ execution }) =>
    others.every(({ details }) => details.some((detail) => detail.execution === execution)),
  );
}

/** Bands and arrows of one execution, in milliseconds since the first party began it. */
export function stepOf(insights: readonly RunInsights[], execution: number, names: StepNames): Step {
  const clocks = clockOffsets(insights);
  const details = insights.map(({ details: all }) => all.find((detail) => detail.execution === execution));
  const starts = details.map((detail, i) => (detail === undefined ? undefined : detail.startMs - (clocks[i] ?? 0)));
  const zero = starts.reduce<number>((least, ms) => Math.min(least, ms ?? Infinity), Infinity);
  let endMs = 0;
  const bands = insights.map(({ party }, i): Band => {
    const [detail, start] = [details[i], starts[i]];
    if (detail === undefined || start === undefined) return { party, programs: [], parts: [] };
    const startMs = start - zero;
    endMs = Math.max(endMs, startMs + detail.wallMs);
    const peers = [...new Set(detail.moments.flatMap(({ peer }) => peer ?? []))];
    const parts = detail.moments.map((moment): Span => {
      const { activity, peer = '', ms } = moment;
      const isWait = activity === 'wait';
      const name = isWait ? names.waitFor(peer) : activity === 'send' ? names.sendTo(peer) : names.activity[activity];
      const colour = isWait ? waitColour(peers.indexOf(peer)) : activity;
      return { name: `${name}, ${names.round(moment.round + 1)}`, startMs: startMs + moment.startMs, ms, colour };
    });
    return { party, programs: roundSpans(detail, startMs, names.round), parts };
  });
  return { bands, arrows: arrowsOf(insights, details, starts, zero), endMs };
}

/** One span a round, from its first moment to its last. */
function roundSpans({ moments }: ExecutionDetail, startMs: number, name: StepNames['round']): Span[] {
  const ends = new Map<number, { from: number; to: number }>();
  for (const { round, startMs: at, ms } of moments) {
    const known = ends.get(round);
    ends.set(round, { from: Math.min(known?.from ?? at, at), to: Math.max(known?.to ?? 0, at + ms) });
  }
  return [...ends].map(([round, { from, to }]) => ({
    name: name(round + 1),
    startMs: startMs + from,
    ms: to - from,
    colour: 'other',
  }));
}

function arrowsOf(
  insights: readonly RunInsights[],
  details: readonly (ExecutionDetail | undefined)[],
  starts: readonly (number | undefined)[],
  zero: number,
): Arrow[] {
  return insights.flatMap(({ party: sender }, from) =>
    insights.flatMap(({ party: receiver }, to): Arrow[] => {
      const [sent, received] = [details[from], details[to]];
      if (from === to || sent === undefined || received === undefined) return [];
      return messagesBetween(sent, sender, received, receiver).map(({ round, bytes, sentMs, arrivedMs }) => ({
        from,
        to,
        round,
        bytes,
        startMs: (starts[from] ?? 0) - zero + sentMs,
        endMs: (starts[to] ?? 0) - zero + arrivedMs,
      }));
    }),
  );
}

/** Messages of one execution with their moments since its start at either end. */
function messagesBetween(
  sent: ExecutionDetail,
  sender: string,
  received: ExecutionDetail,
  receiver: string,
): { round: number; bytes: number; sentMs: number; arrivedMs: number }[] {
  const arrivals = new Map(
    received.moments
      .filter(({ activity, peer }) => activity === 'wait' && peer === sender)
      .map(({ round, startMs, ms }) => [round, startMs + ms]),
  );
  return sent.moments.flatMap(({ activity, peer, round, startMs, bytes = 0 }) => {
    const arrivedMs = arrivals.get(round);
    return activity === 'send' && peer === receiver && arrivedMs !== undefined
      ? [{ round, bytes, sentMs: startMs, arrivedMs }]
      : [];
  });
}

/**
 * How far every party's clock is ahead of the first one's. Zero as long as no message arrives before it was sent: machines
 * that keep time need no correction. Else half the difference between the fastest messages of either direction, as NTP does
 * (RFC 5905, section 8), which is right if both directions take equally long.
 */
export function clockOffsets(insights: readonly RunInsights[]): number[] {
  const [first] = insights;
  return insights.map((other) => {
    if (first === undefined || other === first) return 0;
    const [there, back] = [fastest(first, other), fastest(other, first)];
    return Math.min(there, back) >= 0 || !Number.isFinite(there - back) ? 0 : (there - back) / 2;
  });
}

function fastest(sender: RunInsights, receiver: RunInsights): number {
  let least = Infinity;
  for (const sent of sender.details) {
    const received = receiver.details.find(({ execution }) => execution === sent.execution);
    if (received === undefined) continue;
    for (const { sentMs, arrivedMs } of messagesBetween(sent, sender.party, received, receiver.party))
      least = Math.min(least, received.startMs + arrivedMs - (sent.startMs + sentMs));
  }
  return least;
}
