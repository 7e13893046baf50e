/** The register of data sets for people: add, look into, confirm what columns are for, remove. */
import { randomUUID } from 'node:crypto';
import { mkdir, rm, statfs } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { columnUseSchema } from '../../../shared/api/dataset-calls.ts';
import type { ColumnUse, ColumnView, DatasetView } from '../../../shared/api/dataset-calls.ts';
import { InputError, MachineError } from '../../../shared/errors.ts';
import { bytesText } from '../../../shared/units.ts';
import { openDataset } from '../datasets/dataset.ts';
import type { Dataset } from '../datasets/dataset.ts';
import { histograms } from '../datasets/histogram.ts';
import type { HistogramBar } from '../datasets/histogram.ts';
import type { ProfiledColumn } from '../datasets/profile.ts';
import { previewKey } from '../joins/key-columns.ts';
import type { RegisteredDataset } from '../store/datasets.ts';
import type { ApiContext, Service } from './context.ts';

type Names = `datasets.${'list' | 'add' | 'get' | 'previewKey' | 'confirm' | 'remove'}`;

export interface DatasetService extends Service<Names> {
  /** Keeps a copy of a file that arrives as a stream, and registers it. Half a file is erased. */
  /** `bytes`: how many are announced. */
  readonly upload: (fileName: string, content: Readable, bytes: number) => Promise<DatasetView>;
  /** A registered data set, opened; one whose file has changed since is refused (`dataset-changed`). */
  readonly openRegistered: (registered: RegisteredDataset) => Promise<Dataset>;
}

interface Opened {
  readonly dataset: Dataset;
  readonly bars: ReadonlyMap<string, HistogramBar[]>;
}

/** Opened ones that stay in memory, with what was found in them. */
const KEEP_OPEN = 4;

function view(dataset: RegisteredDataset): DatasetView {
  return { ...dataset, files: [...dataset.paths], confirmedAtMs: dataset.confirmedAtMs };
}

/** What is proposed before a person has said anything. */
function proposedUse(column: ProfiledColumn, rows: number): ColumnUse {
  if (column.type === 'text' || column.type === 'date') return 'never';
  const looksLikeId = /(^|[_ -])id$/i.test(column.name) && column.missing === 0;
  if (looksLikeId && (column.counts === undefined || column.counts.length === rows)) return 'id';
  return /^(label|target|class|outcome|diagnosis|malignant|digit)$/i.test(column.name) ? 'label' : 'feature';
}

function useOf(column: ProfiledColumn, rows: number, uses: Readonly<Record<string, string>>): ColumnUse {
  const said = columnUseSchema.safeParse(uses[column.name]);
  return said.success ? said.data : proposedUse(column, rows);
}

function problemOf(column: ProfiledColumn, rows: number): string | undefined {
  if (column.missing === rows) return 'has no value in any row';
  if (column.notNumberRow !== undefined) return `row ${column.notNumberRow} is not a number, in a column of numbers`;
  if (column.infiniteRow !== undefined) return `row ${column.infiniteRow} is infinite`;
  return undefined;
}

/** What a peer sees of a column in a job. */
function sharedText({ name, type, counts }: ProfiledColumn): string {
  const categories = (type === 'category' || type === 'boolean') && counts !== undefined ? counts : [];
  const list = categories.slice(0, 6).map(({ value }) => value);
  const more = categories.length > list.length ? ', ...' : '';
  return list.length === 0 ? `${name}: ${type}` : `${name}: ${type} (${list.join(', ')}${more})`;
}

