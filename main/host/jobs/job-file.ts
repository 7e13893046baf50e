/**
 * Reads a job file, YAML or JSON, from disk, so that every error names the file and the line.
 * Knows nothing of what a job means: shared/job.ts does.
 */
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isMap, isNode, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { InputError } from '../../../shared/errors.ts';
import { parseJob, type DataSource, type Job } from '../../../shared/job.ts';

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

/**
 * Parses the text of a job file. JSON is read as YAML, which contains it.
 * @param source names the file in errors.
 * @throws InputError naming file and line.
 */
export function parseJobText(text: string, source: string): Job {
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
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new InputError('job-aliases', `${source}: its aliases (*name) do not resolve or expand too far.`, {
      hint: 'Write the repeated part out.',
      cause,
    });
  }
  return parseJob(value, source, (path) => `${source}:${lineAt(document, lines, path)}`);
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
