/**
 * The bytes of a data file: its beginning, all of it up to a limit, its digest. Unpacks gzip. Knows no table format.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { InputError } from '../../../shared/errors.ts';

export interface Source {
  /** Absolute. */
  readonly path: string;
  /** Last part of the path: what messages show. */
  readonly name: string;
  readonly gzip: boolean;
  /** The first bytes, unpacked: HEAD_BYTES, or fewer where the file ends. */
  readonly head: Uint8Array;
  /** Whether `head` is the whole content. */
  readonly whole: boolean;
}

/** Enough for the widest header that is accepted. */
const HEAD_BYTES = 4 << 20;

function readProblem(path: string, cause: unknown): InputError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOENT')
    return new InputError('dataset-missing-file', `There is no data file ${path}.`, { hint: 'Check the path.', cause });
  if (code.startsWith('Z_')) {
    return new InputError('dataset-damaged-gzip', `${path} is not a whole gzip file.`, {
      hint: 'Pack it again.',
      cause,
    });
  }
  return new InputError('dataset-unreadable', `The data file ${path} cannot be read (${code || 'unknown cause'}).`, {
    hint: 'Check that it is a file and that you may read it.',
    cause,
  });
}

/** Unpacked content of at most `limit` bytes, and whether that is all of it. */
async function readStart(
  path: string,
  gzip: boolean,
  limit: number,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array; whole: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  const collect = async (chunks_: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks_) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) return;
    }
  };
  const raw = createReadStream(path);
  const options = signal === undefined ? {} : { signal };
  try {
    if (gzip) await pipeline(raw, createGunzip(), collect, options);
    else await pipeline(raw, collect, options);
  } catch (cause) {
    signal?.throwIfAborted();
    // Leaving the loop early closes the streams before they end: that is the limit, not a failure.
    if (length <= limit) throw readProblem(path, cause);
  }
  return { bytes: Buffer.concat(chunks).subarray(0, limit), whole: length <= limit };
}

/**
 * Opens a data file and reads its beginning.
 * @throws InputError for a file that is missing, not a file, unreadable or empty.
 */
export async function openSource(path: string, signal?: AbortSignal): Promise<Source> {
  let gzip: boolean;
  try {
    const found = await stat(path);
    if (!found.isFile())
      throw new InputError('dataset-not-a-file', `${path} is not a file.`, { hint: 'Name a data file.' });
    if (found.size === 0)
      throw new InputError('dataset-empty', `The data file ${path} is empty.`, { hint: 'Check that it was written.' });
    const file = await open(path);
    try {
      const { buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
      gzip = buffer[0] === 0x1f && buffer[1] === 0x8b;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw cause instanceof InputError ? cause : readProblem(path, cause);
  }
  const { bytes, whole } = await readStart(path, gzip, HEAD_BYTES, signal);
  if (bytes.length === 0)
    throw new InputError('dataset-empty', `The data file ${path} is empty.`, { hint: 'Check that it was written.' });
  return { path, name: basename(path), gzip, head: bytes, whole };
}

/** Places, evenly over the file, at which it is looked into before all of it is read. */
const SAMPLES = 16;
const SAMPLE_BYTES = 4096;

/** Whether a file that is not packed holds bytes 0, which no text has, somewhere behind its head: a look, no proof. */
export async function looksBinary({ path, gzip, whole }: Source): Promise<boolean> {
  if (gzip || whole) return false;
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const sample = Buffer.alloc(SAMPLE_BYTES);
    for (let index = 1; index <= SAMPLES; index++) {
      const { bytesRead } = await file.read(
        sample,
        0,
        SAMPLE_BYTES,
        Math.floor(((size - SAMPLE_BYTES) * index) / SAMPLES),
      );
      if (sample.subarray(0, bytesRead).includes(0)) return true;
    }
    return false;
  } catch (cause) {
    throw readProblem(path, cause);
  } finally {
    await file.close();
  }
}

/**
 * The whole content, unpacked.
 * @throws InputError (`dataset-too-large`) above `limit` bytes, however small the packed file is.
 */
export async function readWhole(source: Source, limit: number, signal?: AbortSignal): Promise<Uint8Array> {
  if (source.whole) return source.head;
  const { bytes, whole } = await readStart(source.path, source.gzip, limit, signal);
  if (!whole) {
    throw new InputError('dataset-too-large', `${source.path} holds more than ${Math.floor(limit / 2 ** 20)} MiB.`, {
      hint: 'Split it, or use Parquet.',
    });
  }
  return bytes;
}

async function hashFile(path: string, hash: Hash, signal?: AbortSignal): Promise<void> {
  try {
    for await (const chunk of createReadStream(path, signal === undefined ? {} : { signal }))
      hash.update(chunk as Buffer);
  } catch (cause) {
    signal?.throwIfAborted();
    throw readProblem(path, cause);
  }
}

/** SHA-256 of the files' bytes as they lie on disk, one after the other, in hexadecimal. */
export async function digestFiles(paths: readonly string[], signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) await hashFile(path, hash, signal);
  return hash.digest('hex');
}
