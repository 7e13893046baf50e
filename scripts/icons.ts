/**
 * Draws renderer/public/icon.svg in all sizes and formats that the packages need (`npm run icons`): PNG files for Linux and the
 * tray, an .ico for Windows and an .icns for macOS, both holding PNG pictures. Needs Debian's chromium; its output is checked
 * in, so that building needs no browser.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const assets = join(import.meta.dirname, '../assets');
const LINUX_PX = [16, 32, 48, 64, 128, 256, 512];
const WINDOWS_PX = [16, 24, 32, 48, 64, 128, 256];
/** Type codes of the icns container whose content is a PNG, with their size. */
const MACOS_TYPES = { ic11: 32, ic12: 64, ic07: 128, ic13: 256, ic08: 256, ic14: 512, ic09: 512, ic10: 1024 } as const;

/** A directory of pictures (ICONDIR), then the pictures. */
function icoFile(pictures: ReadonlyMap<number, Buffer>): Buffer {
  const head = Buffer.alloc(6 + 16 * pictures.size);
  head.writeUInt16LE(1, 2);
  head.writeUInt16LE(pictures.size, 4);
  let entry = 6;
  let offset = head.length;
  for (const [px, png] of pictures) {
    head.writeUInt8(px % 256, entry); // 0 stands for 256
    head.writeUInt8(px % 256, entry + 1);
    head.writeUInt16LE(1, entry + 4);
    head.writeUInt16LE(32, entry + 6);
    head.writeUInt32LE(png.length, entry + 8);
    head.writeUInt32LE(offset, entry + 12);
    entry += 16;
    offset += png.length;
  }
  return Buffer.concat([head, ...pictures.values()]);
}

/** Chunks of type, length with the head, content; the file is such a chunk itself. */
function icnsFile(pictures: ReadonlyMap<string, Buffer>): Buffer {
  const chunk = (type: string, content: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.write(type, 'latin1');
    head.writeUInt32BE(8 + content.length, 4);
    return Buffer.concat([head, content]);
  };
  return chunk('icns', Buffer.concat([...pictures].map(([type, png]) => chunk(type, png))));
}

async function draw(sizesPx: readonly number[]): Promise<ReadonlyMap<number, Buffer>> {
  const svg = readFileSync(join(assets, '../renderer/public/icon.svg'), 'utf8');
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.setContent(
      `<style>body { margin: 0 } svg { display: block; width: 100vw; height: 100vh }</style>${svg}`,
    );
    const drawn = new Map<number, Buffer>();
    for (const px of sizesPx) {
      await page.setViewportSize({ width: px, height: px });
      drawn.set(px, await page.screenshot({ omitBackground: true }));
    }
    return drawn;
  } finally {
    await browser.close();
  }
}

if (import.meta.main) {
  const drawn = await draw([...new Set([...LINUX_PX, ...WINDOWS_PX, ...Object.values(MACOS_TYPES)])]);
  const picture = (px: number): Buffer => drawn.get(px)!;
  for (const px of LINUX_PX) writeFileSync(join(assets, `icons/${px}x${px}.png`), picture(px));
  writeFileSync(join(assets, 'installer/icon.ico'), icoFile(new Map(WINDOWS_PX.map((px) => [px, picture(px)]))));
  const mac = Object.entries(MACOS_TYPES).map(([type, px]) => [type, picture(px)] as const);
  writeFileSync(join(assets, 'installer/icon.icns'), icnsFile(new Map(mac)));
}
