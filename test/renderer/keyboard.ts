/** A person without a mouse: Tab from stop to stop, and what is wrong with a stop (WCAG 2.2 AA: 2.4.3, 2.4.7, 2.4.11, 2.5.8). */
import type { Locator, Page } from 'playwright-core';

/** More stops than any view has: whoever needs more is caught somewhere. */
const MOST_STOPS = 400;

interface Stop {
  /** Counts elements in the order in which they were first met; 0 is the page itself. */
  readonly id: number;
  readonly faults: readonly string[];
}

/** Judges the element that has focus; runs in the page. */
function judge(): Stop {
  interface Box {
    readonly left: number;
    readonly right: number;
    readonly top: number;
    readonly bottom: number;
    readonly width: number;
    readonly height: number;
  }
  interface Element {
    readonly outerHTML: string;
    readonly tagName: string;
    readonly type?: string;
    getBoundingClientRect(): Box;
    contains(other: Element | null): boolean;
    closest(selector: string): Element | null;
  }
  const view = globalThis as unknown as {
    readonly document: {
      readonly activeElement: Element | null;
      readonly body: Element;
      elementFromPoint(x: number, y: number): Element | null;
    };
    readonly innerWidth: number;
    readonly innerHeight: number;
    getComputedStyle(element: Element): { outlineStyle: string; outlineWidth: string; display: string };
    stopsMet?: Element[];
  };
  const { document, innerWidth, innerHeight } = view;
  const element = document.activeElement;
  if (element === null || element === document.body) return { id: 0, faults: [] };
  const met = (view.stopsMet ??= []);
  if (!met.includes(element)) met.push(element);

  const faults: string[] = [];
  const fault = (what: string): void => {
    faults.push(`${what}: ${element.outerHTML.slice(0, 160)}`);
  };
  const { outlineStyle, outlineWidth, display } = view.getComputedStyle(element);
  if (outlineStyle === 'none' || Number.parseFloat(outlineWidth) < 1) fault('focus cannot be seen');
  const box = element.getBoundingClientRect();
  const left = Math.max(0, box.left);
  const top = Math.max(0, box.top);
  const right = Math.min(innerWidth, box.right);
  const bottom = Math.min(innerHeight, box.bottom);
  if (right <= left || bottom <= top) fault('is out of sight');
  else {
    const above = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
    if (above === null || !(element.contains(above) || above.contains(element))) fault('is covered');
  }
  // Links within a sentence and the browser's own boxes are excepted.
  const isOwn = element.tagName === 'INPUT' && (element.type === 'radio' || element.type === 'checkbox');
  if (display !== 'inline' && !isOwn && (box.width < 24 || box.height < 24)) fault('is a small target');
  return { id: met.indexOf(element) + 1, faults };
}

/** Presses Tab until `target` has focus. */
export async function reach(page: Page, target: Locator): Promise<void> {
  await target.waitFor();
  for (let stops = 0; stops < MOST_STOPS; stops++) {
    if (await target.evaluate((element) => element === element.ownerDocument.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`Tab does not lead to ${String(target)}.`);
}

/** Goes there and presses a key, as people use buttons and links. */
export async function press(page: Page, target: Locator, key = 'Enter'): Promise<void> {
  await reach(page, target);
  await page.keyboard.press(key);
}

/** Tab once round the page, from wherever focus is: what is wrong on the way, and every control that it passed by. */
export async function walk(page: Page): Promise<{ readonly stops: number; readonly faults: readonly string[] }> {
  const wanted = await page.evaluate(controls);
  const faults = new Set<string>();
  const order: number[] = [];
  for (let step = 0; step <= MOST_STOPS; step++) {
    await page.keyboard.press('Tab');
    const { id, faults: found } = await page.evaluate(judge);
    // Where it began: nothing holds the focus.
    if (order.length > 0 && id === order[0]) break;
    if (order.includes(id) || step === MOST_STOPS) {
      faults.add(`Tab is caught after ${order.length} stops`);
      break;
    }
    // Between the end of the page and its beginning, the page itself has it.
    if (id > 0) order.push(id);
    for (const fault of found) faults.add(fault);
  }
  for (const missed of await page.evaluate(missedOf, wanted)) faults.add(missed);
  return { stops: order.length, faults: [...faults] };
}

interface Control {
  readonly outerHTML: string;
  readonly tabIndex: number;
  readonly type?: string;
  checkVisibility(): boolean;
  matches(selector: string): boolean;
  closest(selector: string): Control | null;
}
interface Controls {
  readonly document: { readonly body: { blur?(): void }; querySelectorAll(selector: string): Iterable<Control> };
  stopsMet?: Control[];
  stopsWanted?: Control[];
}

/** Everything that a mouse could work, as the page stands; in one group of radio buttons, the one that is chosen. */
function controls(): number {
  const view = globalThis as unknown as Controls & {
    readonly document: { readonly activeElement: { blur(): void } | null };
  };
  view.document.activeElement?.blur();
  view.stopsMet = [];
  view.stopsWanted = [...view.document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter(
    (one) =>
      one.tabIndex >= 0 &&
      one.checkVisibility() &&
      !one.matches(':disabled') &&
      (one.type !== 'radio' || one.matches(':checked')),
  );
  return view.stopsWanted.length;
}

/** Controls that Tab did not come to, and whether it came to the others in the order in which they are written. */
function missedOf(wanted: number): string[] {
  const { stopsMet = [], stopsWanted = [] } = globalThis as unknown as Controls;
  if (stopsWanted.length !== wanted) return ['the page was loaded anew'];
  const missed = stopsWanted
    .filter((one) => !stopsMet.includes(one))
    .map((one) => `Tab passes by: ${one.outerHTML.slice(0, 160)}`);
  const places = stopsMet.map((one) => stopsWanted.indexOf(one)).filter((place) => place >= 0);
  const jumps = places.filter((place, index) => index > 0 && place < (places[index - 1] ?? 0));
  // Once from the end to the beginning.
  return jumps.length > 1 ? [...missed, `Tab jumps back ${jumps.length - 1} times`] : missed;
}
