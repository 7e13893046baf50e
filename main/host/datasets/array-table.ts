/**
 * npy and idx files as tables: the first axis is rows, all others together are columns. Held in memory. Knows no job.
 */
import { readNpy } from '../../../engine/models/npy.ts';
import { MAX_COLUMNS } from '../../../shared/dataset.ts';
import { InputError } from '../../../shared/errors.ts';
import { readIdx } from './idx.ts';
import { readWhole, type Source } from './source.ts';
import type { Table } from './table.ts';

const MAX_BYTES = 2 ** 31;
const BATCH_ROWS = 2048;

/**
 * Opens an array file. Columns are x0, x1, ... in row-major order of the other axes; an array with one axis is one column,
 * "label" of an idx file and "value" of an npy file.
 * @throws InputError for a damaged file, a type that holds no numbers, or a shape that is no table.
 */
export async function openArray(source: Source, format: 'npy' | 'idx', signal?: AbortSignal): Promise<Table> {
  const bytes = await readWhole(source, MAX_BYTES, signal);
  const { type, shape, data } = format === 'npy' ? readNpy(bytes, source.name) : readIdx(bytes, source.name);
  if (shape.length === 0) {
    throw new InputError('dataset-no-rows', `${source.name} holds a single number, not a table.`, {
      hint: 'Its first axis has to be the rows.',
    });
  }
  const width = shape.slice(1).reduce((product, size) => product * size, 1);
  if (width > MAX_COLUMNS || width === 0) {
    throw new InputError(
      width === 0 ? 'dataset-no-columns' : 'dataset-too-many-columns',
      `${source.name} has the shape [${shape.join(', ')}]: ${width} columns; 1 to ${MAX_COLUMNS} are possible.`,
      { hint: 'Its first axis has to be the rows.' },
    );
  }
  const names =
    shape.length === 1
      ? [format === 'idx' ? 'label' : 'value']
      : Array.from({ length: width }, (_, column) => `x${column}`);
  return {
    file: source.name,
    columns: names.map((name) => ({ name, kind: type === 'bool' ? 'boolean' : 'number' })),
    scan: (positions, visit, scanSignal) => {
      const rows = shape[0]!;
      for (let start = 0; start < rows; start += BATCH_ROWS) {
        scanSignal?.throwIfAborted();
        const count = Math.min(BATCH_ROWS, rows - start);
        const cells = positions.map((column) => {
          const values = new Float64Array(count);
          for (let row = 0; row < count; row++) values[row] = Number(data[(start + row) * width + column]);
          return values;
        });
        visit(cells, count);
      }
      return Promise.resolve(rows);
    },
  };
}
