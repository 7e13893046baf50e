/** A message port of this process as a carrier of frames to the GPU page. Knows nothing of what frames mean. */
import type { MessagePort } from 'node:worker_threads';
import type { FramePort } from '../../../engine/kernels/remote/frames.ts';

export function framePort(port: MessagePort): FramePort {
  return {
    send: (frame) => port.postMessage(frame, [frame.buffer]),
    onFrame: (listener) => void port.on('message', (frame: Uint8Array) => listener(frame)),
    onClose: (listener) => void port.on('close', listener),
    close: () => port.close(),
  };
}
