/** A job whose material is dealt ahead, with parties as processes: stored in their vaults, used once, nothing left over. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../main/host/store/store.ts';
import { tacit, withFolder } from './program.ts';
import { writeSmallJob } from './small-job.ts';

interface Figures {
  readonly metrics: { readonly accuracy: number; readonly baseline: { readonly accuracy: number } };
  readonly parties: readonly { readonly bytesSent: number; readonly predictedBytes: number }[];
  readonly seconds: { readonly offline: number };
}

test('every record is in the vault before training begins, and is used', async () => {
  await withFolder(async (folder) => {
    const file = await writeSmallJob(folder, { material: 'ahead' });
    const { code, json } = await tacit('run', file, '--local', join(folder, 'parties'), '--json');
    expect(code).toBe(0);
    const { metrics, parties, seconds } = json as Figures;
    expect(Math.abs(metrics.accuracy - metrics.baseline.accuracy)).toBeLessThanOrEqual(0.1 + 1e-9);
    for (const party of parties) expect(party.bytesSent).toBe(party.predictedBytes);
    expect(seconds.offline).toBeGreaterThan(0);
    for (const party of ['a', 'b']) {
      const store = openStore(join(folder, 'parties', party));
      try {
        const [job] = store.jobs.list();
        const { made, used, left, burnt } = store.vault.stock(job?.id ?? '');
        expect(made).toBeGreaterThan(0);
        expect([used, left, burnt]).toEqual([made, 0, 0]);
      } finally {
        store.close();
      }
    }
  });
});
