/**
 * What runs over a data set have spent of its privacy, noted in the audit log, which outlives the process. By basic composition
 * epsilons and deltas of runs add up (Dwork, Roth 2014, theorem 3.16). Knows nothing of how a run computes.
 */
import { z } from 'zod';
import type { PrivacyClaim, PrivacySpent } from '../../../shared/privacy-account.ts';
import type { AuditStore } from '../store/audit.ts';

const KIND = 'privacy-spent';
const PAGE = 1000;

const things = ['training row', 'label'] as const;
const boundSchema = z.object({ epsilon: z.number(), delta: z.number() });
const bodySchema = z.object({
  session: z.string(),
  dataset: z.string(),
  'training row': boundSchema.optional(),
  label: boundSchema.optional(),
});
type Spending = z.infer<typeof bodySchema>;

export interface PrivacySpending {
  readonly session: string;
  /** A name of the data that stays the same from job to job. */
  readonly dataset: string;
  /** Of this party's own data; of the same thing first what holds against more. */
  readonly claims: readonly PrivacyClaim[];
}

/**
 * Notes what a run spends, once, before anything is revealed: repeated attempts have the same noise. What is noted stays spent
 * where the run fails.
 * @returns what all runs over the data set have spent, this one included.
 */
export function spendPrivacy(audit: AuditStore, { session, dataset, claims }: PrivacySpending): PrivacySpent[] {
  if (claims.length === 0) return [];
  const earlier = spentOn(audit, dataset);
  const spending: Spending = { session, dataset };
  for (const { of, epsilon, delta } of claims) spending[of] ??= { epsilon, delta };
  const isNoted = earlier.some((one) => one.session === session);
  if (!isNoted) audit.append(KIND, spending);
  const all = isNoted ? earlier : [...earlier, spending];
  return things.flatMap((of): PrivacySpent[] => {
    const bounds = all.flatMap((one) => one[of] ?? []);
    const sum = (part: 'epsilon' | 'delta'): number => bounds.reduce((total, bound) => total + bound[part], 0);
    return bounds.length === 0 ? [] : [{ of, runs: bounds.length, epsilon: sum('epsilon'), delta: sum('delta') }];
  });
}

function spentOn(audit: AuditStore, dataset: string): Spending[] {
  const found: Spending[] = [];
  for (let after = 0; ;) {
    const entries = audit.entries(after, PAGE);
    for (const { kind, body } of entries) {
      const parsed = kind === KIND ? bodySchema.safeParse(body).data : undefined;
      if (parsed?.dataset === dataset) found.push(parsed);
    }
    if (entries.length < PAGE) return found;
    after = entries.at(-1)!.sequence;
  }
}
