/**
 * From the figures that a run left to what the dashboard draws. Pure functions; knows nothing of the page.
 */
import { activities } from '../../../shared/timing.ts';
import type { Prediction } from '../../../shared/api/run-calls.ts';
import type { ActivityName, RunInsights } from '../../../shared/timing.ts';

/** Names of colours in tokens.css; waits for several parties are told apart. */
const waitColours = ['wait', 'wait-2', 'wait-3'] as const;
export const waitColour = (index: number): (typeof waitColours)[number] =>
  waitColours[index % waitColours.length] ?? 'wait';
export type ShareColour = ActivityName | (typeof waitColours)[number];

export interface SharePart {
  readonly name: string;
  readonly colour: ShareColour;
  readonly ms: number;
}

/** Parts of a party's wall time; waiting is split by the party that was waited for. */
export function shareParts(
  { activityMs, waits }: Pick<RunInsights, 'activityMs' | 'waits'>,
  names: Readonly<Record<ActivityName, string>>,
  waitFor: (party: string) => string,
): SharePart[] {
  return activities.flatMap((activity): SharePart[] => {
    const isOfCard = activity === 'upload' || activity === 'readback';
    if (isOfCard && activityMs[activity] === 0) return [];
    if (activity !== 'wait' || waits.length === 0) {
      return [{ name: names[activity], colour: activity, ms: activityMs[activity] }];
    }
    const named = waits.map(({ party, ms }, index): SharePart => ({
      name: waitFor(party),
      colour: waitColour(index),
      ms,
    }));
    const rest = activityMs.wait - waits.reduce((sum, { ms }) => sum + ms, 0);
    return rest > 1 ? [...named, { name: names.wait, colour: 'wait', ms: rest }] : named;
  });
}

export interface LayerLine {
  readonly key: string;
  readonly layer: string;
  readonly phase: string;
  /** Of the slowest party. */
  readonly computeMs: number;
  /** Of one party, by a rehearsal of the same plan; absent where there was none. */
  readonly predictedMs?: number;
  readonly shareOfCompute: number;
  readonly bytesSent: number;
  readonly bytesOpened: number;
  readonly rounds: number;
  readonly multiplyAdds: number;
  readonly dealerBytes: number;
}

/** What layers can be compared by, in the table and in the graph. */
export const layerFigures = ['computeMs', 'bytesSent', 'bytesOpened', 'rounds', 'multiplyAdds', 'dealerBytes'] as const;
export type LayerFigure = (typeof layerFigures)[number];

/** Layers of all parties' figures: time of the slowest; bytes, rounds and multiply-adds of the first, as the plan has them. */
export function layerLines(
  insights: readonly RunInsights[],
  noLayer: string,
  prediction?: Pick<Prediction, 'layers'>,
): LayerLine[] {
  const [first] = insights;
  if (first === undefined) return [];
  const times = first.layers.map((layer) =>
    Math.max(
      ...insights.map(
        (one) => one.layers.find((other) => other.layer === layer.layer && other.phase === layer.phase)?.computeMs ?? 0,
      ),
    ),
  );
  const all = times.reduce((sum, ms) => sum + ms, 0);
  return first.layers.map((layer, index) => {
    const computeMs = times[index] ?? 0;
    const name = layer.layer === '' ? noLayer : layer.layer;
    // The host's predictions name layers as people read them.
    const predicted = prediction?.layers.find((one) => one.layer === name && one.phase === layer.phase);
    return {
      ...layer,
      key: `${layer.layer} ${layer.phase}`,
      layer: name,
      computeMs,
      ...(predicted === undefined ? {} : { predictedMs: predicted.computeMs }),
      shareOfCompute: all === 0 ? 0 : computeMs / all,
    };
  });
}

export interface Network {
  /** One way. */
  readonly latencyMs: number;
  /** Of each direction between two parties. */
  readonly bytesPerSecond: number;
}

/** What a run needs of machines and network, whichever they are. */
export interface Demand {
  readonly ownMs: number;
  readonly rounds: number;
  readonly bytesPerLink: number;
}

export interface ModelledTime {
  readonly ownMs: number;
  readonly latencyMs: number;
  readonly transferMs: number;
  readonly totalMs: number;
}

/** Of the party that has most to do. */
export function demandOf(insights: readonly RunInsights[]): Demand {
  const links = Math.max(1, insights.length - 1);
  const own = ({ activityMs }: RunInsights): number =>
    activityMs.compute +
    activityMs.upload +
    activityMs.readback +
    activityMs.fill +
    activityMs.serialise +
    activityMs.send +
    activityMs.other;
  return {
    ownMs: Math.max(0, ...insights.map(own)),
    rounds: Math.max(0, ...insights.map(({ traffic }) => traffic.rounds + traffic.evalRounds)),
    bytesPerLink:
      Math.max(
        0,
        ...insights.map(({ traffic }) => Math.max(traffic.bytesSent + traffic.evalBytes, traffic.bytesReceived)),
      ) / links,
  };
}

/** Own work + rounds x latency + bytes / bandwidth: the model of `tacit plan`. */
export function modelledTime({ ownMs, rounds, bytesPerLink }: Demand, network: Network): ModelledTime {
  const latencyMs = rounds * network.latencyMs;
  const transferMs = (bytesPerLink / network.bytesPerSecond) * 1000;
  return { ownMs, latencyMs, transferMs, totalMs: ownMs + latencyMs + transferMs };
}

export function boundBy({ ownMs, latencyMs, transferMs }: ModelledTime): 'compute' | 'latency' | 'bandwidth' {
  if (latencyMs >= ownMs && latencyMs >= transferMs) return 'latency';
  return transferMs >= ownMs ? 'bandwidth' : 'compute';
}

export interface Span {
  readonly name: string;
  readonly startMs: number;
  readonly ms: number;
  readonly colour: ShareColour;
}

export interface Band {
  readonly party: string;
  readonly programs: readonly Span[];
  readonly parts: readonly Span[];
}

/** Bands of the timeline, in milliseconds since the first execution of any party. */
export function timelineBands(
  insights: readonly RunInsights[],
  names: Readonly<Record<ActivityName, string>>,
  waitFor: (party: string) => string,
): { readonly bands: readonly Band[]; readonly endMs: number } {
  const starts = insights.flatMap(({ executions }) => executions.map(({ startMs }) => startMs));
  const zero = starts.reduce((least, ms) => Math.min(least, ms), Infinity);
  let endMs = 0;
  const bands = insights.map((one): Band => {
    const programs: Span[] = [];
    const parts: Span[] = [];
    for (const execution of one.executions) {
      const startMs = execution.startMs - zero;
      programs.push({ name: execution.program, startMs, ms: execution.wallMs, colour: 'other' });
      let at = startMs;
      for (const part of shareParts(execution, names, waitFor)) {
        if (part.ms > 0) parts.push({ ...part, startMs: at });
        at += part.ms;
      }
      endMs = Math.max(endMs, startMs + execution.wallMs);
    }
    return { party: one.party, programs, parts };
  });
  return { bands, endMs };
}

export function layersCsv(lines: readonly LayerLine[]): string {
  const columns = [
    'layer',
    'phase',
    'computeMs',
    'predictedMs',
    'bytesSent',
    'bytesOpened',
    'rounds',
    'multiplyAdds',
    'dealerBytes',
  ] as const;
  const cell = (value: string | number = ''): string =>
    /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  return [columns.join(','), ...lines.map((line) => columns.map((column) => cell(line[column])).join(','))].join('\n');
}
