import { createHash } from 'node:crypto';
import { fc } from '../helpers/properties.ts';
import { describe, expect, test } from 'vitest';
import { canonicalDigest, canonicalJson } from '../../shared/canonical.ts';
import { datasetSchema, scalePowerOf, sortCategories } from '../../shared/dataset.ts';
import { didYouMean, nearestNames } from '../../shared/nearest.ts';

describe('canonical JSON', () => {
  test('means the same as the value, whatever the order of keys', () => {
    const shuffled = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(shuffled)
        : value !== null && typeof value === 'object'
          ? Object.fromEntries(
              Object.entries(value)
                .reverse()
                .map(([key, field]) => [key, shuffled(field)]),
            )
          : value;
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        fc.pre(JSON.stringify(value).isWellFormed() && !JSON.stringify(value).includes('\\ud'));
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('sorts keys by code units, as RFC 8785 does, and leaves out what is undefined', () => {
    const value = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, '\u0080': 6, ö: 7, gone: undefined };
    expect(canonicalJson(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"\u{1f600}":5,"\ufb33":3}');
    expect(canonicalJson([1e21, 0.1, -0, 1e-7])).toBe('[1e+21,0.1,0,1e-7]');
  });

  test('does not exist for what JSON cannot say', () => {
    for (const value of [NaN, Infinity, () => 1, 1n, undefined, { a: [undefined] }, '\ud800']) {
      expect(() => canonicalJson(value)).toThrow(/at #/);
    }
  });

  test('has the SHA-256 of its UTF-8 bytes', () => {
    const sha256 = (data: Uint8Array) => new Uint8Array(createHash('sha256').update(data).digest());
    expect(canonicalDigest({ b: 'ö', a: 1 }, sha256)).toBe(
      createHash('sha256').update('{"a":1,"b":"ö"}').digest('hex'),
    );
  });
});

describe('names', () => {
  const known = ['epochs', 'batch', 'optimizer', 'mean_area', 'worst_area'];
  test('mistyped find their neighbours', () => {
    expect(nearestNames('epoch', known)).toEqual(['epochs']);
    expect(nearestNames('bacth', known)).toEqual(['batch']);
    expect(nearestNames('Mean Area', known)[0]).toBe('mean_area');
    expect(nearestNames('area', known)).toEqual(['mean_area', 'worst_area']);
    expect(nearestNames('zzz', known)).toEqual([]);
    expect(didYouMean('epoch', known)).toBe(', did you mean "epochs"?');
    expect(didYouMean('zzz', known)).toBe('');
  });
});

describe('public facts of columns', () => {
  test('categories have one order', () => {
    expect(sortCategories(['10', '9', '-1', '9', '2.5'])).toEqual(['-1', '2.5', '9', '10']);
    expect(sortCategories(['b', 'B', 'a', '10', '9'])).toEqual(['10', '9', 'B', 'a', 'b']);
  });

  test('a scale is the least power of two that holds the magnitude', () => {
    fc.assert(
      fc.property(fc.double({ min: 2 ** -40, max: 2 ** 40, noNaN: true }), (magnitude) => {
        const power = scalePowerOf(magnitude);
        expect(magnitude <= 2 ** power && magnitude > 2 ** (power - 1)).toBe(true);
      }),
    );
    expect([0, 1, 2, 2.0001, 0.5, 4254].map(scalePowerOf)).toEqual([0, 0, 1, 2, -1, 13]);
    expect(scalePowerOf(1e300)).toBe(48);
  });

  test('a schema from a peer is checked', () => {
    const good = { rows: 2, columns: [{ name: 'a', type: 'integer', scalePower: 3 }] };
    expect(datasetSchema.safeParse(good).success).toBe(true);
    for (const bad of [
      { ...good, rows: 0 },
      { ...good, columns: [] },
      { ...good, path: '/a.csv' },
      { rows: 1, columns: [{ name: 'a', type: 'list' }] },
    ]) {
      expect(datasetSchema.safeParse(bad).success).toBe(false);
    }
  });
});
