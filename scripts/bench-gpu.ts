/**
 * `npm run bench:gpu`: the graphics card's benchmark on this machine; with `-- --bundle DIR`, a self-contained archive of it for a
 * bare x86-64 Linux machine with a driver: Node, the program as one file, the package webgpu for that platform, a Vulkan loader
 * where this machine has one, and the script that starts it. DIR/tacit-gpu-bench.tar.xz is unpacked with tar; the .run beside
 * it unpacks itself and starts.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'vite';

const root = join(import.meta.dirname, '..');
const entry = join(root, 'main/bench/bare-gpu.ts');
const NAME = 'tacit-gpu-bench';
const LIMIT_BYTES = 60 * 2 ** 20;
/** Where distributions keep the Vulkan loader. */
const LOADERS = ['/usr/lib/x86_64-linux-gnu/libvulkan.so.1', '/usr/lib64/libvulkan.so.1', '/usr/lib/libvulkan.so.1'];

const RUN = `#!/bin/sh
# Runs the exactness tests, then the benchmark, and writes results.json here. --quick: small sizes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# A loader of the system's own is better than the one in lib/.
if ! (ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null) | grep -q libvulkan.so.1; then
  export LD_LIBRARY_PATH="$here/lib\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
# Containers often bring NVIDIA's driver without the file that tells Vulkan of it.
if [ -z "\${VK_DRIVER_FILES:-}" ] && ! ls /usr/share/vulkan/icd.d/*nvidia* /etc/vulkan/icd.d/*nvidia* >/dev/null 2>&1; then
  for library in libGLX_nvidia.so.0 libEGL_nvidia.so.0; do
    if (ldconfig -p 2>/dev/null || /sbin/ldconfig -p 2>/dev/null) | grep -q "$library"; then
      printf '{"file_format_version":"1.0.0","ICD":{"library_path":"%s","api_version":"1.3.0"}}' "$library" > "$here/nvidia_icd.json"
      export VK_DRIVER_FILES="$here/nvidia_icd.json" VK_ICD_FILENAMES="$here/nvidia_icd.json"
      break
    fi
  done
fi
export XDG_RUNTIME_DIR="\${XDG_RUNTIME_DIR:-/tmp}"
exec "$here/node" "$here/bench.mjs" "$@"
`;

const README = `Tacit on a graphics card: exactness and rates.

Needs: x86-64 Linux with glibc 2.34 or newer, and a graphics card with a Vulkan driver (for NVIDIA: its proprietary driver with the
graphics libraries, in containers NVIDIA_DRIVER_CAPABILITIES=all). Nothing is installed, nothing is sent anywhere.

  ./run.sh            exactness tests of all kernels, then the benchmark: a few minutes; results.json is written here
  ./run.sh --quick    one variant and small sizes

node, bench.mjs  the program            node_modules/webgpu  Dawn, Google's WebGPU (licence inside)
lib/             a Vulkan loader, used only where the system has none (Khronos Group, Apache License 2.0)

"No graphics card with a driver was found": vulkaninfo --summary shows what Vulkan sees; VK_DRIVER_FILES=FILE names a driver's
manifest. A card whose peaks are not in the table is measured without shares.
`;

async function bundle(target: string): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      'The archive is for x86-64 Linux and takes its Node and its package webgpu from such a machine: run this on one.',
    );
  }
  const work = mkdtempSync(join(tmpdir(), 'tacit-gpu-bench-'));
  const folder = join(work, NAME);
  try {
    mkdirSync(folder);
    await build({
      root,
      configFile: false,
      logLevel: 'warn',
      ssr: { noExternal: true, external: ['webgpu'] },
      build: {
        ssr: true,
        outDir: folder,
        emptyOutDir: false,
        target: 'node22',
        minify: true,
        rolldownOptions: { input: { bench: entry }, output: { entryFileNames: '[name].mjs', codeSplitting: false } },
      },
    });
    copyFileSync(process.execPath, join(folder, 'node'));
    // Without debug symbols where the tool is there: a quarter less.
    spawnSync('strip', ['--strip-unneeded', join(folder, 'node')]);
    chmodSync(join(folder, 'node'), 0o755);
    const [from, to] = [join(root, 'node_modules/webgpu'), join(folder, 'node_modules/webgpu')];
    for (const part of ['package.json', 'index.js', 'LICENSE.md', 'dist/linux-x64']) {
      if (existsSync(join(from, part))) cpSync(join(from, part), join(to, part), { recursive: true });
    }
    const loader = LOADERS.find((path) => existsSync(path));
    if (loader === undefined)
      process.stderr.write('This machine has no Vulkan loader (libvulkan1): the archive goes without.\n');
    else {
      mkdirSync(join(folder, 'lib'));
      // The file itself, not the link to it.
      copyFileSync(loader, join(folder, 'lib/libvulkan.so.1'));
    }
    writeFileSync(join(folder, 'run.sh'), RUN, { mode: 0o755 });
    writeFileSync(join(folder, 'README.txt'), README);
    mkdirSync(target, { recursive: true });
    const archive = join(target, `${NAME}.tar.xz`);
    execFileSync('tar', ['-cJf', archive, '-C', work, NAME], {
      env: { ...process.env, XZ_OPT: process.env['XZ_OPT'] ?? '-6 -T0' },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const { size } = statSync(archive);
    if (size > LIMIT_BYTES) throw new Error(`${archive} has ${size} bytes, more than ${LIMIT_BYTES}.`);
    const self = join(target, `${NAME}.run`);
    const head = `#!/bin/sh\nset -eu\ntail -n +6 "$0" | tar -xJf -\ncd ${NAME}\nexec ./run.sh "$@"\n`;
    writeFileSync(self, Buffer.concat([Buffer.from(head), readFileSync(archive)]), { mode: 0o755 });
    process.stdout.write(`${archive}\n${self}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { bundle: { type: 'string' }, quick: { type: 'boolean', default: false } } });
if (values.bundle === undefined) {
  const ended = spawnSync(process.execPath, [entry, ...(values.quick ? ['--quick'] : [])], { stdio: 'inherit' });
  process.exitCode = ended.status ?? 1;
} else {
  await bundle(resolve(values.bundle));
}
