/** The menu of the app, as data: what the interface offers by keyboard, and the usual entries. Knows nothing of windows. */
import type { MenuItemConstructorOptions } from 'electron';
import type { DesktopCommand } from '../../shared/api/bridge.ts';

export interface MenuActions {
  readonly command: (command: DesktopCommand) => void;
  /** Asks for an invitation's file. */
  readonly openFile: () => void;
  readonly showDataFolder: () => void;
}

/** `isDevelopment` adds what a person who changes the program needs. */
export function menuTemplate(
  actions: MenuActions,
  platform: NodeJS.Platform,
  isDevelopment: boolean,
): MenuItemConstructorOptions[] {
  const separator: MenuItemConstructorOptions = { type: 'separator' };
  const item = (label: string, accelerator: string, command: DesktopCommand): MenuItemConstructorOptions => ({
    label,
    accelerator,
    click: () => actions.command(command),
  });
  const isMac = platform === 'darwin';
  return [
    ...(isMac ? [{ role: 'appMenu' } as const] : []),
    {
      label: '&File',
      submenu: [
        item('Invite a peer…', 'CmdOrCtrl+Alt+I', { command: 'invite' }),
        { label: 'Open an invitation…', accelerator: 'CmdOrCtrl+O', click: actions.openFile },
        item('New job', 'CmdOrCtrl+Alt+N', { command: 'new-job' }),
        separator,
        item('Settings', 'CmdOrCtrl+,', { command: 'go', section: 'settings' }),
        { label: 'Show the data folder', click: actions.showDataFolder },
        separator,
        { role: isMac ? 'close' : 'quit' },
      ],
    },
    { role: 'editMenu' },
    {
      label: '&View',
      submenu: [
        item('All commands', 'CmdOrCtrl+K', { command: 'palette' }),
        separator,
        { role: 'resetZoom' },
        { role: 'zoomIn' },
        { role: 'zoomOut' },
        { role: 'togglefullscreen' },
        ...(isDevelopment ? [separator, { role: 'reload' } as const, { role: 'toggleDevTools' } as const] : []),
      ],
    },
    { role: 'windowMenu' },
    { role: 'help', submenu: [item('Keyboard', 'CmdOrCtrl+/', { command: 'shortcuts' })] },
  ];
}
