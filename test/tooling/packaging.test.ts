/**
 * The packaging's configuration, without Electron's binary: electron-builder's own schema, every file that it names, icons,
 * and the scripts that lead there. What comes out of it is test/parties/packed.test.ts's.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { electronBinary, windowObstacle } from '../../scripts/start.ts';
import { APP_PAGE } from '../../main/desktop/app-protocol.ts';
import { LINK_SCHEME, openedIn } from '../../main/desktop/opened.ts';
import { desktopFiles, entries } from '../../main/paths.ts';
import viteConfig, { nativePackages } from '../../electron.vite.config.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string): Buffer => readFileSync(join(root, file));

interface Settings {
  readonly files: readonly string[];
  readonly asarUnpack: readonly string[];
  readonly directories: { readonly buildResources: string };
  readonly protocols: readonly { readonly schemes: readonly string[] }[];
  readonly fileAssociations: readonly { readonly ext: string }[];
  readonly electronFuses: Readonly<Record<string, boolean>>;
  readonly [platform: string]: unknown;
}
const settings = parse(read('electron-builder.yml').toString()) as Settings;
const manifest = JSON.parse(read('package.json').toString()) as {
  readonly main: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

describe('electron-builder.yml', () => {
  const builder = createRequire(createRequire(import.meta.url).resolve('electron-builder/package.json'));
  const { validateConfiguration } = builder('app-builder-lib/out/util/config/config.js') as {
    validateConfiguration(settings: object, log: { add(key: string, value: unknown): void }): Promise<void>;
  };
  const log = { isEnabled: false, add: () => {} };

  test('passes the schema of electron-builder, which refuses what it does not know', async () => {
    await expect(validateConfiguration(structuredClone(settings), log)).resolves.toBeUndefined();
    await expect(validateConfiguration({ ...settings, asarUnpacked: [] }, log)).rejects.toThrow(/asarUnpacked/u);
  });

  test('every pattern of files that exist before a build matches something', () => {
    const there = settings.files.filter((pattern) => !pattern.startsWith('out/') && !pattern.startsWith('!'));
    for (const pattern of there) {
      const here = pattern.replace('${platform}', process.platform).replace('${arch}', process.arch);
      expect(globSync(here, { cwd: root }), pattern).not.toEqual([]);
    }
    for (const pattern of settings.asarUnpack.filter((one) => !one.startsWith('**'))) {
      expect(globSync(pattern, { cwd: root }), pattern).not.toEqual([]);
    }
  });

  test('names all four kinds of installer, and a picture for each', () => {
    expect(settings['linux']).toMatchObject({ target: ['AppImage', 'deb'] });
    expect(settings['win']).toMatchObject({ target: ['nsis'] });
    expect(settings['mac']).toMatchObject({ target: ['dmg'], hardenedRuntime: true });
    for (const platform of ['linux', 'win', 'mac']) {
      const { icon } = settings[platform] as { icon: string };
      expect(existsSync(join(root, icon)), icon).toBe(true);
    }
  });

  test('packages that stay outside the bundles are packed, but for the one that Electron cannot use', () => {
    const all = { ...manifest.dependencies, ...manifest.optionalDependencies };
    for (const name of nativePackages) expect(all).toHaveProperty([name]);
    const packed = nativePackages.filter((name) =>
      settings.files.some((pattern) => pattern.startsWith(`node_modules/${name.split('/')[0]}/`)),
    );
    expect(nativePackages.filter((name) => !packed.includes(name))).toEqual(['webgpu']);
  });

  test('what a person opens is what the app reads', () => {
    expect(settings.protocols.flatMap(({ schemes }) => schemes)).toEqual([LINK_SCHEME]);
    const [{ ext }] = settings.fileAssociations as [{ ext: string }];
    const link = `${LINK_SCHEME}://join/abc`;
    expect(openedIn(['--flag', link], '/')).toBe(link);
    expect(openedIn([`gone.${ext}`], '/nowhere')).toBe(`/nowhere/gone.${ext}`);
  });

  test('the fuses leave neither a plain Node nor another program in the app', () => {
    expect(settings.electronFuses).toEqual({
      runAsNode: false,
      enableCookieEncryption: true,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      grantFileProtocolExtraPrivileges: false,
    });
  });
});

describe('entries', () => {
  test('the manifest names built entries, and each entry has its source', () => {
    const outputs = Object.keys(entries).map((name) => `out/${name}.js`);
    expect(outputs).toContain(manifest.main);
    expect(outputs).toContain(manifest.bin['tacit']);
    for (const file of Object.values(entries)) expect(existsSync(join(root, file)), file).toBe(true);
    expect(viteConfig).toMatchObject({ preload: { build: { rolldownOptions: { output: { format: 'cjs' } } } } });
    expect(desktopFiles.preload).toBe(join(root, 'out/preload.cjs'));
    expect(desktopFiles.gpuPreload).toBe(join(root, 'out/gpu-preload.cjs'));
    expect(existsSync(desktopFiles.icon) && existsSync(desktopFiles.trayIcon)).toBe(true);
    expect(APP_PAGE).toMatch(/index\.html$/u);
  });

  test('the lock file names no machine but the public registry', () => {
    const lock = JSON.parse(read('package-lock.json').toString()) as {
      packages: Readonly<Record<string, { readonly resolved?: string; readonly link?: boolean }>>;
    };
    const hosts = Object.values(lock.packages).flatMap(({ resolved }) =>
      resolved === undefined ? [] : [URL.canParse(resolved) ? new URL(resolved).host : resolved],
    );
    expect(hosts.filter((host) => host !== 'registry.npmjs.org')).toEqual([]);
    expect(Object.values(lock.packages).filter(({ link }) => link === true)).toEqual([]);
    expect(existsSync(join(root, '.npmrc'))).toBe(false);
  });
});

describe('icons', () => {
  const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const widthOf = (png: Buffer): number => {
    expect(png.subarray(0, 8)).toEqual(PNG);
    expect(png.readUInt32BE(20)).toBe(png.readUInt32BE(16));
    return png.readUInt32BE(16);
  };

  test('are pictures of the size that their names say', () => {
    const files = globSync('assets/icons/*.png', { cwd: root });
    expect(files.length).toBe(7);
    for (const file of files) expect(file).toContain(`/${widthOf(read(file))}x`);
  });

  test('the .ico and the .icns hold all sizes', () => {
    const ico = read('assets/installer/icon.ico');
    const sizes = Array.from({ length: ico.readUInt16LE(4) }, (_, index) => {
      const [length, offset] = [ico.readUInt32LE(6 + 16 * index + 8), ico.readUInt32LE(6 + 16 * index + 12)];
      return widthOf(ico.subarray(offset, offset + length));
    });
    expect(sizes).toEqual([16, 24, 32, 48, 64, 128, 256]);
    const icns = read('assets/installer/icon.icns');
    expect([icns.toString('latin1', 0, 4), icns.readUInt32BE(4)]).toEqual(['icns', icns.length]);
    const widths: number[] = [];
    for (let at = 8; at < icns.length; at += icns.readUInt32BE(at + 4)) {
      widths.push(widthOf(icns.subarray(at + 8, at + icns.readUInt32BE(at + 4))));
    }
    expect(Math.max(...widths)).toBe(1024);
  });
});

describe('npm start', () => {
  test('says what is missing for a window', () => {
    expect(electronBinary(join(root, 'test'), {})).toBeUndefined();
    expect(windowObstacle(undefined, { DISPLAY: ':0' }, 'linux')).toMatch(/binary/u);
    expect(windowObstacle('/electron', {}, 'linux')).toMatch(/display/u);
    expect(windowObstacle('/electron', { WAYLAND_DISPLAY: 'wayland-0' }, 'linux')).toBeUndefined();
    expect(windowObstacle('/electron', {}, 'win32')).toBeUndefined();
  });
});