export function datasetService(context: ApiContext): DatasetService {
  const opened = new Map<string, Promise<Opened>>();
  const store = () => context.host().store.datasets;

  const changed = (): void => context.publish('datasets.changed', store().list().map(view));

  const register = async (paths: readonly string[], uploaded: boolean): Promise<DatasetView> => {
    const dataset = await openDataset(paths, context.signal);
    const twin = store()
      .list()
      .find((other) => other.contentDigest === dataset.contentDigest);
    if (twin !== undefined) {
      throw new InputError('dataset-registered', `${dataset.name} is registered already, as ${twin.name}.`, {
        hint: 'Use that one, or remove it first.',
      });
    }
    const added = store().add({
      id: randomUUID(),
      name: dataset.name,
      paths: [...paths],
      uploaded,
      rows: dataset.rows,
      columns: dataset.columns.length,
      contentDigest: dataset.contentDigest,
    });
    context.record('dataset-registered', { dataset: added.name, rows: added.rows, columns: added.columns });
    changed();
    return view(added);
  };

  const open = (registered: RegisteredDataset): Promise<Opened> => {
    const known = opened.get(registered.id);
    if (known !== undefined) return known;
    const promise = (async (): Promise<Opened> => {
      const dataset = await openDataset(registered.paths, context.signal);
      if (dataset.contentDigest !== registered.contentDigest) {
        throw new InputError('dataset-changed', `${registered.name} has changed since it was registered.`, {
          hint: 'Remove it and add it again, so that you confirm its columns anew.',
        });
      }
      return { dataset, bars: await histograms(dataset, context.signal) };
    })();
    opened.set(registered.id, promise);
    promise.catch(() => opened.delete(registered.id));
    for (const id of [...opened.keys()].slice(0, -KEEP_OPEN)) opened.delete(id);
    return promise;
  };

  const columnView = (column: ProfiledColumn, { rows, uses }: RegisteredDataset, bars: Opened['bars']): ColumnView => ({
    ...column,
    use: useOf(column, rows, uses),
    histogram: bars.get(column.name) ?? [],
    problem: problemOf(column, rows),
  });

  return {
    handlers: {
      'datasets.list': () => store().list().map(view),
      'datasets.add': ({ paths }) => {
        const relative = paths.find((path) => !isAbsolute(path));
        if (relative !== undefined) {
          throw new InputError('dataset-path-relative', `${relative} is not a whole path.`, {
            hint: 'Write the path from the root of the file system, or drop the file into the window.',
          });
        }
        return register(paths, false);
      },
      'datasets.get': async ({ id }) => {
        const registered = store().get(id);
        const { dataset, bars } = await open(registered);
        const profile = dataset.columns.map((column) => columnView(column, registered, bars));
        const offered = dataset.columns.filter((_, index) => profile[index]?.use !== 'never');
        return {
          ...view(registered),
          profile,
          preview: dataset.preview.map((row) => [...row]),
          shared: offered.map(sharedText),
        };
      },
      'datasets.previewKey': async ({ id, key, rows }) => {
        const { dataset } = await open(store().get(id));
        return previewKey(dataset, key, rows, context.signal);
      },
      'datasets.confirm': async ({ id, uses }) => {
        const registered = store().get(id);
        const { dataset } = await open(registered);
        const stranger = Object.keys(uses).find((name) => !dataset.columns.some((column) => column.name === name));
        if (stranger !== undefined) {
          throw new InputError(
            'dataset-unknown-column',
            `${registered.name} has no column ${JSON.stringify(stranger)}.`,
          );
        }
        const all = Object.fromEntries(
          dataset.columns.map((column) => [
            column.name,
            uses[column.name] ?? useOf(column, registered.rows, registered.uses),
          ]),
        );
        store().confirm(id, all);
        const hidden = Object.values(all).filter((use) => use === 'never').length;
        context.record('dataset-confirmed', { dataset: registered.name, columns: registered.columns, never: hidden });
        changed();
        return view(store().get(id));
      },
      'datasets.remove': async ({ id }) => {
        const { name, uploaded, paths } = store().get(id);
        store().remove(id);
        opened.delete(id);
        const [path] = paths;
        if (uploaded && path !== undefined) await rm(dirname(path), { recursive: true, force: true });
        context.record('dataset-removed', { dataset: name });
        changed();
        return {};
      },
    },
    openRegistered: async (registered) => (await open(registered)).dataset,
    upload: async (fileName, content, bytes) => {
      await checkRoom(context.host().store.folder, basename(fileName), bytes);
      const folder = join(context.host().store.folder, 'uploads', randomUUID());
      const path = join(folder, basename(fileName));
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await receive(content, path);
        return await register([path], true);
      } catch (error) {
        await rm(folder, { recursive: true, force: true });
        throw error;
      }
    },
  };
}

/** MachineError `upload-no-room` before anything of a file that does not fit is written. */
async function checkRoom(folder: string, name: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes <= free) return;
  throw new MachineError(
    'upload-no-room',
    `${name} has ${bytesText(bytes)}, and there is room for ${bytesText(free)} here.`,
    {
      hint: 'Make room, or add the file by its path on the machine of this host: then it stays where it is.',
    },
  );
}

async function receive(content: Readable, path: string): Promise<void> {
  try {
    await pipeline(content, createWriteStream(path, { mode: 0o600 }));
  } catch (cause) {
    throw new MachineError('upload-failed', `${basename(path)} did not arrive whole.`, {
      hint: 'Check that there is room on the disk, then try again.',
      cause,
    });
  }
}
