/** Two parties and a dealer as three people would start them: invitations, then one command each for the run. */
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openStore } from '../../main/host/store/store.ts';
import { freePort } from '../helpers/free-port.ts';
import { startTacit, tacit, withFolder } from './program.ts';
import { agreeOnSmallJob, writeSmallJob } from './small-job.ts';

test('organisations pair by invitation, run a job, and each finds its results', async () => {
  await withFolder(async (folder) => {
    const names = ['a', 'b', 'd'] as const;
    const addresses: Record<string, string> = {};
    for (const name of names) addresses[name] = `127.0.0.1:${await freePort()}`;
    const host = (name: string): string[] => [
      ...['--folder', join(folder, name), '--name', name],
      ...['--listen', addresses[name] ?? ''],
    ];
    for (const [inviter, invited] of [
      ['a', 'b'],
      ['d', 'a'],
      ['d', 'b'],
    ] as const) {
      const inviting = startTacit('invite', ...host(inviter), '--json');
      const [link] = await inviting.said(/tacit:\/\/join\/[\w-]+(?=\s)/);
      const joining = startTacit('join', ...host(invited), '--json', link);
      await Promise.all([inviting.said(/Type yes or no/), joining.said(/Type yes or no/)]);
      inviting.type('yes');
      joining.type('yes');
      expect((await joining.ended).json).toMatchObject({ paired: inviter });
      expect((await inviting.ended).json).toMatchObject({ paired: invited });
    }

    const keyOf = (name: string): string => {
      const store = openStore(join(folder, name));
      const fingerprint = store.identity.get()?.fingerprint ?? '';
      store.close();
      return fingerprint;
    };
    const file = await writeSmallJob(folder);
    const members = Object.fromEntries(
      names.map((name) => [
        name,
        { fingerprint: keyOf(name), role: name === 'd' ? 'dealer' : 'compute', addresses: [addresses[name] ?? ''] },
      ]),
    ) as Parameters<typeof agreeOnSmallJob>[1];
    const agreement = join(folder, 'agreement.json');
    await writeFile(agreement, JSON.stringify(await agreeOnSmallJob(file, members)));

    const data = (name: string): string[] => ['--data', join(folder, `${name}.csv`)];
    const [a, b, d] = await Promise.all([
      tacit('party', ...host('a'), '--run', agreement, ...data('a'), '--json'),
      tacit('party', ...host('b'), '--run', agreement, ...data('b'), '--json'),
      tacit('dealer', ...host('d'), '--run', agreement, '--json'),
    ]);
    expect([a.stderr, b.stderr, d.stderr].join('\n')).not.toMatch(/\berror\b/i);
    expect([a.code, b.code, d.code]).toEqual([0, 0, 0]);
    expect(a.json).toMatchObject({ attempt: 1, metrics: { accuracy: expect.any(Number) as number } });
    // Only a receives the model, both the metrics, the dealer nothing.
    expect(readdirSync(join(folder, 'a', 'results'))).toEqual(expect.arrayContaining(['model.onnx', 'metrics.json']));
    const atB = readdirSync(join(folder, 'b', 'results'));
    expect(atB).toContain('metrics.json');
    expect(atB).not.toContain('model.onnx');
    expect(readdirSync(join(folder, 'd'))).not.toContain('results');

    const again = await tacit('party', ...host('a'), '--run', agreement, ...data('a'), '--json');
    expect(again).toMatchObject({ code: 2, json: { error: { code: 'job-over' } } });
  });
});
