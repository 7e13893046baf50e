/** The main path without a mouse, and every view in a small window, enlarged, in high contrast and without motion. */
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requires } from '../helpers/requires.ts';
import { serveNewHost } from '../host/api/clients.ts';
import type { ServedHost } from '../host/api/clients.ts';
import { buildInterface, faultsOfView, launch, openPage } from './browser.ts';
import { press, reach, walk } from './keyboard.ts';

const CSV = `id,age,sick\n${Array.from({ length: 40 }, (_, i) => `${i},${20 + ((i * 7) % 50)},${i % 2}`).join('\n')}\n`;

requires('chromium')('the interface for everybody', () => {
  let browser: Browser;
  let host: ServedHost;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    await buildInterface();
    browser = await launch();
    host = await serveNewHost();
    ({ page, complaints } = await openPage(browser, host.api.url));
  });
  afterAll(async () => {
    await browser?.close();
    await host?.close();
  });

  const button = (name: string) => page.getByRole('button', { name, exact: true }).first();
  const section = (name: string) => page.getByRole('navigation').getByRole('link', { name, exact: true });
  const focused = (): Promise<string> =>
    page.evaluate('document.activeElement.id || document.activeElement.tagName + document.activeElement.textContent');

  /** Every control of the view can be reached and seen, in the order of reading, and nothing holds the focus. */
  async function walkThrough(): Promise<void> {
    const { stops, faults } = await walk(page);
    expect(faults).toEqual([]);
    expect(stops).toBeGreaterThan(3);
  }

  const views = (): Promise<string[]> =>
    page.evaluate("[...document.querySelectorAll('nav a')].map((link) => link.getAttribute('href'))");

  /** Of each view, once it waits for nothing; views without faults are left out. */
  async function faultsOf(places: readonly string[]): Promise<Record<string, readonly string[]>> {
    const found: Record<string, readonly string[]> = {};
    for (const place of places) {
      // The view before has a heading too: it is gone when the interface has heard of the new address.
      await page.evaluate(`new Promise((done) => {
        if (location.hash === '${place}') return done();
        addEventListener('hashchange', () => setTimeout(done), { once: true });
        location.hash = '${place}';
      })`);
      await page.getByRole('main').getByRole('heading', { level: 1 }).waitFor();
      await expect.poll(() => page.locator('.waiting').count()).toBe(0);
      const faults = await faultsOfView(page);
      if (faults.length > 0) found[place] = faults;
    }
    return found;
  }

  test('first start with the keyboard alone, and every view while it is empty', async () => {
    await page.getByRole('heading', { name: 'Train models together' }).waitFor();
    await expect.poll(focused).toBe('name');
    await page.keyboard.type('Clinic North');
    await press(page, button('Create identity'));
    await page.getByRole('heading', { name: 'Your identity' }).waitFor();
    await expect.poll(focused).toBe('content');
    await walkThrough();
    const places = await views();
    expect(places.length).toBeGreaterThan(9);
    expect(await faultsOf(places)).toEqual({});
  });

  test('data set and job with the keyboard alone', async () => {
    await press(page, section('Data sets'));
    const chooser = page.waitForEvent('filechooser');
    await press(page, button('Add a file'));
    await (await chooser).setFiles({ name: 'patients.csv', mimeType: 'text/csv', buffer: Buffer.from(CSV) });
    await page.getByRole('heading', { name: 'patients.csv' }).waitFor();
    await expect.poll(focused).toBe('content');
    await page.getByLabel('Use in jobs: sick').waitFor();
    await walkThrough();
    await reach(page, page.getByLabel('Use in jobs: sick'));
    await page.keyboard.type('Label');
    await press(page, button('Confirm columns'));
    await page.getByText(/^.*Confirmed \d/).waitFor();
    await press(page, button('Remove data set'));
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Tab');
    await expect.poll(() => page.locator('dialog :focus').count()).toBe(1);
    await press(page, button('Cancel'));
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await expect.poll(focused).toBe('BUTTONRemove data set');

    await page.keyboard.press('Control+Alt+n');
    await page.getByText('The text is a job.').waitFor();
    await walkThrough();
    await reach(page, page.getByLabel('Epochs'));
    await page.keyboard.press('Control+a');
    await page.keyboard.type('many');
    await page.keyboard.press('Tab');
    await press(page, page.getByRole('button', { name: /^line \d+$/ }).first());
    await expect.poll(() => page.locator('textarea:focus').count()).toBe(1);
    await reach(page, page.getByLabel('Epochs'));
    await page.keyboard.press('Control+a');
    await page.keyboard.type('7');
    await page.keyboard.press('Tab');
    await page.getByText('The text is a job.').waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').getByRole('combobox').waitFor();
    await page.keyboard.type('runs');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Runs', level: 1 }).waitFor();
  });

  test('sample run, dashboard and export with the keyboard alone', async () => {
    await press(page, button('Try it on this machine'));
    await page.getByRole('heading', { name: 'Parties' }).waitFor();
    await expect.poll(focused).toBe('content');
    await page.getByRole('link', { name: 'Where the time went' }).waitFor();
    await walkThrough();
    await press(page, page.getByRole('link', { name: 'Where the time went' }));
    await page.getByRole('heading', { name: 'Timeline' }).waitFor();
    await expect.poll(focused).toBe('content');
    await walkThrough();
    const layer = page.getByRole('region', { name: 'Model' }).getByRole('button').first();
    await press(page, layer, 'Space');
    await expect.poll(() => page.locator('tr.selected').count()).toBeGreaterThan(0);
    await press(page, button('Predict on this machine'));
    await page.getByRole('columnheader', { name: 'Predicted' }).waitFor();
    await expect.poll(focused).not.toMatch(/^BODY/);
    for (const [name, content] of [
      ['Layers as CSV', 'layer,phase,computeMs,predictedMs,'],
      ['Save as page', 'Where did the time go?'],
    ] as const) {
      const saved = page.waitForEvent('download');
      await press(page, button(name));
      expect(readFileSync(await (await saved).path(), 'utf8')).toContain(content);
    }
    expect(complaints).toEqual([]);
  }, 300_000);

  test('every view in high contrast, in small windows and enlarged, without motion', async () => {
    await press(page, section('Settings'));
    // The last of the group is before its first.
    await press(page, page.getByLabel('As the system'), 'ArrowUp');
    await expect.poll(() => page.getByLabel('High contrast').isChecked()).toBe(true);
    await page.getByText('Saved.').waitFor();
    // What computed the sample: the card or the CPU, and why, for each of its two parties.
    await expect.poll(() => page.getByText(/^(?:CPU|Graphics card): \S/).count()).toBe(2);
    await page.getByText(/^Trains with TensorFlow/).waitFor();
    const places = await views();
    // One data set, one job, one run.
    for (const list of ['Data sets', 'Jobs', 'Runs']) {
      await press(page, section(list));
      const [link] = await page.getByRole('main').getByRole('rowheader').getByRole('link').all();
      places.push((await link?.getAttribute('href')) ?? `no link in ${list}`);
    }
    expect(places.length).toBeGreaterThan(11);
    expect(await faultsOf(places)).toEqual({});
    expect(complaints).toEqual([]);
  });

  test('when the host goes away, the window waits for it by name, in any size', async () => {
    await host.api.close();
    await page.getByText('The host does not answer').waitFor();
    expect(await faultsOfView(page)).toEqual([]);
  });
});
