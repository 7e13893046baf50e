/** The worker that holds a GPU device and serves one port: the kernels' only home in the renderer. Knows nothing of jobs. */
import { serveKernels } from '../../../engine/kernels/remote/serve.ts';
import type { FramePort } from '../../../engine/kernels/remote/frames.ts';
import { openGpu } from '../../../engine/kernels/webgpu/device.ts';
import { MachineError } from '../../../shared/errors.ts';

function framePort(port: MessagePort): FramePort {
  const closed: (() => void)[] = [];
  const end = (): void => {
    for (const listener of closed.splice(0)) listener();
    // The page ends this worker, and the device with it.
    self.postMessage('closed');
  };
  return {
    // Not transferred: what a page transfers is lost on the way to Electron's other processes (electron/electron#34905).
    send: (frame) => port.postMessage(frame),
    onFrame: (listener) => {
      port.addEventListener('message', ({ data }: MessageEvent<Uint8Array>) => listener(data));
      port.start();
    },
    onClose: (listener) => {
      closed.push(listener);
      port.addEventListener('close', end);
    },
    close: () => port.close(),
  };
}

self.addEventListener('message', ({ ports: [port] }: MessageEvent) => {
  if (port === undefined) return;
  serveKernels(framePort(port), async () => {
    const gpu = (navigator as Navigator & { readonly gpu?: GPU }).gpu;
    if (gpu === undefined) {
      throw new MachineError(
        'gpu-no-adapter',
        'This page has no WebGPU: it is no secure context, or it is switched off.',
        {
          hint: 'Run on the CPU.',
        },
      );
    }
    return await openGpu(gpu);
  });
});
