/** Numbers with their units, for people: in a terminal, a report or the interface. Knows nothing of where they are shown. */

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

/** `0.001234`, `1,234,600`: five significant digits. */
export function figureText(value: number): string {
  return new Intl.NumberFormat('en', { maximumSignificantDigits: 5 }).format(value);
}

/** `91.3 %` of a fraction. */
export function percentText(fraction: number): string {
  return `${new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(fraction * 100)} %`;
}
