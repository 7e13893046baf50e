/** A GPU device on the software driver of Debian's chromium: exact like a card, slow, the same everywhere. */
import type { NodeGpu } from '../../main/host/gpu/node-gpu.ts';

const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

let opened: Promise<NodeGpu> | undefined;

/** The same device for all tests of a process. Suites that call it need chromium and libvulkan1 (requires.ts). */
export function softwareGpu(): Promise<NodeGpu> {
  // Old Vulkan loaders know only the second name; the loader reads them when the first adapter is asked for.
  process.env['VK_DRIVER_FILES'] = DRIVER;
  process.env['VK_ICD_FILENAMES'] = DRIVER;
  process.env['XDG_RUNTIME_DIR'] ??= '/tmp';
  opened ??= import('../../main/host/gpu/node-gpu.ts').then(({ openNodeGpu }) => openNodeGpu());
  return opened;
}
