/**
 * The tray's icon, there while a run goes on: closing the window then leaves the run alone. It stays until a window that was
 * closed like that is shown again, for there is no other way back to it. Knows nothing of runs.
 */
import type { MenuItemConstructorOptions, Tray } from 'electron';

export interface TrayParts {
  readonly create: () => Pick<Tray, 'setToolTip' | 'setContextMenu' | 'on' | 'destroy'>;
  readonly menu: (template: MenuItemConstructorOptions[]) => Electron.Menu;
  readonly show: () => void;
  readonly quit: () => void;
  /** Whether the window was closed and is only hidden. */
  readonly isHidden: () => boolean;
}

export class RunTray {
  readonly #parts: TrayParts;
  #tray: ReturnType<TrayParts['create']> | undefined;

  constructor(parts: TrayParts) {
    this.#parts = parts;
  }

  get isThere(): boolean {
    return this.#tray !== undefined;
  }

  /** Names of the runs that go on; none takes the icon away. */
  update(runs: readonly string[]): void {
    if (runs.length === 0) {
      if (this.#parts.isHidden()) return this.#tray?.setToolTip('Tacit: no run goes on');
      this.#tray?.destroy();
      this.#tray = undefined;
      return;
    }
    this.#tray ??= this.#open();
    this.#tray.setToolTip(`Tacit: ${runs.length === 1 ? `${runs[0]} is running` : `${runs.length} runs`}`);
  }

  #open(): ReturnType<TrayParts['create']> {
    const { create, menu, show, quit } = this.#parts;
    const tray = create();
    tray.on('click', show);
    tray.setContextMenu(
      menu([
        { label: 'Show Tacit', click: show },
        { type: 'separator' },
        { label: 'Quit (runs go on from their last checkpoint)', click: quit },
      ]),
    );
    return tray;
  }
}
