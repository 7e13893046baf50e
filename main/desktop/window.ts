/**
 * The window of the interface: how it is made, that it comes back where it was, and that a page that crashes is loaded again.
 * Knows nothing of the host.
 */
import type { BrowserWindow, BrowserWindowConstructorOptions } from 'electron';
import { APP_PAGE } from './app-protocol.ts';
import { pagePreferences } from './security.ts';
import { keepWindowState, SMALLEST } from './window-state.ts';
import type { WindowPlace } from './window-state.ts';

/** A page that crashes so often within the time is not loaded again: the reason would not go away. */
const MAX_CRASHES = 3;
const CRASHES_WITHIN_MS = 60_000;

export function windowOptions(
  { isMaximised: _, ...place }: WindowPlace,
  files: { readonly preload: string; readonly icon: string },
  isDark: boolean,
): BrowserWindowConstructorOptions {
  return {
    ...place,
    minWidth: SMALLEST.width,
    minHeight: SMALLEST.height,
    title: 'Tacit',
    icon: files.icon,
    // Shown when the page has drawn itself; until then in its colour, so that nothing flashes.
    show: false,
    backgroundColor: isDark ? '#131619' : '#f5f6f7',
    webPreferences: { ...pagePreferences, preload: files.preload },
  };
}

/** Loads the interface and shows it; keeps size and place in `stateFile`. `onBroken` is told when the page keeps crashing. */
export function runWindow(
  window: BrowserWindow,
  place: WindowPlace,
  stateFile: string,
  onBroken: (reason: string) => void,
): void {
  const { webContents } = window;
  let crashes: number[] = [];
  window.once('ready-to-show', () => {
    if (place.isMaximised) window.maximize();
    window.show();
  });
  const keep = (): void =>
    keepWindowState(stateFile, { bounds: window.getNormalBounds(), isMaximised: window.isMaximized() });
  window.on('close', keep);
  webContents.on('render-process-gone', (_event, { reason }) => {
    if (reason === 'clean-exit') return;
    const now = Date.now();
    crashes = [...crashes.filter((atMs) => atMs > now - CRASHES_WITHIN_MS), now];
    if (crashes.length > MAX_CRASHES) onBroken(reason);
    else webContents.reload();
  });
  // One zoom for all windows of the origin is kept by Chromium; pinching would leave it without a way back.
  webContents.on('did-finish-load', () => void webContents.setVisualZoomLevelLimits(1, 1));
  void window.loadURL(APP_PAGE);
}

export function bringToFront(window: BrowserWindow): void {
  if (window.isMinimized()) window.restore();
  window.show();
  window.focus();
}
