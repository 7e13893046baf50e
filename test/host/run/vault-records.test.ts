/** Material dealt ahead: stored as it comes, within the quota, opened when its execution takes it; on a real vault. */
import { expect, test } from 'vitest';
import { SecretKey } from '../../../engine/random/crypto-port.ts';
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import { PartyStreams } from '../../../engine/random/streams.ts';
import { memoryNetwork } from '../../../engine/runtime/memory-transport.ts';
import type { Transport } from '../../../engine/runtime/transport.ts';
import { recordContext } from '../../../main/host/run/vault-ports.ts';
import { VaultRecords } from '../../../main/host/run/vault-records.ts';
import type { Store } from '../../../main/host/store/store.ts';
import type { VaultCursor } from '../../../main/host/store/vault.ts';
import { temporaryStore } from '../store/temporary.ts';

const RECORD_BYTES = 1000;
const EXECUTIONS = 10;

interface Scene {
  readonly dealer: Transport;
  readonly records: VaultRecords;
  readonly cursor: VaultCursor;
  readonly store: Store;
  readonly stored: number[];
  deal(execution: number): Promise<void>;
}

function scene(vaultQuotaBytes: number): Scene {
  const store = temporaryStore(vaultQuotaBytes);
  const network = memoryNetwork(['a', 'dealer']);
  const [transport, dealer] = [network.get('a')!, network.get('dealer')!];
  const streams = (): PartyStreams => new PartyStreams(nodeCrypto, new SecretKey(new Uint8Array(32).fill(7)));
  const cursor = store.vault.cursor({ job: 'job', attempt: 1, planDigest: 'plan' });
  const stored: number[] = [];
  const records = new VaultRecords({
    transport,
    dealer: 'dealer',
    session: 'job',
    attempt: 1,
    party: 'a',
    streams: streams(),
    cursor,
    needs: Array.from({ length: EXECUTIONS }, (_, number) => ({ number, program: number === 0 ? 'setup' : 'step' })),
    onStored: (count) => stored.push(count),
  });
  const theirs = streams();
  const deal = (execution: number): Promise<void> =>
    dealer.send(
      'a',
      { attempt: 1, execution, round: -1 },
      theirs.seal(recordContext('job', 1, execution, 'a'), execution, new Uint8Array(RECORD_BYTES).fill(execution)),
    );
  return { dealer, records, cursor, store, stored, deal };
}

async function consume({ cursor, records }: Scene, execution: number): Promise<void> {
  cursor.lease(execution, 1);
  expect(await records.take(execution)).toEqual(new Uint8Array(RECORD_BYTES).fill(execution));
  cursor.finish(execution);
}

test('all material lies in the vault before the first execution, and each takes its own', async () => {
  const all = scene(1e6);
  for (let execution = 0; execution < EXECUTIONS; execution++) await all.deal(execution);
  await all.records.stocked;
  expect(all.stored).toEqual(Array.from({ length: EXECUTIONS }, (_, i) => i + 1));
  expect(all.store.vault.stock('job')).toMatchObject({ made: EXECUTIONS, used: 0, left: EXECUTIONS });
  for (let execution = 0; execution < EXECUTIONS; execution++) await consume(all, execution);
  const { byLabel, ...sums } = all.store.vault.stock('job');
  expect(sums).toMatchObject({ made: EXECUTIONS, used: EXECUTIONS, left: 0, burnt: 0 });
  expect(byLabel.map(({ label, used }) => [label, used])).toEqual([
    ['setup', 1],
    ['step', EXECUTIONS - 1],
  ]);
});

test('a vault that is smaller than the material is stocked when it is full, and filled again as it is used', async () => {
  const small = scene(3.5 * RECORD_BYTES);
  for (let execution = 0; execution < EXECUTIONS; execution++) await small.deal(execution);
  await small.records.stocked;
  expect(small.store.vault.stock('job').left).toBe(3);
  for (let execution = 0; execution < EXECUTIONS; execution++) await consume(small, execution);
  expect(small.store.vault.stock('job')).toMatchObject({ made: EXECUTIONS, used: EXECUTIONS });
});

test('a dealer that is lost ends the wait for the stock and for a record by name', async () => {
  const lost = scene(1e6);
  await lost.deal(0);
  lost.cursor.lease(0, 2);
  const waiting = lost.records.take(1);
  waiting.catch(() => {});
  await lost.dealer.close();
  await expect(lost.records.stocked).rejects.toMatchObject({ party: 'dealer' });
  await expect(waiting).rejects.toMatchObject({ party: 'dealer' });
});
