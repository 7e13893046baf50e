/** The GPU kernels on the software driver. The long variants of products are in webgpu-long.test.ts. */
import { vi } from 'vitest';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { requires } from '../../helpers/requires.ts';
import { softwareGpu } from '../../helpers/software-gpu.ts';
import { kernelsCompliance } from './suite.ts';

// Hundreds of small products and kernels to compile: half a minute for a test where other programs run too.
vi.setConfig({ testTimeout: 300_000 });

requires('chromium', 'libvulkan1')('GPU kernels on the software driver', () => {
  kernelsCompliance('webgpu', async () => new WebGpuKernels({ ...(await softwareGpu()), matmul: 'imad9_2x2' }));
});
