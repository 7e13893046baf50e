/** Joins the shell to this process: its streams, its signals, its exit. */
import type { CommandRegistry } from './commands.ts';
import { describeFailure, Interruption, runShell } from './shell.ts';

/** A command has closed what it opened when it returns; what still holds the process open after this long is ended. */
const LINGER_MS = 3_000;

/**
 * Runs the command line of this process with the commands of `registry`. The process then ends by itself, with the exit code
 * set: process.exit while threads run can hang for ever (nodejs/node#54918).
 */
export async function runProcess(registry: CommandRegistry): Promise<void> {
  const stop = new AbortController();
  const debug = (process.env['TACIT_DEBUG'] ?? '') !== '';

  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      const interruption = new Interruption(name);
      // the second time the user means it: leave at once
      if (stop.signal.aborted) process.exit(interruption.exitCode);
      stop.abort(interruption);
    });
  }

  process.on('uncaughtException', (error) => {
    const { line, exitCode } = describeFailure(error, stop.signal);
    process.stderr.write(`${line}\n${debug ? `${error.stack ?? ''}\n` : ''}`);
    process.exit(exitCode);
  });

  // a reader that has seen enough (`tacit ... | head`) is no failure of ours
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });

  const exitCode = await runShell(process.argv.slice(2), registry, {
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
    nowMs: () => performance.now(),
    debug,
  });
  process.exitCode = exitCode;
  setTimeout(() => {
    if (debug) process.stderr.write(`Held open by: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit();
  }, LINGER_MS).unref();
}
