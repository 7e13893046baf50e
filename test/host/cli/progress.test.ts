/** Progress: rate and time left, bars that fit the terminal, and few plain lines in a log. */
import { fc } from '../../helpers/properties.ts';
import { describe, expect, test } from 'vitest';
import { advance, barLine, createProgress, deservesLine, plainLine } from '../../../main/cli/progress.ts';
import type { ProgressState, ProgressUpdate } from '../../../main/cli/progress.ts';

/** The state after updates at given times. */
function after(...updates: readonly (readonly [nowMs: number, update: ProgressUpdate])[]): ProgressState {
  let state: ProgressState | undefined;
  for (const [nowMs, update] of updates) state = advance(state, update, nowMs);
  if (state === undefined) throw new Error('no update');
  return state;
}

const steps = (done: number): ProgressUpdate => ({
  party: 'clinic-a',
  phase: 'training',
  done,
  total: 500,
  unit: 'steps',
});

describe('rate', () => {
  test('of a steady run is what it does', () => {
    const state = after(...Array.from({ length: 11 }, (_, i) => [i * 1000, steps(i * 50)] as const));
    expect(state.rate).toBeCloseTo(50);
  });

  test('follows a change within some seconds', () => {
    const slow = Array.from({ length: 10 }, (_, i) => [i * 1000, steps(i)] as const);
    const fast = Array.from({ length: 20 }, (_, i) => [(i + 10) * 1000, steps(9 + (i + 1) * 20)] as const);
    expect(after(...slow, ...fast).rate).toBeGreaterThan(19);
  });

  test('is not told from updates within one moment, and starts over with a phase', () => {
    expect(after([0, steps(0)], [0, steps(5)], [1, steps(10)]).rate).toBeUndefined();
    const state = after([0, steps(0)], [1000, steps(50)], [1500, { party: 'clinic-a', phase: 'evaluating' }]);
    expect(state).toMatchObject({ rate: undefined, phaseSinceMs: 1500 });
  });
});

