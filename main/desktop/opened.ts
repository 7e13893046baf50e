/**
 * What the system hands to the app: a `tacit://` link or an invitation's file, as an argument of a start or as an event. It is
 * untrusted: the interface shows a person what is in it (shared/invite.ts reads it there), and nothing is done before a click.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';

export const LINK_SCHEME = 'tacit';
const FILE_ENDING = '.tacit-invite';
const LONGEST_BYTES = 20_000;

/** The first link or file in the arguments of a start (`cwd`: where that start was), or undefined. */
export function openedIn(argv: readonly string[], cwd: string): string | undefined {
  for (const argument of argv) {
    if (argument.startsWith(`${LINK_SCHEME}:`)) return argument.slice(0, LONGEST_BYTES);
    if (!argument.startsWith('-') && argument.endsWith(FILE_ENDING)) return readOpenedFile(resolve(cwd, argument));
  }
  return undefined;
}

/** The content of an invitation's file; one that cannot be read is as its name, which the interface then refuses in words. */
export function readOpenedFile(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(LONGEST_BYTES);
      return bytes.toString('utf8', 0, readSync(file, bytes, 0, LONGEST_BYTES, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return path;
  }
}
