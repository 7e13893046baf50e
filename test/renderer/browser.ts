/** Debian's Chromium on the built interface: pages, what axe finds in them, and their screenshots. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { rendererFolder } from '../../main/paths.ts';

const root = join(import.meta.dirname, '../..');
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** Screenshots are written when this is set: TACIT_SCREENSHOTS=1. */
const keepsScreenshots = process.env['TACIT_SCREENSHOTS'] === '1';
const screenshots = join(root, 'docs/screenshots');

/** Only what hangs waits so long: a machine may be loaded. */
export const PATIENCE_MS = 240_000;
export const WINDOW = { width: 1280, height: 800 };

/**
 * Builds the interface where hosts find it. A test beside this one may be serving it and building it too: files come whole, those
 * that have not changed stay as they are, and pages come after what they load.
 */
export async function buildInterface(): Promise<void> {
  mkdirSync(rendererFolder, { recursive: true });
  const outDir = mkdtempSync(`${rendererFolder}-`);
  try {
    await build({ root: join(root, 'renderer'), logLevel: 'error', build: { outDir, emptyOutDir: false } });
    const files = readdirSync(outDir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(outDir, join(entry.parentPath, entry.name)));
    for (const file of files.sort((a, b) => Number(a.endsWith('.html')) - Number(b.endsWith('.html')))) {
      const [made, served] = [join(outDir, file), join(rendererFolder, file)];
      if (existsSync(served) && readFileSync(served).equals(readFileSync(made))) continue;
      mkdirSync(dirname(served), { recursive: true });
      renameSync(made, served);
    }
  } finally {
    rmSync(outDir, { recursive: true });
  }
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
  context.setDefaultTimeout(PATIENCE_MS);
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
