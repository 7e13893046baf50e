/**
 * Progress of a run: on a terminal a bar per party with rate and time left, redrawn in place; elsewhere plain lines, at
 * a change of phase and at every tenth of it. Rendering is pure; only createProgress writes. Knows no command.
 */
import { bytesText, countText, durationText, percentText, printable } from './output.ts';
import type { TextSink } from './output.ts';

export interface ProgressUpdate {
  /** Whose progress; leave it out for the run as a whole. Parties keep the order of their first update. */
  readonly party?: string;
  /** What is going on: `training`, `waiting for clinic-b`. */
  readonly phase: string;
  /** How much of `total` is done, in `unit`; a new phase starts over. Without `total` the end is not known. */
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  /** `B` is written as kB, MB and so on; others as they are: `steps`, `rows`. */
  readonly unit?: string;
}

export interface Progress {
  report(update: ProgressUpdate): void;
  /** Takes bars off the terminal before something else is written; the next report draws them again. */
  clear(): void;
  /** Shows the last state and leaves it there. */
  end(): void;
}

/** Where one party stands. Times in milliseconds of a monotonic clock. */
export interface ProgressState {
  readonly party: string;
  readonly phase: string;
  readonly done: number;
  readonly total: number | undefined;
  readonly unit: string;
  /** Units a second, smoothed; undefined until it can be told. */
  readonly rate: number | undefined;
  readonly phaseSinceMs: number;
  /** Where the rate was last measured. */
  readonly sampledDone: number;
  readonly sampledMs: number;
}

/** Weight of the past in the rate falls to 1/e in this time. */
const SMOOTHING_MS = 5_000;
/** The rate is measured over at least this long. */
const SAMPLE_MS = 200;
const REDRAW_MS = 100;
/** Plain lines of one party are at least this far apart within a phase... */
const LINE_MS = 1_000;
/** ...and come at each tenth of it, or after this long where the end is not known. */
const LINES_PER_PHASE = 10;
const LINE_UNKNOWN_MS = 10_000;

/** The state after an update at time `nowMs`. */
export function advance(before: ProgressState | undefined, update: ProgressUpdate, nowMs: number): ProgressState {
  const done = update.done ?? 0;
  const current = {
    party: update.party ?? '',
    phase: update.phase,
    done,
    total: update.total,
    unit: update.unit ?? '',
  };
  if (before === undefined || before.phase !== update.phase || done < before.done) {
    return { ...current, rate: undefined, phaseSinceMs: nowMs, sampledDone: done, sampledMs: nowMs };
  }
  const { rate, phaseSinceMs, sampledDone, sampledMs } = before;
  const elapsedMs = nowMs - sampledMs;
  if (elapsedMs < SAMPLE_MS) return { ...current, rate, phaseSinceMs, sampledDone, sampledMs };
  const latest = ((done - sampledDone) / elapsedMs) * 1000;
  const past = Math.exp(-elapsedMs / SMOOTHING_MS);
  const smoothed = rate === undefined ? latest : rate * past + latest * (1 - past);
  return { ...current, rate: smoothed, phaseSinceMs, sampledDone: done, sampledMs: nowMs };
}

function amount(value: number, unit: string): string {
  return unit === 'B' ? bytesText(value) : countText(Math.round(value * 100) / 100);
}

/** `310/500 steps`, `52/s`, `4 s left`: what is known of it. */
function figures(state: ProgressState): string[] {
  const { done, total, unit, rate } = state;
  const parts: string[] = [];
  const suffix = unit === '' || unit === 'B' ? '' : ` ${unit}`;
  if (total !== undefined) parts.push(`${amount(done, unit)}/${amount(total, unit)}${suffix}`);
  else if (done > 0) parts.push(`${amount(done, unit)}${suffix}`);
  if (rate !== undefined && rate > 0) {
    parts.push(`${unit === 'B' ? bytesText(rate) : countText(Number(rate.toPrecision(3)))}/s`);
    if (total !== undefined && done < total) parts.push(`${durationText(Math.ceil((total - done) / rate))} left`);
  }
  return parts;
}

/** Done part of the whole, 0 to 1; undefined where the end is not known. */
function fraction(state: ProgressState): number | undefined {
  if (state.total === undefined) return undefined;
  return state.total <= 0 ? 1 : Math.min(1, Math.max(0, state.done / state.total));
}

function bar(part: number, width: number): string {
  const full = Math.floor(part * width);
  return `[${'#'.repeat(full)}${'.'.repeat(width - full)}]`;
}

