/** Loaded into processes before their own code (NODE_OPTIONS=--import): lays the slow lines that TACIT_TEST_SLOW tells of, if any leads here. */
import { appendFileSync, existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** A slow line to the party of that name. */
export interface SlowParty {
  readonly name: string;
  /** Number of the first execution that is slow. */
  readonly from: number;
  readonly pauseMs: number;
  /** The line is slow while this file is there. */
  readonly isSlow: string;
  /** Takes a line with the number of every process that has come to what is slow. */
  readonly noticed: string;
}

const own = process.argv[process.argv.indexOf('--name') + 1];
const parties = JSON.parse(process.env['TACIT_TEST_SLOW'] ?? '[]') as readonly SlowParty[];
const line = isMainThread ? parties.find(({ name }) => name === own) : undefined;

if (line !== undefined) {
  const [{ Links }, { slowDown }] = await Promise.all([
    import('../../main/host/peers/links.ts'),
    import('./slow-links.ts'),
  ]);
  let isNoticed = false;
  slowDown(Links.prototype, {
    ...line,
    isMended: () => !existsSync(line.isSlow),
    onSlow: () => {
      if (!isNoticed) appendFileSync(line.noticed, `${process.pid}\n`);
      isNoticed = true;
    },
  });
}
