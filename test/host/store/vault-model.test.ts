/**
 * The vault against a model of it in a few plain maps, over random histories with crashes: same answers, same stock, and
 * never two frames under one mask.
 */
import { fc } from '../../helpers/properties.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../../main/host/store/store.ts';
import type { Store } from '../../../main/host/store/store.ts';
import { codeOf, digestOf } from './temporary.ts';

const QUOTA_BYTES = 600;
const RECORD_BYTES = 100;

type Step =
  | { readonly do: 'append' | 'take'; readonly execution: number; readonly number: number }
  | { readonly do: 'lease'; readonly skip: number; readonly count: number }
  | { readonly do: 'record'; readonly execution: number; readonly slot: string; readonly value: string }
  | { readonly do: 'finish'; readonly execution: number }
  | { readonly do: 'crash' | 'rollback' };

/** Executions are named relative to the first unfinished one, so that most steps mean something. */
const execution = fc.integer({ min: -1, max: 4 });
const number = fc.integer({ min: 0, max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('append', 'take'), execution, number }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('lease'), skip: fc.integer({ min: -1, max: 2 }), count: number }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('record'),
      execution,
      slot: fc.constantFrom('round 0', 'round 1'),
      value: fc.constantFrom('a', 'b'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('finish'), execution: fc.constantFrom(0, 0, 0, 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('crash', 'rollback') }) },
);

interface LeaseModel {
  readonly end: number;
  unfinished: number;
}

/** What the vault should do, for one cursor of one job; an attempt starts anew with a rollback. */
class Model {
  attempt = 1;
  next = 0;
  leases: LeaseModel[] = [];
  stored = new Set<string>();
  taken = new Map<number, number>();
  frames = new Map<string, string>();
  counts = { made: 0, used: 0, burnt: 0 };

  get unfinished(): number {
    return this.leases[0]?.unfinished ?? this.next;
  }

  lease(at: number): LeaseModel | undefined {
    return this.leases.find((lease) => lease.unfinished <= at && at < lease.end);
  }

  refusal(at: number): string | undefined {
    if (this.lease(at) !== undefined) return undefined;
    return at < this.next ? 'mask-burnt' : 'execution-not-leased';
  }

  append(at: number, number: number): string {
    if (this.lease(at) === undefined && at < this.next) return 'burnt';
    const key = `${at}/${number}`;
    if (number <= (this.taken.get(at) ?? -1) || this.stored.has(key)) return 'duplicate';
    if (this.lease(at) === undefined && (this.stored.size + 1) * RECORD_BYTES > QUOTA_BYTES) return 'vault-full';
    this.stored.add(key);
    this.counts.made += 1;
    return 'stored';
  }

  take(at: number, number: number): string {
    const refusal = this.refusal(at);
    if (refusal !== undefined) return refusal;
    if (number <= (this.taken.get(at) ?? -1)) return 'material-taken';
    if (!this.stored.delete(`${at}/${number}`)) return 'nothing';
    this.taken.set(at, number);
    this.counts.used += 1;
    return 'taken';
  }

  startLease(from: number, count: number): string {
    if (from < 0 || count < 1) return 'lease-range';
    if (from < this.next) return 'mask-burnt';
    this.burn(this.next, from);
    this.leases.push({ unfinished: from, end: from + count });
    this.next = from + count;
    return 'leased';
  }

  record(at: number, slot: string, value: string): string {
    const refusal = this.refusal(at);
    if (refusal !== undefined) return refusal;
    const mask = `${this.attempt}/${at}/${slot}`;
    const known = this.frames.get(mask);
    if (known !== undefined) return known === value ? 'resend' : 'mask-reused';
    this.frames.set(mask, value);
    return 'first';
  }

  finish(at: number): string {
    const refusal = this.refusal(at);
    if (refusal !== undefined) return refusal;
    const lease = this.lease(at) as LeaseModel;
    if (lease.unfinished !== at) return 'finish-out-of-order';
    lease.unfinished += 1;
    this.leases = this.leases.filter((other) => other.unfinished < other.end);
    this.burn(at, at + 1);
    return 'finished';
  }

  crash(): void {
    for (const lease of this.leases) this.burn(lease.unfinished, lease.end);
    this.leases = [];
    this.taken.clear();
  }

  rollback(): void {
    this.burn(0, Infinity);
    this.attempt += 1;
    this.next = 0;
    this.leases = [];
    this.taken.clear();
  }

  burn(first: number, end: number): void {
    for (const key of this.stored) {
      const at = Number(key.split('/')[0]);
      if (first <= at && at < end) {
        this.stored.delete(key);
        this.counts.burnt += 1;
      }
    }
  }
}

/** The result of `work`, or the code of its error. */
function outcome(work: () => string): string {
  let result = '';
  const code = codeOf(() => (result = work()));
  return code === 'none' ? result : code;
}

function replay(steps: readonly Step[], folder: string): void {
  const open = (): Store => openStore(folder, { vaultQuotaBytes: QUOTA_BYTES });
  let store = open();
  const model = new Model();
  const left = new Map<string, string>();
  const cursor = () => store.vault.cursor({ job: 'j1', attempt: model.attempt, planDigest: 'p' });
  try {
    for (const now of steps) {
      const at = model.unfinished + ('execution' in now ? now.execution : 0);
      const sealed = (key: number): Buffer => Buffer.alloc(RECORD_BYTES, `${at}/${key}`);
      switch (now.do) {
        case 'append': {
          const entry = { execution: at, number: now.number, label: 'any', sealed: sealed(now.number) };
          expect(outcome(() => cursor().append(entry))).toBe(model.append(at, now.number));
          break;
        }
        case 'take': {
          const take = (): string => {
            const bytes = cursor().take(at, now.number);
            if (bytes === undefined) return 'nothing';
            return Buffer.compare(bytes, sealed(now.number)) === 0 ? 'taken' : 'changed';
          };
          expect(outcome(take)).toBe(model.take(at, now.number));
          break;
        }
        case 'lease': {
          const from = model.next + now.skip;
          const lease = (): string => {
            cursor().lease(from, now.count);
            return 'leased';
          };
          expect(outcome(lease)).toBe(model.startLease(from, now.count));
          break;
        }
        case 'record': {
          const answer = outcome(() => cursor().record(at, now.slot, digestOf(now.value)));
          expect(answer).toBe(model.record(at, now.slot, now.value));
          if (answer === 'first' || answer === 'resend') {
            const mask = `${model.attempt}/${at}/${now.slot}`;
            expect(left.get(mask) ?? now.value).toBe(now.value);
            left.set(mask, now.value);
          }
          break;
        }
        case 'finish': {
          const finish = (): string => {
            cursor().finish(at);
            return 'finished';
          };
          expect(outcome(finish)).toBe(model.finish(at));
          break;
        }
        case 'crash': {
          store.close();
          store = open();
          store.vault.recover('j1');
          model.crash();
          break;
        }
        case 'rollback': {
          store.vault.retireAttempt('j1', model.attempt);
          model.rollback();
          break;
        }
      }
      const { made, used, burnt, bytesLeft } = store.vault.stock('j1');
      expect({ made, used, burnt }).toEqual(model.counts);
      expect(bytesLeft).toBe(model.stored.size * RECORD_BYTES);
      expect(cursor().next).toBe(model.next);
    }
  } finally {
    store.close();
  }
}

test('random histories agree with the model', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const folder = mkdtempSync(join(tmpdir(), 'tacit-model-'));
      try {
        replay(steps, join(folder, 'data'));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 40 },
  );
});
