/**
 * A GPU device on the software driver of Debian's chromium: exact like a card, slow, the same everywhere. TACIT_TEST_VULKAN_DRIVER
 * names the manifest of another one, such as a newer lavapipe, which offers matrix units.
 */
import { openNodeGpu } from '../../main/host/gpu/node-gpu.ts';
import type { OpenedGpu } from '../../engine/kernels/webgpu/device.ts';

const DRIVER = process.env['TACIT_TEST_VULKAN_DRIVER'] ?? '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Environment of a process that uses it. Old Vulkan loaders know only the second name. */
export const SOFTWARE_DRIVER = {
  VK_DRIVER_FILES: DRIVER,
  VK_ICD_FILENAMES: DRIVER,
  XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? '/tmp',
};

/** A device of its own. Suites that call it need chromium and libvulkan1 (requires.ts). */
export function openSoftwareGpu(): Promise<OpenedGpu> {
  // The loader reads it when the first adapter is asked for.
  Object.assign(process.env, SOFTWARE_DRIVER);
  return openNodeGpu();
}

let opened: Promise<OpenedGpu> | undefined;

/** The same device for all tests of a file. */
export function softwareGpu(): Promise<OpenedGpu> {
  opened ??= openSoftwareGpu();
  return opened;
}
