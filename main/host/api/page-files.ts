/**
 * The built interface as files, with the headers that keep it to itself: over HTTP for a browser, and by its own protocol for
 * the desktop window. Knows nothing of calls.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
};

/** Nothing remote, nothing inline, no frames; and the page may use shared memory. `'self'` covers the socket as well. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data:; " +
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
};

export interface PageFile {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The file of the folder that an address names (`/` is index.html), or undefined; nothing outside the folder is ever found. */
export function findPage(folder: string, pathname: string): PageFile | undefined {
  const path = locate(folder, pathname);
  if (path === undefined) return undefined;
  const isNamedByContent = pathname.startsWith('/assets/');
  return {
    path,
    headers: {
      'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
      'Cache-Control': isNamedByContent ? 'public, max-age=31536000, immutable' : 'no-store',
    },
  };
}

/** Why there is nothing to serve. */
export function missingPage(folder: string): { readonly status: number; readonly text: string } {
  return existsSync(join(folder, 'index.html'))
    ? { status: 404, text: 'There is no such page.' }
    : { status: 503, text: 'The interface is not built. Run: npm run build:renderer' };
}

export function servePage(folder: string, pathname: string, response: ServerResponse): void {
  const file = findPage(folder, pathname);
  if (file === undefined) {
    const { status, text } = missingPage(folder);
    return plain(response, status, text);
  }
  response.writeHead(200, file.headers);
  createReadStream(file.path).pipe(response);
}

export function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

function locate(folder: string, pathname: string): string | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
  if (decoded.includes('\0')) return undefined;
  const file = normalize(join(folder, decoded === '/' ? 'index.html' : decoded));
  const isInside = file.startsWith(folder + sep);
  return isInside && existsSync(file) && statSync(file).isFile() ? file : undefined;
}
