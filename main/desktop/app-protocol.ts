/**
 * The window's own protocol: `app://tacit/` is the built interface, with the policy of the browser's one. Nothing else is
 * answered: no other host, no other method, no file outside the folder.
 */
import { readFile } from 'node:fs/promises';
import type { CustomScheme, Protocol } from 'electron';
import { findPage, missingPage, pageHeaders } from '../host/api/page-files.ts';

const SCHEME = 'app';
export const APP_ORIGIN = `${SCHEME}://tacit`;
export const APP_PAGE = `${APP_ORIGIN}/index.html`;
/** Computes on the graphics card; shows nothing. */
export const GPU_PAGE = `${APP_ORIGIN}/gpu.html`;

/** A real origin that is secure, so that the page's policy, WebAssembly and shared memory work. To be said before the app is ready. */
export const appScheme: CustomScheme = {
  scheme: SCHEME,
  privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
};

/** Whether the address belongs to the interface. */
export function isAppAddress(address: string): boolean {
  return URL.canParse(address) && new URL(address).protocol === `${SCHEME}:` && new URL(address).host === 'tacit';
}

export async function answerRequest(folder: string, request: Request): Promise<Response> {
  const plain = (status: number, text: string): Response =>
    new Response(`${text}\n`, { status, headers: { ...pageHeaders, 'Content-Type': 'text/plain; charset=utf-8' } });
  if (!isAppAddress(request.url)) return plain(403, 'This address is not served here.');
  if (request.method !== 'GET') return plain(405, 'Only GET is answered here.');
  const file = findPage(folder, new URL(request.url).pathname);
  if (file === undefined) {
    const { status, text } = missingPage(folder);
    return plain(status, text);
  }
  return new Response(await readFile(file.path), { headers: { ...pageHeaders, ...file.headers } });
}

export function serveInterface(protocol: Pick<Protocol, 'handle'>, folder: string): void {
  protocol.handle(SCHEME, (request) => answerRequest(folder, request));
}
