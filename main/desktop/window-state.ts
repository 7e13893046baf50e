/** Size and place of the window, kept from one start to the next. Knows no window; a place that no screen shows is dropped. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Rectangle } from 'electron';
import { z } from 'zod';

/** Below this the interface does not fit. */
export const SMALLEST = { width: 1024, height: 640 } as const;
const FIRST = { width: 1280, height: 860 } as const;
/** So much of the window has to be on a screen. */
const VISIBLE_PX = 120;

const stateSchema = z.object({
  bounds: z.object({ x: z.int(), y: z.int(), width: z.int(), height: z.int() }),
  isMaximised: z.boolean(),
});
export type WindowState = z.infer<typeof stateSchema>;

export interface WindowPlace {
  readonly width: number;
  readonly height: number;
  /** Absent: in the middle of the screen. */
  readonly x?: number;
  readonly y?: number;
  readonly isMaximised: boolean;
}

/** `workAreas`: of the screens that are there now. */
export function readWindowPlace(file: string, workAreas: readonly Rectangle[]): WindowPlace {
  const kept = readState(file);
  if (kept === undefined) return { ...FIRST, isMaximised: false };
  const { bounds, isMaximised } = kept;
  const size = {
    width: Math.max(SMALLEST.width, bounds.width),
    height: Math.max(SMALLEST.height, bounds.height),
    isMaximised,
  };
  return workAreas.some((area) => isVisible(bounds, area)) ? { ...size, x: bounds.x, y: bounds.y } : size;
}

/** A state that cannot be kept is no reason to trouble anybody. */
export function keepWindowState(file: string, state: WindowState): void {
  try {
    writeFileSync(file, JSON.stringify(state), { mode: 0o600 });
  } catch (error) {
    console.error(error);
  }
}

function readState(file: string): WindowState | undefined {
  try {
    return stateSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined; // the first start, or a file that something else wrote
  }
}

function isVisible(window: Rectangle, area: Rectangle): boolean {
  const overlap = (from: number, length: number, areaFrom: number, areaLength: number): number =>
    Math.min(from + length, areaFrom + areaLength) - Math.max(from, areaFrom);
  return (
    overlap(window.x, window.width, area.x, area.width) >= VISIBLE_PX &&
    overlap(window.y, window.height, area.y, area.height) >= VISIBLE_PX
  );
}
