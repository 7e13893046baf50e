/**
 * Three organisations and a dealer, each a process with a window of its own: from the founding of a project to the results of
 * the run that all agreed on, with a refusal, an edit and a host that is killed in the middle.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requires } from '../helpers/requires.ts';
import { SlowLines } from '../helpers/slow-line.ts';
import { Client } from '../host/api/clients.ts';
import { startTacitWith } from '../parties/program.ts';
import type { Running } from '../parties/program.ts';
import { buildInterface, faultsOfView, keepScreenshots, launch, openPage } from './browser.ts';

const ROWS = 240;
const rows = Array.from({ length: ROWS }, (_, row) => row);
const table = (columns: Readonly<Record<string, (row: number) => number | string>>): string =>
  `${Object.keys(columns).join(',')}\n${rows
    .map((row) =>
      Object.values(columns)
        .map((cell) => cell(row))
        .join(','),
    )
    .join('\n')}\n`;

/** An organisation's program, and its windows. */
class Organisation {
  readonly name: string;
  readonly folder = mkdtempSync(join(tmpdir(), 'tacit-organisation-'));
  #program: Running | undefined;
  #url = '';
  page!: Page;
  complaints: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  async start(lines: SlowLines): Promise<void> {
    const argv = ['--folder', join(this.folder, 'data'), '--name', this.name, '--listen', '127.0.0.1:0', '--json'];
    this.#program = startTacitWith(lines.environment, 'party', ...argv);
    const [, url = ''] = await this.#program.said(/Interface, [^:]*: (http\S+)\s/);
    await this.#program.said(/listens at/);
    this.#url = url;
  }

