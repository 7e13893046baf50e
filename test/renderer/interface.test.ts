import { cpSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { serveNewHost } from '../host/api/clients.ts';
import type { ServedHost } from '../host/api/clients.ts';
import { serveApi } from '../../main/host/api/serve-api.ts';
import { runInsightsSchema } from '../../shared/timing.ts';
import { requires } from '../helpers/requires.ts';
import { SlowLines } from '../helpers/slow-line.ts';
import { buildInterface, keepScreenshots, launch, openPage, seriousFindings } from './browser.ts';

const CSV = `id,age,height,smokes,sick\n${Array.from(
  { length: 60 },
  (_, i) =>
    `${i},${20 + ((i * 7) % 50)},${(1.5 + ((i * 13) % 40) / 100).toFixed(2)},${i % 3 === 0 ? 'yes' : 'no'},${i % 2}`,
).join('\n')}\n`;

requires('chromium')('the interface in a browser, with real hosts', () => {
  let browser: Browser;
  let [clinic, lab]: (ServedHost | undefined)[] = [];
  let page: Page;
  let labPage: Page;
  let complaints: string[];
  let jobText = '';

  beforeAll(async () => {
    await buildInterface();
    browser = await launch();
    [clinic, lab] = [await serveNewHost(), await serveNewHost()];
    ({ page, complaints } = await openPage(browser, clinic.api.url));
    ({ page: labPage } = await openPage(browser, lab.api.url));
  });
  afterAll(async () => {
    await browser?.close();
    await clinic?.close();
    await lab?.close();
  });

  /** Every view: nothing serious from axe, nothing in the console, and its picture. */
  async function settle(name: string): Promise<void> {
    expect(await seriousFindings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await keepScreenshots(page, name);
  }

  const section = (name: string) => page.getByRole('navigation').getByRole('link', { name }).click();

  test('the token leaves the address, and a wrong one is refused in words', async () => {
    await page.getByRole('heading', { name: 'Train models together' }).waitFor();
    expect(page.url()).not.toContain('token');
    const { page: stranger } = await openPage(browser, `http://127.0.0.1:${clinic!.api.port}/#token=wrong`);
    await stranger.getByRole('heading', { name: 'This window may not talk to the host' }).waitFor();
    await stranger.context().close();
  });

  test('first run: a name makes the identity', async () => {
    await settle('welcome');
    await page.getByLabel('What is your organisation called?').fill('Clinic North');
    await page.getByRole('button', { name: 'Create identity' }).click();
    await page.getByRole('heading', { name: 'Your identity' }).waitFor();
    await labPage.getByLabel('What is your organisation called?').fill('City Lab');
    await labPage.keyboard.press('Enter');
    await labPage.getByRole('heading', { name: 'Your identity' }).waitFor();
    await settle('home');
  });

  test('an invitation is opened and confirmed on both sides', async () => {
    await section('Peers');
    await page.getByText('No peers yet').waitFor();
    await settle('peers-empty');
    await page.keyboard.press('Control+Alt+i');
    await page.getByRole('button', { name: 'Make invitation' }).click();
    const link = await page.getByLabel('Link', { exact: true }).inputValue();
    expect(link).toMatch(/^tacit:\/\/join\//);
    await settle('invite');

    await labPage.getByRole('link', { name: 'Peers' }).click();
    await labPage.getByRole('button', { name: 'Open an invitation' }).first().click();
    await labPage.getByLabel('Paste the link').fill(link.slice(0, -30));
    await labPage.getByText('The invitation is damaged').waitFor();
    await labPage.getByLabel('Paste the link').fill(link);
    await labPage.getByText('Nothing has happened yet').waitFor();
    expect(await labPage.getByRole('dialog').textContent()).toContain('Clinic North');
    await labPage.getByRole('button', { name: 'Connect to them' }).click();

    const words = async (on: Page): Promise<string[]> => {
      await on.getByRole('heading', { name: /^Pair with/ }).waitFor();
      return on.getByRole('dialog').getByRole('listitem').allTextContents();
    };
    const [own, theirs] = [await words(page), await words(labPage)];
    await settle('pairing');
    const pairing = own.filter((word) => theirs.includes(word));
    expect(pairing.length).toBeGreaterThan(3);
    await page.getByRole('button', { name: 'Words are equal, pair' }).click();
    await labPage.getByRole('button', { name: 'Words are equal, pair' }).click();
    await page.getByText('Round trip').waitFor();
    await page.locator('main .state', { hasText: 'connected' }).waitFor();
    await labPage.getByRole('heading', { name: 'Clinic North' }).waitFor();
    await settle('peers');
  });

  test('a data set is added, looked into and confirmed', async () => {
    await section('Data sets');
    await page
      .getByLabel('Add a file')
      .setInputFiles({ name: 'notes.csv', mimeType: 'text/csv', buffer: Buffer.alloc(100) });
    await page.getByRole('alert').waitFor();
    await page
      .getByLabel('Add a file')
      .setInputFiles({ name: 'patients.csv', mimeType: 'text/csv', buffer: Buffer.from(CSV) });
    await page.getByRole('heading', { name: 'patients.csv' }).waitFor();
    await page.getByLabel('Use in jobs: age').selectOption('Never');
    await page.getByLabel('Use in jobs: sick').selectOption('Label');
    await page.getByRole('button', { name: 'Confirm columns' }).click();
    await page.getByText(/^.*Confirmed \d/).waitFor();
    expect(await page.getByRole('region').count()).toBeGreaterThan(0);
    await settle('dataset');
    await section('Data sets');
    await page.getByRole('cell', { name: 'confirmed' }).waitFor();
    await settle('datasets');
  });

  test('a job is written as text and form, checked with lines, and its cost worked out', async () => {
    const other = join(clinic!.folder, 'lab.csv');
    writeFileSync(other, `marker\n${Array.from({ length: 60 }, (_, i) => (i % 11) / 10).join('\n')}\n`);
    await page.keyboard.press('Control+Alt+n');
    const editor = page.getByRole('textbox', { name: 'Job text' });
    await page.getByText('The text is a job.').waitFor();
    await page.getByLabel('Epochs').fill('many');
    await page.getByLabel('Epochs').blur();
    await page.getByRole('button', { name: /^line \d+$/ }).waitFor();
    await settle('job-issues');
    await page.getByLabel('Epochs').fill('20');
    await page.getByLabel('Join rows by').selectOption('a shared id');
    await page.getByLabel('Id column').fill('id');
    await page.getByLabel('Id column').blur();
    await expect.poll(() => editor.inputValue()).toMatch(/how: ids, on: id/);
    await page.getByLabel('Join rows by').selectOption('position (already aligned)');
    await page.getByLabel('Optimizer').selectOption('Adam');
    await expect.poll(() => editor.inputValue()).toMatch(/name: adam\s+lr: 0.001/);
    await page.getByLabel('Rate over time').selectOption('in steps');
    await page.getByLabel('Every, in epochs').fill('5');
    await page.getByLabel('Limit gradients').selectOption('each entry');
    await page.getByLabel('Limit', { exact: true }).fill('2');
    await page.getByLabel('Noise that nobody knows').selectOption('on sums of gradients, of a split model');
    await page.getByLabel('Noise over it').fill('3');
    await page.getByLabel('Noise over it').blur();
    await expect.poll(() => editor.inputValue()).toMatch(/privacy:\s+split:\s+norm: 1\s+noise: 3/);
    await page.getByLabel('Noise that nobody knows').selectOption('on the model, when it is revealed');
    await expect.poll(() => editor.inputValue()).toContain('model: { norm: 1, noise: 2 }');
    await page.getByLabel('Noise that nobody knows').selectOption('none');
    await expect.poll(() => editor.inputValue()).not.toContain('privacy');
    await page.getByLabel('Label at').selectOption('clinic-a');
    await page.getByLabel('Label column').fill('sick');
    await page.getByLabel('Data set or path: clinic-b').fill(other);
    await page.getByLabel('Name', { exact: true }).fill('sickness');
    await page.getByLabel('Name', { exact: true }).blur();
    await page.getByText('The text is a job.').waitFor();
    jobText = await editor.inputValue();
    expect(jobText).toContain('epochs: 20');
    expect(jobText).toMatch(/schedule:\s+name: step\s+epochs: 5\s+factor: 0.1\s+clip:\s+value: 2/);
    await page.getByRole('button', { name: 'Work out the cost' }).click();
    await page.getByText('Sent by a party').waitFor();
    await settle('job');
    await page.getByRole('heading', { name: 'Cost', exact: true }).scrollIntoViewIfNeeded();
    await keepScreenshots(page, 'job-cost');
    await section('Jobs');
    await page.getByRole('link', { name: 'sickness' }).waitFor();
    await settle('jobs');
  });

  test('the sample is run on this machine, and its dashboard shows where the time went', async () => {
    await section('Runs');
    await settle('runs-empty');
    // It has revealed something, and trains still, when it is looked at.
    const lines = new SlowLines(lab!.folder, { 'clinic-b': 6 });
    const outside = { ...process.env };
    Object.assign(process.env, lines.environment);
    onTestFinished(() => {
      process.env = outside;
    });
    await page.getByRole('button', { name: 'Try it on this machine' }).first().click();
    await page.getByRole('heading', { name: 'Parties' }).waitFor();
    await page.getByRole('rowheader', { name: 'clinic-a' }).waitFor();
    await page.getByText('training').first().waitFor();
    await settle('run-live');
    lines.mend('clinic-b');
    await page.getByText('finished', { exact: true }).first().waitFor();
    await page.getByRole('link', { name: 'Where the time went' }).waitFor();
    await page.getByText('model.onnx').first().waitFor();
    await settle('run');
    await page.getByRole('link', { name: 'Where the time went' }).click();
    await page.getByRole('heading', { name: 'Where did the time go?' }).waitFor();
    await page.getByRole('heading', { name: 'Timeline' }).waitFor();
    await settle('insights');
    await page.getByRole('button', { name: /^Compute/ }).click();
    const shares = await page.locator('td.share').allTextContents();
    const figures = shares.map((text) => Number.parseFloat(text));
    expect(figures).toEqual(figures.toSorted((a, b) => b - a));
    const layer = page.getByRole('region', { name: 'Model' }).getByRole('button').first();
    await layer.click();
    await page.locator('tr.selected th').first().waitFor();
    const marked = await page.locator('tr.selected th').allTextContents();
    expect(marked.length).toBeGreaterThan(0);
    expect(new Set(marked)).toEqual(new Set([await layer.locator('.name').textContent()]));
    await page.getByRole('heading', { name: 'Model' }).scrollIntoViewIfNeeded();
    await keepScreenshots(page, 'insights-model');
    await page.getByRole('heading', { name: 'Timeline' }).scrollIntoViewIfNeeded();
    await keepScreenshots(page, 'insights-timeline');
    await page.getByRole('heading', { name: 'One execution, moment by moment' }).scrollIntoViewIfNeeded();
    await keepScreenshots(page, 'insights-step');
    const [messages, link] = await Promise.all([
      page.getByRole('region', { name: 'One execution, moment by moment' }).locator('tbody tr').count(),
      page
        .locator('section', { has: page.getByRole('heading', { name: 'Links' }) })
        .locator('tbody tr')
        .count(),
    ]);
    // Either party sends the other one message a round.
    expect([messages > 0, messages % 2, link]).toEqual([true, 0, 2]);
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save as page' }).click();
    const copy = readFileSync(await (await saved).path(), 'utf8');
    expect(copy).not.toContain('<script');
    const { page: alone } = await openPage(browser, `data:text/html;base64,${Buffer.from(copy).toString('base64')}`);
    await alone.getByRole('heading', { name: 'Where did the time go?' }).waitFor();
    await alone.getByRole('rowheader', { name: 'clinic-a' }).first().waitFor();
    await alone.context().close();
    const result = page.locator('p.result strong');
    const before = await result.textContent();
    await page.getByLabel('One-way latency').focus();
    for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowRight');
    await expect.poll(() => result.textContent()).not.toBe(before);
    await page.getByRole('heading', { name: 'Quality by epoch' }).scrollIntoViewIfNeeded();
    await keepScreenshots(page, 'insights-what-if');
    await section('Runs');
    await settle('runs');
  }, 300_000);

  test('a run of 200 layers and three parties is shown whole', async () => {
    const runs = join(clinic!.folder, 'data/runs');
    const [run = ''] = readdirSync(runs);
    const parties = join(runs, run, 'parties');
    cpSync(join(parties, 'clinic-b'), join(parties, 'clinic-c'), { recursive: true });
    const names = Array.from({ length: 200 }, (_, i) => `dense${i}`);
    for (const party of ['clinic-a', 'clinic-b', 'clinic-c']) {
      const path = join(parties, party, 'results/insights.json');
      const insights = runInsightsSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
      const [layer] = insights.layers;
      const [execution] = insights.executions;
      const layers = names.map((name, i) => ({ ...layer, layer: name, computeMs: i }));
      const model = names.map((name, i) => ({ layer: name, kind: 'dense', inputs: names.slice(i - 1, i), shape: [8] }));
      const executions = Array.from({ length: 1000 }, (_, i) => ({
        ...execution,
        execution: i,
        startMs: execution!.startMs + i * execution!.wallMs,
      }));
      writeFileSync(path, JSON.stringify({ ...insights, party, layers, model, executions, executionsInAll: 5000 }));
    }
    await section('Insights');
    await page.getByRole('rowheader', { name: 'dense199' }).waitFor();
    await page.getByText('1,000 of 5,000 executions').waitFor();
    expect(await page.getByRole('region', { name: 'Model' }).getByRole('button').count()).toBe(200);
    expect(complaints).toEqual([]);
  });

  test('a peer that is gone is named, with the step that fails', async () => {
    await section('Peers');
    await lab!.close();
    lab = undefined;
    await page.getByText('Failed at: reaching the address.').waitFor();
    await settle('peers-unreachable');
  });

  test('the other views, the palette, a second tab', async () => {
    await section('Vault');
    await page.getByText('The vault is empty').waitFor();
    await settle('vault');
    await section('Activity');
    await page.getByRole('button', { name: 'Check the chain' }).click();
    await page.getByText('The chain is whole.').waitFor();
    await settle('activity');
    await page.keyboard.press('Control+,');
    await page.getByLabel('High contrast').check();
    await page.getByText('Saved.').waitFor();
    await settle('settings-contrast');
    await page.getByLabel('As the system').check();
    await page.getByRole('button', { name: 'Try the addresses' }).click();
    await page.getByText('leads to this host').waitFor();
    await page.getByRole('button', { name: 'Try this machine' }).click();
    await page
      .getByText(/G multiply-adds\/s/)
      .first()
      .waitFor();
    await settle('settings');
    await page.getByRole('button', { name: 'Look at the report' }).click();
    await page.getByText('"tacitDiagnostics": 1').waitFor();
    await settle('diagnostics');
    await page.keyboard.press('Escape');
    await page.getByLabel('Passphrase', { exact: true }).fill('four words nobody guesses');
    await page.getByLabel('Passphrase again').fill('four words nobody guesses');
    const backup = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save a backup' }).click();
    expect((await backup).suggestedFilename()).toBe('clinic-north.tacit-backup');
    await page.getByText('Saved as clinic-north.tacit-backup.').waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').getByRole('combobox').fill('peer');
    await settle('palette');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Peers', level: 1 }).waitFor();

    const { page: second } = await openPage(browser, clinic!.api.url);
    await second.getByRole('heading', { name: 'Overview' }).waitFor();
    await second.context().close();
  });

  test('when the host goes away, the window says so, and what was written stays', async () => {
    await section('Jobs');
    await page.getByRole('link', { name: 'New job' }).click();
    const editor = page.getByRole('textbox', { name: 'Job text' });
    await page.getByText('The text is a job.').waitFor();
    await clinic!.api.close();
    await page.getByText('The host does not answer').waitFor();
    await editor.fill('name: half a thou');
    await page.getByText(/^for \d+ s$/).waitFor();
    await expect.poll(() => editor.inputValue()).toBe('name: half a thou');
    expect(await seriousFindings(page)).toEqual([]);
  });

  test('what is asked for meanwhile is refused at once; the address of the next start goes on in the same window', async () => {
    await page.getByRole('button', { name: 'Work out the cost' }).click();
    await page.getByText('The host does not answer, so nothing was sent to it.').waitFor();
    const again = await serveApi(clinic!.slot, { port: clinic!.api.port });
    try {
      await page.getByText('This window may not talk to the host').first().waitFor();
      await page.evaluate(`location.hash = '${new URL(again.url).hash}'`);
      await page.getByText('Host connected').waitFor();
      expect(page.url()).not.toContain('token');
      expect(await page.getByRole('textbox', { name: 'Job text' }).inputValue()).toBe('name: half a thou');
      // What was written while the host was away is kept by it now.
      await page.getByText('Saved', { exact: true }).waitFor();
    } finally {
      await again.close();
    }
  });
});
