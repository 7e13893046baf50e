/** The desktop app: boot order only. Parts that decide something are in files of their own, tested without Electron. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  app,
  BrowserWindow,
  dialog,
  ipcMain,
  Menu,
  MessageChannelMain,
  nativeTheme,
  Notification,
  powerSaveBlocker,
  protocol,
  safeStorage,
  screen,
  session,
  shell,
  Tray,
  utilityProcess,
} from 'electron';
import { z } from 'zod';
import { desktopFiles, rendererFolder } from '../paths.ts';
import { appScheme, serveInterface } from './app-protocol.ts';
import { channels } from './channels.ts';
import { Desktop } from './desktop.ts';
import { electronChildren } from './electron-children.ts';
import { GpuWindow, gpuWindowOptions, openGpuPage } from './gpu-window.ts';
import { TrustedIpc } from './ipc.ts';
import { KeyProtection } from './key-protection.ts';
import { DesktopLog } from './log.ts';
import { menuTemplate } from './menu.ts';
import { HostNews, progressOf } from './notices.ts';
import { LINK_SCHEME, openedIn, readOpenedFile } from './opened.ts';
import { hardenApp, hardenSession } from './security.ts';
import { RunTray } from './tray.ts';
import { runWindow, windowOptions } from './window.ts';
import { readWindowPlace } from './window-state.ts';

/** Peers reach the app here unless the settings say otherwise. */
const LISTEN = { host: '0.0.0.0', port: 7443 };

const isDevelopment = !app.isPackaged;
// Another folder, for a second organisation on one machine and for tests: --folder=DIR
const chosenFolder = app.commandLine.getSwitchValue('folder');
if (chosenFolder !== '') app.setPath('userData', resolve(chosenFolder));
const home = app.getPath('userData');
const dataFolder = join(home, 'data');

// By it Windows finds the shortcut of the installer, without which it shows no notification: electron-builder.yml's appId.
app.setAppUserModelId('org.tacit.app');

protocol.registerSchemesAsPrivileged([appScheme]);
hardenApp(app);

if (app.requestSingleInstanceLock()) start();
else app.quit();

