/** How the values of columns are spread, for their owner's eyes only. */
import type { Dataset } from './dataset.ts';
import { scanColumns } from './dataset.ts';
import type { ProfiledColumn } from './profile.ts';

export interface HistogramBar {
  /** A category, or `from to` of an interval. */
  readonly label: string;
  readonly rows: number;
}

const INTERVALS = 16;
/** Wider tables are shown without histograms beyond these columns. */
const MAX_COLUMNS = 256;
const MAX_BARS = 24;

interface Bins {
  readonly minimum: number;
  readonly width: number;
  readonly counts: number[];
}

function bars({ minimum, width, counts }: Bins): HistogramBar[] {
  const edge = (index: number): string => String(Number((minimum + index * width).toPrecision(4)));
  return counts.map((rows, index) => ({ label: `${edge(index)} to ${edge(index + 1)}`, rows }));
}

/** Few distinct values are their own bars. */
function countedBars({ counts }: ProfiledColumn): HistogramBar[] | undefined {
  if (counts === undefined || counts.length > MAX_BARS) return undefined;
  return counts.map(({ value, rows }) => ({ label: value, rows }));
}

/** By column name: by category where these are few, else equal intervals of numbers; nothing for texts. One pass over the data. */
export async function histograms(dataset: Dataset, signal?: AbortSignal): Promise<ReadonlyMap<string, HistogramBar[]>> {
  const result = new Map<string, HistogramBar[]>();
  const bins = new Map<string, Bins>();
  for (const column of dataset.columns.slice(0, MAX_COLUMNS)) {
    const { name, minimum, maximum } = column;
    const counted = countedBars(column);
    if (counted !== undefined) result.set(name, counted);
    else if (
      minimum !== undefined &&
      maximum !== undefined &&
      Number.isFinite(maximum - minimum) &&
      maximum > minimum
    ) {
      bins.set(name, { minimum, width: (maximum - minimum) / INTERVALS, counts: Array<number>(INTERVALS).fill(0) });
    }
  }
  const names = [...bins.keys()];
  await scanColumns(
    dataset,
    names,
    (cells, wanted) => {
      wanted.forEach((place, index) => {
        const found = bins.get(names[place] ?? '');
        const column = cells[index];
        if (found === undefined || !(column instanceof Float64Array)) return;
        for (const value of column) {
          if (Number.isNaN(value)) continue;
          const bin = Math.min(INTERVALS - 1, Math.floor((value - found.minimum) / found.width));
          found.counts[bin] = (found.counts[bin] ?? 0) + 1;
        }
      });
    },
    signal,
  );
  for (const [name, found] of bins) result.set(name, bars(found));
  return result;
}
