/** What the preview of a join says. */
import { expect, test } from 'vitest';
import { joinDisclosures } from '../../../engine/join/disclosures.ts';
import { termsOf } from './joins.ts';

const two = [['a'], ['b']];
const three = [['a'], ['b'], ['c']];
const words = (...args: Parameters<typeof termsOf>): Record<string, string> =>
  Object.fromEntries(
    joinDisclosures(termsOf(...args)).map(({ participant, learns }) => [participant, learns.join('; ')]),
  );

test('two parties alone: rows above the floor, the count in any case', () => {
  const { anna, bela, ...rest } = words(two, { floor: 20 });
  expect(anna).toContain('which of its own rows bela has too, if there are at least 20');
  expect(bela).toContain('even if they are fewer');
  expect(rest).toEqual({});
});

test('a matcher without rows learns regions, and how far collusion goes', () => {
  const { anna, dealer } = words(three);
  expect(anna).toContain('which of its own rows bela and cleo have too');
  expect(dealer).toContain('how many identifiers each group of parties shares');
  expect(dealer).toContain('that the party itself brings');
  expect(words(three, { form: 'keyedHash' })['dealer']).toContain('a dictionary');
});

test('a matcher with rows learns more, and the preview says it', () => {
  const { anna, bela } = words(three, { matcher: 'bela' });
  expect(bela).toContain('for each of its own rows which other parties hold it');
  expect(anna).not.toContain('which other parties hold it');
});

test('hidden: no membership; its size only if agreed', () => {
  const { anna } = words(two, { purpose: 'hidden', matcher: 'dealer' });
  expect(anna).toContain('nothing about who else has a row: a table with a slot for every declared identifier');
  expect(anna).not.toContain('how many rows all parties have');
  expect(words(two, { purpose: 'hidden', matcher: 'dealer', revealsSize: true, floor: 9 })['anna']).toContain(
    'at least 9',
  );
});

test('repeats: a number', () => {
  expect(words(two, { purpose: 'repeats' })['anna']).toContain('and not which');
});
