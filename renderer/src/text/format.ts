/** Numbers, moments and spans of time as the interface writes them. */
import { durationText } from '../../../shared/units.ts';

const clockTime = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayTime = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

const DAY_MS = 86_400_000;

/** `14:02:11` today, `3 May, 14:02` on other days. */
export function momentText(atMs: number, nowMs = Date.now()): string {
  return nowMs - atMs < DAY_MS && new Date(atMs).getDate() === new Date(nowMs).getDate()
    ? clockTime.format(atMs)
    : dayTime.format(atMs);
}

/** Whole seconds: `0 s`, `14 s`, `3 min 12 s`. */
export function sinceText(sinceMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1000));
  return seconds < 60 ? `${seconds} s` : durationText(seconds);
}

export function millisecondsText(ms: number): string {
  return ms === 0 ? '0 ms' : durationText(ms / 1000);
}

const plain = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

export const figureText = (value: number): string => plain.format(value);
export const compactText = (value: number): string => compact.format(value);