function start(): void {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const log = new DesktopLog(join(home, 'tacit.log'));
  const ipc = new TrustedIpc(ipcMain, (what) => log.write(`Refused: ${what}\n`));
  let isQuitting = false;
  let sleepBlocker: number | undefined;

  const tray = new RunTray({
    create: () => new Tray(desktopFiles.trayIcon),
    menu: (template) => Menu.buildFromTemplate(template),
    show: () => desktop.show(),
    quit: () => app.quit(),
    isHidden: () => desktop.window?.isVisible() === false,
  });
  let running: readonly string[] = [];
  /** Kept until they are clicked or gone: one that is collected no longer answers to a click. */
  const notifications = new Set<Notification>();
  const news = new HostNews(
    ({ title, text, opens }) => {
      if (desktop.window?.isFocused() === true || !Notification.isSupported()) return;
      const notification = new Notification({ title, body: text });
      notifications.add(notification);
      notification.on('close', () => notifications.delete(notification));
      notification.on('click', () => {
        notifications.delete(notification);
        desktop.command(opens);
      });
      notification.show();
    },
    (runs) => {
      running = runs.map(({ name }) => name);
      tray.update(running);
      desktop.window?.setProgressBar(runs.length === 0 ? -1 : (progressOf(runs) ?? 2));
      if (runs.length > 0) sleepBlocker ??= powerSaveBlocker.start('prevent-app-suspension');
      else if (sleepBlocker !== undefined) {
        powerSaveBlocker.stop(sleepBlocker);
        sleepBlocker = undefined;
      }
    },
  );
  const children = electronChildren({ utilityProcess, MessageChannelMain }, (text) => log.write(text));
  const gpu = new GpuWindow(
    () =>
      openGpuPage(new BrowserWindow(gpuWindowOptions(desktopFiles.gpuPreload)), (why) =>
        log.write(`The page that computes on the graphics card has ended: ${why}\n`),
      ),
    children.channel,
  );
  const desktop = new Desktop({
    folder: dataFolder,
    listen: LISTEN,
    keys: new KeyProtection(join(home, 'key.json'), safeStorage, process.platform),
    children: { ...children, gpu },
    news,
    openWindow: () => {
      const stateFile = join(home, 'window.json');
      const place = readWindowPlace(
        stateFile,
        screen.getAllDisplays().map(({ workArea }) => workArea),
      );
      const window = new BrowserWindow(windowOptions(place, desktopFiles, nativeTheme.shouldUseDarkColors));
      ipc.trust(window.webContents);
      window.on('show', () => tray.update(running));
      window.on('restore', () => tray.update(running));
      window.on('close', (event) => {
        // A run goes on without a window; the tray's icon brings it back.
        if (!tray.isThere || isQuitting) return;
        event.preventDefault();
        window.hide();
      });
      // Not `window-all-closed`: the hidden window of the graphics card may still be there.
      window.on('closed', () => app.quit());
      runWindow(window, place, stateFile, (reason) => {
        log.write(`The page keeps ending: ${reason}\n`);
        dialog.showErrorBox(
          'Tacit',
          `The window’s page ended again and again (${reason}). Runs go on; start Tacit anew.`,
        );
      });
      return window;
    },
  });

  const open = (text: string | undefined): void => {
    if (text === undefined) desktop.show();
    else desktop.command({ command: 'open-invitation', text });
  };

  // A checkout would register Electron's own program, which knows no Tacit.
  if (app.isPackaged) app.setAsDefaultProtocolClient(LINK_SCHEME);
  app.on('second-instance', (_event, argv, cwd) => void app.whenReady().then(() => open(openedIn(argv.slice(1), cwd))));
  // macOS hands links and files over as events, also before the app is ready
  app.on('open-url', (event, url) => {
    event.preventDefault();
    void app.whenReady().then(() => open(openedIn([url], '/')));
  });
  app.on('open-file', (event, path) => {
    event.preventDefault();
    void app.whenReady().then(() => open(readOpenedFile(path)));
  });
  app.on('activate', () => desktop.show());
  app.on('before-quit', () => {
    isQuitting = true;
  });
  let hostIsClosed = false;
  app.on('will-quit', (event) => {
    if (hostIsClosed) return;
    event.preventDefault();
    void desktop.stop().finally(() => {
      hostIsClosed = true;
      app.quit();
    });
  });
  app.on('child-process-gone', (_event, { type, reason, serviceName }) =>
    log.write(`${serviceName ?? type} has ended: ${reason}\n`),
  );

  ipc.on(channels.hello, (page) => desktop.welcome(page));
  ipc.handle(channels.unlock, z.string().max(1000), (passphrase) => desktop.unlock(passphrase));

  void app.whenReady().then(() => {
    hardenSession(session.defaultSession, isDevelopment);
    serveInterface(protocol, rendererFolder);
    const openFile = async (): Promise<void> => {
      const { filePaths } = await dialog.showOpenDialog({
        title: 'Open an invitation',
        filters: [{ name: 'Invitations', extensions: ['tacit-invite', 'txt', 'json'] }],
        properties: ['openFile'],
      });
      if (filePaths[0] !== undefined) open(readOpenedFile(filePaths[0]));
    };
    const actions = {
      command: (command: Parameters<Desktop['command']>[0]) => desktop.command(command),
      openFile: () => void openFile(),
      showDataFolder: () => void shell.openPath(dataFolder),
    };
    Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(actions, process.platform, isDevelopment)));
    const opened = openedIn(process.argv.slice(1), process.cwd());
    if (opened !== undefined) desktop.command({ command: 'open-invitation', text: opened });
    return desktop.start();
  });
}
