/**
 * Loaded into a process before its own code (NODE_OPTIONS=--import): every GPU device of its threads is lost after as many
 * submissions as TACIT_TEST_LOSE_GPU_AFTER says, as when a driver is reset in the middle of a step.
 */
import { isMainThread } from 'node:worker_threads';

const after = Number(process.env['TACIT_TEST_LOSE_GPU_AFTER']);

if (!isMainThread) {
  const { globals } = (await import('webgpu')) as unknown as { globals: { GPUAdapter: { prototype: GPUAdapter } } };
  const { prototype } = globals.GPUAdapter;
  const requestDevice = Reflect.get<GPUAdapter, 'requestDevice'>(prototype, 'requestDevice');
  prototype.requestDevice = async function (this: GPUAdapter, descriptor) {
    const device = await requestDevice.call(this, descriptor);
    const submit = device.queue.submit.bind(device.queue);
    let submissions = 0;
    device.queue.submit = (buffers) => {
      submit(buffers);
      if (++submissions === after) device.destroy();
    };
    return device;
  };
}
