/**
 * Text for people: lines, tables, and numbers with their units. Also keeps what comes from files and peers from
 * steering the terminal. Knows nothing of commands.
 */

export interface TextSink {
  write(text: string): unknown;
}

export interface Output {
  /** One line, or an empty one. */
  line(text?: string): void;
  /** A table with a heading row; columns of numbers are aligned to the right. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void;
}

export interface Column {
  readonly heading: string;
  readonly align: 'left' | 'right';
}

/** `before` runs ahead of each write: progress lines on the same terminal make room. */
export function createOutput(sink: TextSink, before: () => void): Output {
  const write = (lines: readonly string[]): void => {
    before();
    sink.write(lines.map((line) => `${line}\n`).join(''));
  };
  return {
    line: (text = '') => write(text.split('\n').map(printable)),
    table: (columns, rows) => write(tableLines(columns, rows)),
  };
}

/** Text as one line that holds no control characters: a hostile name cannot move the cursor or forge lines. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ');
}

/** Rows with their columns padded to the same width, two spaces apart, nothing after the last word. */
export function alignedRows(rows: readonly (readonly string[])[], align: readonly Column['align'][]): string[] {
  const cells = rows.map((row) => row.map(printable));
  const widths = align.map((_, column) => Math.max(0, ...cells.map((row) => [...(row[column] ?? '')].length)));
  return cells.map((row) =>
    row
      .map((cell, column) => {
        const padding = ' '.repeat((widths[column] ?? 0) - [...cell].length);
        return align[column] === 'right' ? padding + cell : cell + padding;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** A table as lines: headings, a rule, rows. */
export function tableLines(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = alignedRows(
    [columns.map((column) => column.heading), ...rows],
    columns.map((column) => column.align),
  );
  const width = Math.max(...lines.map((line) => [...line].length));
  return [...lines.slice(0, 1), '-'.repeat(width), ...lines.slice(1)];
}

const byteUnits = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

function withUnit(value: number, unit: string, options: Intl.NumberFormatOptions): string {
  return new Intl.NumberFormat('en', { style: 'unit', unit, unitDisplay: 'short', ...options }).format(value);
}

/** `2.69 MB`: decimal units, three digits. */
export function bytesText(bytes: number): string {
  if (Math.abs(bytes) < 1000) return `${countText(bytes)} B`;
  const power = Math.min(byteUnits.length - 1, Math.floor(Math.log10(Math.abs(bytes)) / 3));
  // 999,999 bytes are 1 MB in three digits, not 1,000 kB
  const rounded = Number((bytes / 1000 ** power).toPrecision(3));
  const carries = Math.abs(rounded) >= 1000 && power < byteUnits.length - 1;
  const unit = byteUnits[carries ? power + 1 : power] ?? 'byte';
  return withUnit(carries ? rounded / 1000 : rounded, unit, { maximumSignificantDigits: 3 });
}

/** `0.42 ms`, `120 ms`, `12.3 s`, `3 min 12 s`, `2 h 5 min`. */
export function durationText(seconds: number): string {
  if (seconds < 0.9995) return withUnit(seconds * 1000, 'millisecond', { maximumSignificantDigits: 3 });
  if (seconds < 59.95) return `${new Intl.NumberFormat('en', { maximumSignificantDigits: 3 }).format(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${countText(Math.floor(whole / 3600))} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** `1,234,567`, and `0.913` for fractions: three digits after the point at most. */
export function countText(value: number | bigint): string {
  return new Intl.NumberFormat('en').format(value);
}

/** `91.3 %` of a fraction. */
export function percentText(fraction: number): string {
  return `${new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(fraction * 100)} %`;
}
