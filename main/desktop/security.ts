/**
 * What pages in the desktop app may not do: leave the interface, open windows, load anything from elsewhere, be given a
 * permission. Said once for the whole app, so that a window made later cannot forget it.
 */
import type { App, Session, WebContents, WebPreferences } from 'electron';
import { isAppAddress } from './app-protocol.ts';

/** Of every page: no Node, a world of its own for the preload, a sandbox by the operating system. */
export const pagePreferences: WebPreferences = {
  sandbox: true,
  contextIsolation: true,
  nodeIntegration: false,
  nodeIntegrationInWorker: false,
  nodeIntegrationInSubFrames: false,
  webSecurity: true,
  allowRunningInsecureContent: false,
  webviewTag: false,
  navigateOnDragDrop: false,
  spellcheck: false,
};

/** Call before the app is ready. */
export function hardenApp(app: Pick<App, 'enableSandbox' | 'on'>): void {
  app.enableSandbox();
  app.on('web-contents-created', (_event, contents) => hardenPage(contents));
  // never: a certificate that does not fit, a password asked for by a server
  app.on('certificate-error', (event, _contents, _url, _error, _certificate, decide) => {
    event.preventDefault();
    decide(false);
  });
  app.on('login', (event) => event.preventDefault());
}

function hardenPage(contents: Pick<WebContents, 'on' | 'setWindowOpenHandler'>): void {
  contents.setWindowOpenHandler(() => ({ action: 'deny' }));
  contents.on('will-frame-navigate', (event) => {
    if (!event.isMainFrame || !isAppAddress(event.url)) event.preventDefault();
  });
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
}

/** Permissions are denied and requests to anywhere but the interface are cancelled, even where a page's policy had a hole. */
export function hardenSession(
  session: Pick<
    Session,
    'setPermissionRequestHandler' | 'setPermissionCheckHandler' | 'setDevicePermissionHandler' | 'webRequest' | 'on'
  >,
  isDevelopment: boolean,
): void {
  session.setPermissionRequestHandler((_contents, permission, answer) => answer(isHarmless(permission)));
  session.setPermissionCheckHandler((_contents, permission) => isHarmless(permission));
  session.setDevicePermissionHandler(() => false);
  session.webRequest.onBeforeRequest((details, answer) => {
    const isTool = isDevelopment && details.url.startsWith('devtools:');
    const isOwn = isAppAddress(details.url) || /^(?:blob:app:\/\/tacit\/|data:)/u.test(details.url);
    answer({ cancel: !isOwn && !isTool });
  });
  // Results are saved by the interface from data that it has; nothing else is downloaded.
  session.on('will-download', (event, item) => {
    if (!/^(?:blob:app:\/\/tacit\/|data:)/u.test(item.getURL())) event.preventDefault();
  });
}

/** Copying a link that a person asked to copy. */
const isHarmless = (permission: string): boolean => permission === 'clipboard-sanitized-write';
