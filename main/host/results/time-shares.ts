/** Where each party's time went over a whole run: its profile added up. Parts add up to the run's wall time. */
import type { Activity, ExecutionTimes } from '../../../engine/runtime/profiler.ts';
import type { PartyTimes } from './results.ts';

export type Share = Activity;

/** In the order in which they are shown, with what they are. */
export const shareNames: Readonly<Record<Share, string>> = {
  compute: 'computing on shares',
  upload: 'unpacking on the graphics card',
  readback: 'reading back from the graphics card',
  fill: 'expanding masks',
  serialise: 'packing messages',
  send: 'sending',
  wait: 'waiting for parties',
  offline: 'waiting for the dealer',
  other: 'other',
};

export interface PartyTimeShares {
  readonly id: string;
  readonly wallMs: number;
  readonly ms: Readonly<Record<Share, number>>;
  /** Of `wait`, by whom it was for. */
  readonly waitMs: ReadonlyMap<string, number>;
  /** Kernels by layer and phase, keyed `layer\nphase`. */
  readonly layerMs: ReadonlyMap<string, number>;
}

export function timeShares({ id, executions }: PartyTimes): PartyTimeShares {
  const ms: Record<Share, number> = {
    compute: 0,
    upload: 0,
    readback: 0,
    fill: 0,
    serialise: 0,
    send: 0,
    wait: 0,
    offline: 0,
    other: 0,
  };
  const waitMs = new Map<string, number>();
  const layerMs = new Map<string, number>();
  const addTo = (map: Map<string, number>, key: string, by: number): void =>
    void map.set(key, (map.get(key) ?? 0) + by);
  for (const times of executions) {
    for (const share of Object.keys(ms) as Share[]) ms[share] += times.activityMs[share];
    for (const [party, waited] of peersOf(times)) addTo(waitMs, party, waited);
    for (const [key, spent] of times.layerMs) addTo(layerMs, key, spent);
  }
  return { id, ms, waitMs, layerMs, wallMs: executions.reduce((sum, { wallMs }) => sum + wallMs, 0) };
}

/** Waiting by party; the dealer's part is `offline`. */
export function peersOf(times: ExecutionTimes): [party: string, ms: number][] {
  return [...times.waitMs].filter(([party]) => party !== 'dealer');
}
