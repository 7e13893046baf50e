/**
 * The known names nearest to a mistyped one, for "did you mean". Knows nothing of what the names stand for.
 */

/** Names longer than this are compared by their beginning only, so that hostile input costs nothing. */
const LONGEST_COMPARED = 64;

/** Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`: restricted Damerau-Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}

/** At most `limit` of `known` that a person may have meant by `name`, the nearest first; case and `-_ ` count little. */
export function nearestNames(name: string, known: Iterable<string>, limit = 3): string[] {
  const plain = (text: string) =>
    text
      .slice(0, LONGEST_COMPARED)
      .toLowerCase()
      .replaceAll(/[-_\s]/g, '');
  const wanted = plain(name);
  const scored: { candidate: string; distance: number }[] = [];
  for (const candidate of known) {
    const form = plain(candidate);
    const related = wanted.length > 2 && form.length > 2 && (form.includes(wanted) || wanted.includes(form));
    const distance = editDistance(wanted, form);
    if (related || distance <= Math.max(1, Math.floor(Math.max(wanted.length, form.length) / 3))) {
      scored.push({ candidate, distance });
    }
  }
  scored.sort((a, b) => a.distance - b.distance);
  return scored.slice(0, limit).map((entry) => entry.candidate);
}

/** `, did you mean "x" or "y"?` or the empty string. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const near = nearestNames(name, known).map((candidate) => JSON.stringify(candidate));
  return near.length === 0 ? '' : `, did you mean ${near.join(' or ')}?`;
}