describe('a bar', () => {
  const state = after([0, steps(0)], [5000, steps(310)]);

  test('shows how far, how fast and how long still', () => {
    expect(barLine(state, 8, 100)).toBe(
      'clinic-a  training  [##############..........]   62 %  310/500 steps  62/s  4 s left',
    );
    expect(barLine({ ...state, party: '' }, 0, 50)).toBe('training   62 %  310/500 steps  62/s  4 s left');
  });

  test('of bytes uses their units; without a total there is no bar', () => {
    const sent = (done: number, total?: number): ProgressUpdate =>
      ({ phase: 'correlations', done, unit: 'B', ...(total === undefined ? {} : { total }) }) as const;
    const known = after([0, sent(0, 8e6)], [1000, sent(2e6, 8e6)]);
    expect(barLine(known, 0, 80)).toBe('correlations  [######..................]   25 %  2 MB/8 MB  2 MB/s  3 s left');
    expect(barLine(after([0, sent(0)], [1000, sent(2e6)]), 0, 80)).toBe('correlations  2 MB  2 MB/s');
  });

  test('always fits its line and never breaks it', () => {
    fc.assert(
      fc.property(
        fc.record({
          party: fc.string({ unit: 'binary' }),
          phase: fc.string({ unit: 'binary' }),
          done: fc.double({ min: 0, max: 1e15, noNaN: true }),
          total: fc.double({ min: 0, max: 1e15, noNaN: true }),
        }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 0, max: 30 }),
        (update, columns, labelWidth) => {
          const line = barLine(after([0, { ...update, done: 0 }], [1000, update]), labelWidth, columns);
          expect([...line].length).toBeLessThanOrEqual(Math.max(1, columns - 1));
          expect(line).not.toMatch(/\p{Cc}/u);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('plain lines', () => {
  test('say the same', () => {
    expect(plainLine(after([0, steps(0)], [5000, steps(310)]))).toBe(
      'clinic-a: training 62 %, 310/500 steps, 62/s, 4 s left',
    );
    expect(plainLine(after([0, { phase: 'waiting for clinic-b' }]))).toBe('waiting for clinic-b');
    expect(plainLine(after([0, { phase: 'empty', done: 0, total: 0 }]))).toBe('empty 100 %, 0/0');
  });

  test('come at a change of phase, at each tenth and at the end, not faster than one a second', () => {
    const at = (done: number, nowMs: number): ProgressState => after([nowMs, steps(done)]);
    const last = { state: at(100, 0), atMs: 0 };
    expect(deservesLine(undefined, at(0, 0), 0)).toBe(true);
    expect(deservesLine(last, after([1, { party: 'clinic-a', phase: 'evaluating' }]), 1)).toBe(true);
    expect(deservesLine(last, at(149, 5000), 5000)).toBe(false);
    expect(deservesLine(last, at(150, 500), 500)).toBe(false);
    expect(deservesLine(last, at(150, 1000), 1000)).toBe(true);
    expect(deservesLine(last, at(500, 1), 1)).toBe(true);
    expect(deservesLine({ state: at(500, 0), atMs: 0 }, at(500, 60_000), 60_000)).toBe(false);
    const waiting = { phase: 'waiting', done: 1 };
    expect(deservesLine({ state: after([0, waiting]), atMs: 0 }, after([9999, waiting]), 9999)).toBe(false);
    expect(deservesLine({ state: after([0, waiting]), atMs: 0 }, after([10_000, waiting]), 10_000)).toBe(true);
  });

  test('a log of 500 quick steps of two parties has a dozen lines each', () => {
    let nowMs = 0;
    const written: string[] = [];
    const progress = createProgress({ write: (text) => written.push(text) }, () => nowMs);
    for (let step = 0; step <= 500; step++) {
      nowMs += 20;
      for (const party of ['clinic-a', 'clinic-b']) progress.report({ ...steps(step), party });
    }
    progress.clear();
    progress.end();
    expect(written.every((text) => /^clinic-[ab]: training [^\u001b\n]*\n$/u.test(text))).toBe(true);
    expect(written.length).toBeGreaterThanOrEqual(2 * 9);
    expect(written.length).toBeLessThanOrEqual(2 * 12);
    expect(written.at(-1)).toMatch(/100 %, 500\/500 steps/u);
  });
});

describe('on a terminal', () => {
  /** What a terminal shows after `written`: understands the two sequences that the bars use. */
  function screen(written: string): string[] {
    const rows: string[] = [''];
    let row = 0;
    for (const part of written.matchAll(/\u001b\[(\d+)A|\u001b\[0J|\n|[^\u001b\n]+/gu)) {
      const [text, up] = part;
      if (up !== undefined) row -= Number(up);
      else if (text === '\u001b[0J') rows.splice(row, Infinity, '');
      else if (text === '\n') rows[++row] ??= '';
      else rows[row] += text;
    }
    return rows;
  }

  test('each party keeps its line, text goes above the bars, the last state stays', () => {
    let nowMs = 0;
    let written = '';
    const terminal = { isTTY: true, columns: 60, write: (text: string) => (written += text) };
    const progress = createProgress(terminal, () => nowMs);
    for (let step = 0; step <= 100; step++) {
      nowMs += 30;
      for (const party of ['a', 'bob']) progress.report({ party, phase: 'training', done: step, total: 100 });
      if (step === 50) {
        progress.clear();
        terminal.write('half way\n');
      }
    }
    progress.end();
    expect(screen(written)).toEqual([
      'half way',
      expect.stringMatching(/^a {4}training {2}\[#+\]  100 % {2}100\/100 {2}33\.\d\/s$/u),
      expect.stringMatching(/^bob {2}training {2}\[#+\]  100 % {2}100\/100 {2}33\.\d\/s$/u),
      '',
    ]);
  });

  test('it is drawn at most ten times a second', () => {
    let nowMs = 0;
    let draws = 0;
    const progress = createProgress({ isTTY: true, columns: 60, write: () => draws++ }, () => nowMs);
    for (let step = 0; step < 1000; step++) {
      nowMs += 1;
      progress.report({ phase: 'training', done: step, total: 1000 });
    }
    expect(draws).toBeLessThanOrEqual(11);
  });
});
