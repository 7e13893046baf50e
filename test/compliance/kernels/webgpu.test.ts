/** The GPU kernels on the software driver. The long variants of products are in webgpu-long.test.ts. */
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { requires } from '../../helpers/requires.ts';
import { softwareGpu } from '../../helpers/software-gpu.ts';
import { kernelsCompliance } from './suite.ts';

requires('chromium', 'libvulkan1')('GPU kernels on the software driver', () => {
  kernelsCompliance('webgpu', async () => new WebGpuKernels({ ...(await softwareGpu()), matmul: 'imad9_2x2' }));
});
