/** A program with the command line's real process wiring and commands that wait, crash or talk; started by process.test.ts. */
import { defineCommand } from '../../../main/cli/command.ts';
import type { Command, CommandContext, OptionSpecs, Outcome } from '../../../main/cli/command.ts';
import { runProcess } from '../../../main/cli/process.ts';

const load = (name: string, run: (context: CommandContext<OptionSpecs>) => Promise<Outcome>) => (): Promise<Command> =>
  Promise.resolve(defineCommand({ name, summary: 'A sample.', usage: '', arguments: [], options: {}, run }));

const never = (): Promise<never> => new Promise(() => setInterval(() => {}, 60_000));

await runProcess({
  wait: load('wait', ({ signal, output }) => {
    output.line('ready');
    return new Promise((_, reject) => {
      const alive = setInterval(() => {}, 60_000);
      signal.addEventListener('abort', () => {
        clearInterval(alive);
        reject(signal.reason as Error);
      });
    });
  }),
  stubborn: load('stubborn', ({ signal, output }) => {
    output.line('ready');
    signal.addEventListener('abort', () => output.line('stopping'));
    return never();
  }),
  crash: load('crash', () => {
    setImmediate(() => {
      throw new TypeError('out of the blue');
    });
    return never();
  }),
  reject: load('reject', () => {
    void Promise.reject(new TypeError('nobody listens'));
    return never();
  }),
  talk: load('talk', async ({ output }) => {
    for (let line = 0; ; line++) {
      output.line(`line ${line}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }),
  linger: load('linger', () => {
    setInterval(() => {}, 60_000);
    return Promise.resolve({ json: {}, failure: 'It lingers.' });
  }),
  long: load('long', () => Promise.resolve({ json: { text: 'x'.repeat(1_000_000) } })),
});
