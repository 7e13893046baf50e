/** An agreement holds together or is refused; its digest covers all that parties must agree on. */
import { describe, expect, test } from 'vitest';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { agreementDigest, memberOf, parseAgreement } from '../../../shared/agreement.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { withFolder } from '../../parties/program.ts';
import { agreeOnSmallJob, writeSmallJob } from '../../parties/small-job.ts';

const { sha256 } = nodeCrypto;
const member = (digit: string, role: 'compute' | 'dealer') => ({
  fingerprint: digit.repeat(64),
  role,
  addresses: ['127.0.0.1:7443'],
});
const members = { a: member('1', 'compute'), b: member('2', 'compute'), d: member('3', 'dealer') };
const agreement = (): Promise<Agreement> =>
  withFolder(async (folder) => agreeOnSmallJob(await writeSmallJob(folder), members));

test('it survives being written and read, and its digest with it', async () => {
  const made = await agreement();
  const read = parseAgreement(JSON.parse(JSON.stringify(made)), 'agreement.json', sha256);
  expect(agreementDigest(read, sha256)).toBe(agreementDigest(made, sha256));
  expect(memberOf(read, '2'.repeat(64))).toMatchObject({ name: 'b', role: 'compute' });
  expect(() => memberOf(read, '9'.repeat(64))).toThrow(/not a party/);
});

test('the digest changes with everything but addresses', async () => {
  const made = await agreement();
  const digest = agreementDigest(made, sha256);
  const moved = { ...made, members: { ...members, a: { ...members.a, addresses: ['127.0.0.1:9999'] } } };
  expect(agreementDigest(moved, sha256)).toBe(digest);
  const changes: Partial<Agreement>[] = [
    { session: 'another' },
    { job: { ...made.job, name: 'another' } },
    { members: { ...members, a: member('4', 'compute') } },
    { schemas: { ...made.schemas, a: { data: { ...made.schemas['a']!.data, rows: 41 } } } },
  ];
  for (const change of changes) expect(agreementDigest({ ...made, ...change }, sha256)).not.toBe(digest);
});

describe('refused', () => {
  const cases: [what: string, change: (made: Agreement) => object, code: string][] = [
    ['not an agreement', () => ({ hello: 1 }), 'agreement-invalid'],
    ['a lacking member', (made) => ({ ...made, members: { a: members.a, b: members.b } }), 'agreement-inconsistent'],
    [
      'a stray member',
      (made) => ({ ...made, members: { ...members, e: member('5', 'compute') } }),
      'agreement-inconsistent',
    ],
    [
      'a dealer that computes',
      (made) => ({ ...made, members: { ...members, d: member('3', 'compute') } }),
      'agreement-inconsistent',
    ],
    [
      'one key twice',
      (made) => ({ ...made, members: { ...members, b: member('1', 'compute') } }),
      'agreement-inconsistent',
    ],
    ['a lacking schema', (made) => ({ ...made, schemas: {} }), 'agreement-inconsistent'],
    [
      'another schema',
      (made) => ({ ...made, schemas: { ...made.schemas, a: made.schemas['b'] } }),
      'agreement-inconsistent',
    ],
    [
      'a path',
      (made) => ({ ...made, job: { ...made.job, parties: { ...made.job.parties, a: { data: 'a.csv' } } } }),
      'job-names-a-path',
    ],
  ];
  test.each(cases)('%s', async (_, change, code) => {
    const made = change(await agreement());
    expect(() => parseAgreement(JSON.parse(JSON.stringify(made)), 'agreement.json', sha256)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});
