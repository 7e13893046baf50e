/** What the host has recorded: stock of correlated randomness, audit log. */
import type { ActivityEntry } from '../../../shared/api/record-calls.ts';
import type { AuditEntry } from '../store/audit.ts';
import type { ApiContext, Service } from './context.ts';

export function recordService(context: ApiContext): Service<'vault.stock' | 'activity.list' | 'activity.verify'> {
  return {
    handlers: {
      'vault.stock': () => {
        const { store } = context.host();
        return store.jobs
          .list()
          .map(({ id, name }) => {
            const { byLabel, ...stock } = store.vault.stock(id);
            return { job: id, name, ...stock, byLabel: [...byLabel] };
          })
          .filter(({ made, used }) => made + used > 0);
      },
      'activity.list': ({ before, limit }) => {
        const { audit } = context.host().store;
        const head = audit.head();
        const last = Math.min(before ?? Infinity, head.sequence + 1) - 1;
        const first = Math.max(0, last - limit);
        return {
          entries: audit
            .entries(first, last - first)
            .reverse()
            .map(activityEntry),
          head,
        };
      },
      'activity.verify': () => {
        const verdict = context.host().store.audit.verify();
        return verdict.intact ? { intact: true } : { intact: false, brokenAt: verdict.brokenAt };
      },
    },
  };
}

function activityEntry({ sequence, atMs, kind, body }: AuditEntry): ActivityEntry {
  const facts = typeof body === 'object' && body !== null ? Object.entries(body) : [['value', body] as const];
  return { sequence, atMs, kind, facts: facts.map(([name, value]): [string, string] => [name, factText(value)]) };
}

const factText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
