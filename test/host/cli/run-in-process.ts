/** The program's own shell and commands without a process around them, for tests of what a command prints. */
import { commands } from '../../../main/cli/commands.ts';
import { runShell } from '../../../main/cli/shell.ts';

export async function runInProcess(
  ...argv: readonly string[]
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  let stdout = '';
  let stderr = '';
  const exitCode = await runShell(argv, commands, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
    debug: false,
  });
  return { exitCode, stdout, stderr };
}

/** The object on the last line of what was printed with --json. */
export function closingObject<T>(stdout: string): T {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as T;
}
