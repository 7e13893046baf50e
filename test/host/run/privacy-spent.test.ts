/** What runs spend of a data set's privacy: noted once a run, added up over runs, on a real audit log. */
import { expect, test } from 'vitest';
import { spendPrivacy } from '../../../main/host/run/privacy-spent.ts';
import type { PrivacyClaim } from '../../../shared/privacy-account.ts';
import { temporaryStore } from '../store/temporary.ts';

const claim = (of: PrivacyClaim['of'], epsilon: number, delta: number): PrivacyClaim => ({
  of,
  epsilon,
  delta,
  holds: '',
});

test('epsilons and deltas of runs over the same data add up; an attempt more spends nothing', () => {
  const { audit } = temporaryStore();
  const spend = (session: string, dataset: string, ...claims: PrivacyClaim[]) =>
    spendPrivacy(audit, { session, dataset, claims });
  expect(spend('s0', 'rows.csv')).toEqual([]);
  const first = [{ of: 'training row', runs: 1, epsilon: 1.5, delta: 1e-5 }];
  expect(spend('s1', 'rows.csv', claim('training row', 1.5, 1e-5))).toEqual(first);
  expect(spend('s1', 'rows.csv', claim('training row', 1.5, 1e-5))).toEqual(first);
  expect(audit.entries(0, 10).length).toBe(1);
  // Of a label the bound counts that holds against more, which comes first.
  expect(
    spend('s2', 'rows.csv', claim('label', 2, 0), claim('label', 0.5, 1e-6), claim('training row', 1, 2e-5)),
  ).toEqual([
    { of: 'training row', runs: 2, epsilon: 2.5, delta: 1e-5 + 2e-5 },
    { of: 'label', runs: 1, epsilon: 2, delta: 0 },
  ]);
  expect(spend('s3', 'other.csv', claim('label', 3, 0))).toEqual([{ of: 'label', runs: 1, epsilon: 3, delta: 0 }]);
  expect(audit.entries(0, 10).map(({ kind, body }) => [kind, body])).toEqual([
    ['privacy-spent', { session: 's1', dataset: 'rows.csv', 'training row': { epsilon: 1.5, delta: 1e-5 } }],
    [
      'privacy-spent',
      {
        session: 's2',
        dataset: 'rows.csv',
        'training row': { epsilon: 1, delta: 2e-5 },
        label: { epsilon: 2, delta: 0 },
      },
    ],
    ['privacy-spent', { session: 's3', dataset: 'other.csv', label: { epsilon: 3, delta: 0 } }],
  ]);
  expect(audit.verify().intact).toBe(true);
});
