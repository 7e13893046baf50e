/**
 * A slow line to a host: what its peers send it of a run, from one execution on, comes with a pause before each frame until the
 * line is mended. So a run has not ended when a test pauses it, kills a party or looks at it, however quick the machine or slow
 * the test is. Knows nothing of what is sent.
 */
import type { Links } from '../../main/host/peers/links.ts';

/** A run over it takes minutes, and yet no party waits so long for another that it says so. */
export const PAUSE_MS = 20;

export interface SlowLine {
  /** Number of the first execution that is slow. */
  readonly from: number;
  /** Before each frame. */
  readonly pauseMs: number;
  readonly isMended: () => boolean;
  /** Called before every pause, with the attempt that the frame belongs to. */
  readonly onSlow: (attempt: number) => void;
}

/** Slows down what comes in over these links, or over all of a process where `links` is their prototype. */
export function slowDown(links: Pick<Links, 'onFrame'>, { from, pauseMs, isMended, onSlow }: SlowLine): void {
  const { onFrame } = links;
  let [last, queued] = [Promise.resolve(), 0];
  links.onFrame = function (this: Links, ...parameters) {
    const [, { type, lane, attempt, execution }] = parameters;
    const isSlow = type === 'data' && lane === 'rounds' && execution >= from && !isMended();
    // Frames stay in order.
    if (!isSlow && queued === 0) return onFrame.apply(this, parameters);
    if (isSlow) onSlow(attempt);
    queued++;
    last = last
      .then(() => (isSlow ? pause(pauseMs, isMended) : undefined))
      .then(() => {
        queued--;
        onFrame.apply(this, parameters);
      });
  };
}

async function pause(ms: number, isOver: () => boolean): Promise<void> {
  for (let waitedMs = 0; waitedMs < ms && !isOver(); waitedMs += PAUSE_MS)
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
}
