/**
 * Reads a job file, YAML or JSON, from disk, so that every error names the file and the line.
 * Knows nothing of what a job means: shared/job.ts does.
 */
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMap, isNode, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { InputError } from '../../../shared/errors.ts';
import type { Issue } from '../../../shared/issues.ts';
import { checkJob, parseJob, type DataSource, type Job } from '../../../shared/job.ts';

/** A job is written by people; a longer file is something else. */
const MAX_JOB_BYTES = 1 << 20;

export interface JobFile {
  readonly job: Job;
  /** The folder that paths in the job are relative to, absolute. */
  readonly directory: string;
}

/** Line of the entry at `path`, or of the nearest one above it that is there, for a key that is missing. */
function lineAt(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => String(isNode(item.key) ? item.key.toJSON() : item.key) === String(step));
      if (pair === undefined) break;
      if (isNode(pair.key) && pair.key.range) offset = pair.key.range[0];
      node = pair.value;
    } else if (isSeq(node) && typeof step === 'number') {
      node = node.items[step];
      if (isNode(node) && node.range) offset = node.range[0];
    } else {
      break;
    }
  }
  return lines.linePos(offset).line;
}

interface ReadText {
  readonly value: unknown;
  /** Line, from 1, of the entry at a path. */
  readonly lineOf: (path: readonly PropertyKey[]) => number;
}

/** JSON is read as YAML, which contains it. */
function readText(text: string, source: string): ReadText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: '1.2', schema: 'core' });
  const syntax = document.errors[0];
  if (syntax !== undefined) {
    throw new InputError('job-syntax', `${source}:${lines.linePos(syntax.pos[0]).line}: ${syntax.message}.`, {
      hint: 'Correct the YAML or JSON.',
      cause: syntax,
    });
  }
  if (document.contents === null) {
    throw new InputError('job-empty', `${source}: the job file is empty.`, {
      hint: 'A job names at least its parties, dealer, task and who receives what.',
    });
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return { value, lineOf: (path) => lineAt(document, lines, path) };
  } catch (cause) {
    throw new InputError('job-aliases', `${source}: its aliases (*name) do not resolve or expand too far.`, {
      hint: 'Write the repeated part out.',
      cause,
    });
  }
}

/**
 * Parses the text of a job file.
 * @param source names the file in errors.
 * @throws InputError naming file and line.
 */
export function parseJobText(text: string, source: string): Job {
  const { value, lineOf } = readText(text, source);
  return parseJob(value, source, (path) => `${source}:${lineOf(path)}`);
}

/** One thing that is wrong with a job's text. */
export interface TextIssue extends Issue {
  /** From 1. */
  readonly line: number;
}

export type JobTextCheck =
  { readonly ok: true; readonly job: Job } | { readonly ok: false; readonly issues: readonly TextIssue[] };

/** Checks a text and lists everything that is wrong with it, each with its line: for editors. */
export function checkJobText(text: string): JobTextCheck {
  let read: ReadText;
  try {
    read = readText(text, 'job');
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const line = Number(/^job:(\d+): /.exec(error.message)?.[1] ?? 1);
    const message = error.message.replace(/^job:(?:\d+:)? /, '');
    return { ok: false, issues: [{ code: error.code, path: [], message, hint: error.hint, line }] };
  }
  const checked = checkJob(read.value);
  if (checked.ok) return checked;
  return { ok: false, issues: checked.issues.map((issue) => ({ ...issue, line: read.lineOf(issue.path) })) };
}

/**
 * Reads and checks a job file.
 * @throws InputError for a file that is missing, too large, not text, not YAML or JSON, or not a job.
 */
export async function readJobFile(path: string, signal?: AbortSignal): Promise<JobFile> {
  let bytes: Buffer;
  try {
    const file = await open(path);
    try {
      bytes = Buffer.alloc(MAX_JOB_BYTES + 1);
      let filled = 0;
      for (;;) {
        signal?.throwIfAborted();
        const { bytesRead } = await file.read(bytes, filled, bytes.length - filled);
        filled += bytesRead;
        if (bytesRead === 0 || filled === bytes.length) break;
      }
      bytes = bytes.subarray(0, filled);
    } finally {
      await file.close();
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    const reason = code === 'ENOENT' ? 'is not there' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`;
    throw new InputError('job-unreadable', `The job file ${path} ${reason}.`, { hint: 'Check the path.', cause });
  }
  if (bytes.length > MAX_JOB_BYTES) {
    throw new InputError('job-too-large', `The job file ${path} is larger than 1 MiB.`, {
      hint: 'Check that it is the job, not the data.',
    });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InputError('job-not-text', `The job file ${path} is not UTF-8 text.`, {
      hint: 'Save it as UTF-8.',
      cause,
    });
  }
  return { job: parseJobText(text, path), directory: resolve(dirname(path)) };
}

/** Absolute paths of a data source that names files; undefined for one that names a registered data set. */
export function dataFiles(source: DataSource, directory: string): string[] | undefined {
  return Array.isArray(source) ? source.map((file) => resolve(directory, file)) : undefined;
}
