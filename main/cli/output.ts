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

export { bytesText, countText, durationText, figureText, percentText } from '../../shared/units.ts';
