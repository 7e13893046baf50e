/**
 * Paths that model files give to files beside them. By name only: symbolic links are for whoever opens the file.
 */

/** Whether a path, read on any platform, could name something outside the folder it is relative to. */
export function leavesFolder(path: string): boolean {
  const absolute = /^[/\\]/u.test(path) || /^[A-Za-z]:/u.test(path);
  return absolute || path.includes('\0') || path.split(/[/\\]/u).includes('..');
}
