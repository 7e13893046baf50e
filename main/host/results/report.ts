/** The report of a run as one self-contained page. */
import type { RunRecord } from './results.ts';

export function reportHtml(run: RunRecord): string {
  return `<!doctype html><title>${run.title}</title>`;
}
