/** Debian's Chromium on the built interface: pages, what axe finds in them, and their screenshots. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';

const root = join(import.meta.dirname, '../..');
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Screenshots are written when this is set: TACIT_SCREENSHOTS=1. */
const keepsScreenshots = process.env['TACIT_SCREENSHOTS'] === '1';
const screenshots = join(root, 'docs/screenshots');

export const WINDOW = { width: 1280, height: 800 };

/** Leaves what is there, which a test beside this one may be serving: unchanged sources give files of the same names. */
export async function buildInterface(): Promise<void> {
  await build({ root: join(root, 'renderer'), logLevel: 'error', build: { emptyOutDir: false } });
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-sync'],
  });
}

/** A window of its own, with what its console complained of. */
export async function openPage(browser: Browser, url: string): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser.newContext({ viewport: WINDOW, colorScheme: 'light', reducedMotion: 'reduce' });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, complaints };
}

/** Serious and critical findings, each with the first place. */
export async function seriousFindings(page: Page): Promise<string[]> {
  await page.evaluate(axeSource);

  return page.evaluate(async () => {
    interface Finding {
      readonly id: string;
      readonly impact: string | null;
      readonly help: string;
      readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
    }
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Finding[] }> } };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
  });
}

/** Where the page can be moved sideways: the elements that stand out of it on the right, the first three. */
const widest = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const isClipped = (one) => {
    for (let box = one.parentElement; box !== null; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== 'visible' && box !== document.documentElement && box !== document.body) return true;
    return false;
  };
  return [...document.querySelectorAll('body *')]
    .filter((one) => one.getBoundingClientRect().right > clientWidth + 1 && !isClipped(one))
    .slice(0, 3)
    .map((one) => one.outerHTML.slice(0, 120))
    .concat('scrolls by ' + (scrollWidth - clientWidth));
})()`;

/** What axe finds in the view as it stands, what stands out of small windows, and what moves. */
export async function faultsOfView(page: Page): Promise<string[]> {
  const faults = await seriousFindings(page);
  // 640 x 512 is what a window of 1280 x 1024 holds when it is enlarged to 200 %; 320 is what 400 % leaves of it.
  for (const [width, height] of [
    [1024, 640],
    [640, 512],
    [320, 512],
  ] as const) {
    await page.setViewportSize({ width, height });
    const wide = await page.evaluate<string[]>(widest);
    faults.push(...wide.map((what) => `${width} wide: ${what}`));
  }
  await page.setViewportSize(WINDOW);
  const moving = await page.evaluate<number>('document.getAnimations().length');
  return moving > 0 ? [...faults, `${moving} things move`] : faults;
}

/** Keeps the view in light and dark. */
export async function keepScreenshots(page: Page, name: string): Promise<void> {
  if (!keepsScreenshots) return;
  mkdirSync(screenshots, { recursive: true });
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    // One frame, so that canvases are drawn anew.
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))');
    await page.screenshot({ path: join(screenshots, `${name}-${colorScheme}.png`) });
  }
}