  async open(browser: Browser): Promise<void> {
    ({ page: this.page, complaints: this.complaints } = await openPage(browser, this.#url));
    await this.page.getByRole('heading', { name: 'Overview' }).waitFor();
  }

  async client(): Promise<Client> {
    const { port, hash } = new URL(this.#url);
    return new Client({ port: Number(port), token: hash.replace('#token=', '') }).ready();
  }

  async kill(): Promise<void> {
    this.#program?.signal('SIGKILL');
    await this.#program?.ended;
  }

  async end(): Promise<void> {
    this.#program?.signal('SIGTERM');
    await this.#program?.ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Pairing has a test of its own (interface.test.ts). */
async function pair(one: Client, other: Client): Promise<void> {
  const asking = [one, other].map((client) =>
    client.event('invitations.changed', (list) => list.some(({ state }) => state === 'asking')),
  );
  const made = await one.call('invitations.create', { addresses: [], validForMinutes: 5 });
  const linked = [one, other].map((client) =>
    client.event('invitations.changed', (list) =>
      list.some(({ id, state }) => (id === made.id || state === 'paired') && state === 'paired'),
    ),
  );
  const opened = await other.call('invitations.open', { text: made.link ?? '' });
  await Promise.all(asking);
  await one.call('invitations.answer', { id: made.id, accept: true });
  await other.call('invitations.answer', { id: opened.id, accept: true });
  await Promise.all(linked);
}

requires('chromium')('a project in a browser, between processes', () => {
  const north = new Organisation('Clinic North');
  const south = new Organisation('Clinic South');
  const lab = new Organisation('City Lab');
  const registry = new Organisation('Registry');
  const all = [north, south, lab, registry];
  /** Of 190 executions: the first figures are revealed by then, and the run has not ended when the lab's host is killed. */
  const lines = new SlowLines(lab.folder, { [lab.name]: 80 });
  let browser: Browser;

  beforeAll(async () => {
    await Promise.all([buildInterface(), ...all.map((one) => one.start(lines))]);
    browser = await launch();
    const clients = await Promise.all(all.map((one) => one.client()));
    for (const [index, one] of clients.entries()) {
      for (const other of clients.slice(index + 1)) await pair(one, other);
    }
    const files = [
      [
        south,
        'south.csv',
        table({ id: (row) => row, dose: (row) => row % 5, outcome: (row) => ((row * 7) % 11 > 5 ? 'yes' : 'no') }),
      ],
      [lab, 'lab.csv', table({ ward: (row) => 'abc'[row % 3]!, marker: (row) => (row % 9) / 4 })],
    ] as const;
    for (const [{ folder }, name, content] of files) writeFileSync(join(folder, name), content);
    for (const [index, one] of all.entries()) {
      const file = files.find(([owner]) => owner === one);
      if (file !== undefined) {
        const { id } = await clients[index]!.call('datasets.add', { paths: [join(one.folder, file[1])] });
        await clients[index]!.call('datasets.confirm', { id, uses: {} });
      }
      await clients[index]!.call('settings.set', { threads: 1, kernels: 'wasm' });
      clients[index]!.close();
    }
    for (const one of all) await one.open(browser);
  });
  afterAll(async () => {
    await browser?.close();
    await Promise.all(all.map((one) => one.end()));
  });

  /** Nothing serious from axe, no part outside of a small window, nothing in the console, and a picture. */
  async function settle({ page, complaints }: Organisation, name: string): Promise<void> {
    expect(await faultsOfView(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await keepScreenshots(page, name);
  }
  const section = ({ page }: Organisation, name: string) =>
    page.getByRole('navigation').getByRole('link', { name }).click();
  const project = async (one: Organisation): Promise<void> => {
    await section(one, 'Projects');
    await one.page.getByRole('link', { name: 'Outcome study' }).click();
    await one.page.getByRole('heading', { name: 'Members' }).waitFor();
  };
  const job = async (one: Organisation): Promise<void> => {
    await project(one);
    await one.page.getByRole('link', { name: 'recovery' }).click();
    await one.page.getByRole('heading', { name: 'Votes' }).waitFor();
  };

  test('a project is founded, and the others are asked in', async () => {
    const { page } = north;
    await section(north, 'Projects');
    await settle(north, 'projects-empty');
    await page.getByRole('button', { name: 'New project' }).first().click();
    await page.getByLabel('Name of the project').fill('Outcome study');
    await page.getByLabel('What it is for').fill('Which patients recover, and what helps them?');
    await page.getByLabel('Deals: Registry').check();
    await page.getByLabel('Receives results: City Lab').uncheck();
    await settle(north, 'project-founding');
    await page.getByRole('button', { name: 'Found project' }).click();
    await page.getByRole('heading', { name: 'Outcome study' }).waitFor();
    await page.getByText('waiting for clinic-south to answer').waitFor();

    await project(south);
    await south.page.getByText('clinic-north asks you into Outcome study').waitFor();
    await settle(south, 'project-asked');
    // By keyboard alone.
    await south.page.getByLabel('Reason').focus();
    await south.page.keyboard.press('Tab');
    await south.page.keyboard.press('Enter');
    for (const one of [lab, registry]) {
      await project(one);
      await one.page.getByRole('button', { name: 'Join', exact: true }).click();
    }
    await expect.poll(() => page.locator('main .state', { hasText: 'joined' }).count()).toBe(4);
    await page.getByText('All pairs work: 6 of 6.').waitFor();
  });

  test('columns are granted once it was shown what the others will see', async () => {
    await section(north, 'Data sets');
    const buffer = Buffer.from(
      table({ id: (row) => row, age: (row) => 20 + ((row * 7) % 50), salary: (row) => row * 3 }),
    );
    await north.page.getByLabel('Add a file').setInputFiles({ name: 'north.csv', mimeType: 'text/csv', buffer });
    await north.page.getByRole('heading', { name: 'north.csv' }).waitFor();
    await north.page.getByLabel('Use in jobs: salary').selectOption('Never');
    await north.page.getByRole('button', { name: 'Confirm columns' }).click();
    await north.page.getByText(/^.*Confirmed \d/).waitFor();
    for (const one of [north, south, lab]) {
      await project(one);
      await one.page.getByRole('button', { name: 'Grant a data set' }).click();
      const dialog = one.page.getByRole('dialog');
      await dialog.getByText('240 rows').waitFor();
      if (one !== lab) await dialog.getByLabel('Granted as: id').selectOption('not granted');
      if (one === south) await dialog.getByText('one of no, yes').waitFor();
      await expect.poll(() => dialog.getByRole('listitem').filter({ hasText: 'id' }).count()).toBe(0);
      if (one === south) await settle(south, 'grant');
      await dialog.getByRole('button', { name: 'Grant this' }).click();
      await dialog.waitFor({ state: 'detached' });
    }
    const grants = north.page.getByRole('region', { name: 'Grants' });
    await grants.getByText('marker').waitFor();
    await grants.getByText('outcome').waitFor();
    expect(await grants.textContent()).not.toContain('salary');
    await settle(north, 'project');
  });

  test('a job is written from what was granted, and proposed', async () => {
    const { page } = north;
    await page.getByRole('link', { name: 'Propose a job' }).click();
    await page.getByText('The text is a job.').waitFor();
    const editor = page.getByRole('textbox', { name: 'Job text' });
    expect(await editor.inputValue()).toContain('data: "south.csv"');
    await page.getByLabel('Label column').fill('dose');
    await page.getByLabel('Label column').blur();
    await page.getByText('has granted the column "dose" of south.csv as feature, not as label').waitFor();
    await page.getByLabel('Label column').fill('outcome');
    await page.getByLabel('Epochs').fill('2');
    await page.getByLabel('Batch').fill('32');
    await page.getByLabel('Name', { exact: true }).fill('recovery');
    await page.getByLabel('Name', { exact: true }).blur();
    await page.getByText('The text is a job.').waitFor();
    await settle(north, 'project-job-writing');
    await page.getByRole('button', { name: 'Propose to the members' }).click();
    await page.getByRole('heading', { name: 'Votes', exact: true }).waitFor();
    await page.getByText('waiting for the vote of registry').first().waitFor();
    await settle(north, 'project-job');
  });

  test('one refuses and says why; an edit makes the votes void', async () => {
    await job(lab);
    await lab.page.getByRole('button', { name: 'Vote yes' }).click();
    await section(south, 'Overview');
    await south.page.getByRole('link', { name: 'your vote on recovery' }).click();
    await south.page.getByRole('button', { name: 'Work out the cost' }).click();
    await south.page.getByText('Sent by a party').waitFor();
    await south.page.getByLabel('Reason').fill('Two epochs are too few.');
    await south.page.getByRole('button', { name: 'Vote no' }).click();
    await north.page.getByText('Two epochs are too few.').waitFor();
    await north.page.locator('dd .state', { hasText: 'refused' }).waitFor();
    await settle(north, 'project-job-refused');
    await north.page.getByRole('link', { name: 'Edit' }).click();
    await north.page.getByText('all votes on it are void').waitFor();
    await north.page.getByLabel('Epochs').fill('30');
    await north.page.getByLabel('Epochs').blur();
    const editor = north.page.getByRole('textbox', { name: 'Job text' });
    await editor.fill((await editor.inputValue()).replace('seed: 7', 'seed: 7\n  metricsEvery: 5'));
    await north.page.getByRole('button', { name: 'Propose the edit' }).click();
    await north.page.getByText(/^Votes on earlier versions/).click();
    await north.page
      .getByText(/on version 1, void/)
      .first()
      .waitFor();
    await settle(north, 'project-job-edited');
  });

  test('when all approve it runs; a host that is killed comes back, and the run ends', async () => {
    const { page } = north;
    for (const one of [south, lab, registry]) {
      await job(one);
      await one.page.getByText('waiting for the vote of').first().waitFor();
      await one.page.getByRole('button', { name: 'Vote yes' }).click();
    }
    await page.getByRole('link', { name: 'Follow the run' }).click();
    await page.getByRole('heading', { name: 'Revealed so far' }).waitFor();
    await page
      .getByText(/^\d+ of 30$/)
      .first()
      .waitFor();
    await settle(north, 'session-run-live');
    await lines.slowed(lab.name);
    await lab.page.context().close();
    await lab.kill();
    lines.mend(lab.name);
    await page
      .getByText(/reconnecting to City Lab|City Lab does not answer|waiting for city-lab/)
      .first()
      .waitFor();
    await settle(north, 'session-run-waiting');
    await project(north);
    await page.getByText('3 of 6 pairs work.').waitFor();
    await page.getByText('clinic-south fails at: reaching the address').waitFor();
    await page.getByRole('heading', { name: 'Who reaches whom' }).scrollIntoViewIfNeeded();
    await settle(north, 'project-reach');
    await job(north);
    await page.getByRole('link', { name: 'Follow the run' }).click();
    await lab.start(lines);
    await page.locator('dd .state', { hasText: 'finished' }).waitFor();
    await page.getByText('model.onnx').waitFor();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download: clinic-north, model.onnx' }).click();
    expect((await download).suggestedFilename()).toBe('clinic-north-model.onnx');
    await settle(north, 'session-run');
    await page.getByRole('link', { name: 'Where the time went' }).click();
    await page.getByRole('heading', { name: 'Where did the time go?' }).waitFor();
    await job(north);
    await page.getByText('received model, metrics').first().waitFor();
    await settle(north, 'project-job-done');
  }, 400_000);

  test('all members hold the same decisions', async () => {
    await project(north);
    await expect
      .poll(async () => {
        await north.page.getByRole('button', { name: 'Compare with the members' }).click();
        await north.page.getByText('holds').first().waitFor();
        return north.page.getByText('holds the same').count();
      })
      .toBe(3);
    await north.page.getByRole('heading', { name: 'Journals' }).scrollIntoViewIfNeeded();
    await settle(north, 'project-journals');
    await section(north, 'Projects');
    await settle(north, 'projects');
  });
});
