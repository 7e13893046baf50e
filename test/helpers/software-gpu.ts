/** A GPU device on the software driver of Debian's chromium: exact like a card, slow, the same everywhere. */
import { openNodeGpu } from '../../main/host/gpu/node-gpu.ts';
import type { NodeGpu } from '../../main/host/gpu/node-gpu.ts';

const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** A device of its own. Suites that call it need chromium and libvulkan1 (requires.ts). */
export function openSoftwareGpu(): Promise<NodeGpu> {
  // Old Vulkan loaders know only the second name; the loader reads them when the first adapter is asked for.
  process.env['VK_DRIVER_FILES'] = DRIVER;
  process.env['VK_ICD_FILENAMES'] = DRIVER;
  process.env['XDG_RUNTIME_DIR'] ??= '/tmp';
  return openNodeGpu();
}

let opened: Promise<NodeGpu> | undefined;

/** The same device for all tests of a file. */
export function softwareGpu(): Promise<NodeGpu> {
  opened ??= openSoftwareGpu();
  return opened;
}