/** One line of a terminal `columns` wide; `labelWidth` aligns the bars of several parties. */
export function barLine(state: ProgressState, labelWidth: number, columns: number): string {
  const part = fraction(state);
  const label = state.party === '' && labelWidth === 0 ? [] : [printable(state.party).padEnd(labelWidth)];
  const words = [...label, printable(state.phase)];
  const numbers = figures(state);
  if (part === undefined) return clip([...words, ...numbers].join('  '), columns);
  const percent = `${Math.floor(part * 100)} %`.padStart(5);
  const rest = [...words, percent, ...numbers].join('  ');
  const room = columns - 1 - [...rest].length - 4;
  const drawn = room >= 8 ? [bar(part, Math.min(24, room))] : [];
  return clip([...words, ...drawn, percent, ...numbers].join('  '), columns);
}

/** One column stays free, so that no terminal wraps the line. */
function clip(line: string, columns: number): string {
  return [...line].slice(0, Math.max(1, columns - 1)).join('');
}

/** One line of a log: `clinic-a: training 62 %, 310/500 steps, 52/s, 4 s left`. */
export function plainLine(state: ProgressState): string {
  const part = fraction(state);
  const numbers = [...(part === undefined ? [] : [percentText(Math.floor(part * 100) / 100)]), ...figures(state)];
  const label = state.party === '' ? '' : `${state.party}: `;
  return printable(`${label}${state.phase}${numbers.length === 0 ? '' : ` ${numbers.join(', ')}`}`);
}

/** Whether a log gets a line now, given the state at its last line and when that was. */
export function deservesLine(
  last: { readonly state: ProgressState; readonly atMs: number } | undefined,
  state: ProgressState,
  nowMs: number,
): boolean {
  if (last === undefined || last.state.phase !== state.phase || state.done < last.state.done) return true;
  const before = fraction(last.state);
  const part = fraction(state);
  if (part === undefined || before === undefined) return nowMs - last.atMs >= LINE_UNKNOWN_MS;
  if (part === 1) return before < 1;
  if (nowMs - last.atMs < LINE_MS) return false;
  return Math.floor(part * LINES_PER_PHASE) > Math.floor(before * LINES_PER_PHASE);
}

export interface ProgressSink extends TextSink {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Progress written to `sink`: bars if it is a terminal, lines if not. `nowMs` is a monotonic clock. */
export function createProgress(sink: ProgressSink, nowMs: () => number): Progress {
  const states = new Map<string, ProgressState>();
  return sink.isTTY === true ? bars(sink, nowMs, states) : lines(sink, nowMs, states);
}

function lines(sink: ProgressSink, nowMs: () => number, states: Map<string, ProgressState>): Progress {
  const printed = new Map<string, { readonly state: ProgressState; readonly atMs: number }>();
  return {
    report(update) {
      const now = nowMs();
      const party = update.party ?? '';
      const state = advance(states.get(party), update, now);
      states.set(party, state);
      if (!deservesLine(printed.get(party), state, now)) return;
      printed.set(party, { state, atMs: now });
      sink.write(`${plainLine(state)}\n`);
    },
    clear() {},
    end() {},
  };
}

function bars(sink: ProgressSink, nowMs: () => number, states: Map<string, ProgressState>): Progress {
  let drawnLines = 0;
  let drawnMs = -Infinity;
  const clear = (): void => {
    if (drawnLines > 0) sink.write(`\u001b[${drawnLines}A\u001b[0J`);
    drawnLines = 0;
  };
  const draw = (): void => {
    const labelWidth = Math.max(0, ...[...states.keys()].map((party) => printable(party).length));
    const drawing = [...states.values()].map((state) => barLine(state, labelWidth, sink.columns ?? 80));
    const up = drawnLines > 0 ? `\u001b[${drawnLines}A` : '';
    sink.write(`${up}\u001b[0J${drawing.map((line) => `${line}\n`).join('')}`);
    drawnLines = drawing.length;
    drawnMs = nowMs();
  };
  return {
    report(update) {
      const now = nowMs();
      const party = update.party ?? '';
      const before = states.get(party);
      const state = advance(before, update, now);
      states.set(party, state);
      if (before?.phase !== state.phase || now - drawnMs >= REDRAW_MS) draw();
    },
    clear,
    end() {
      if (states.size > 0) draw();
      states.clear();
      drawnLines = 0;
    },
  };
}
