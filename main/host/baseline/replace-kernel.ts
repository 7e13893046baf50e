/** Puts faster kernels in the place of those of TensorFlow.js' CPU backend. Knows no kernel. */
import * as tf from '@tensorflow/tfjs-core';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';

export interface KernelCall {
  readonly backend: MathBackendCPU;
  readonly inputs: tf.NamedTensorInfoMap;
  /** As the operation of the kernel documents them. */
  readonly attributes: unknown;
}

/** What a kernel computes, or undefined where it leaves the call to the backend's own. */
export type FasterKernel = (call: KernelCall) => tf.TensorInfo | undefined;

/** Call once for a kernel, after loading the backend. */
export function replaceKernel(kernelName: string, faster: FasterKernel): void {
  const original = tf.getKernel(kernelName, 'cpu');
  tf.unregisterKernel(kernelName, 'cpu');
  tf.registerKernel({
    ...original,
    kernelFunc: (call) =>
      faster({ backend: call.backend as MathBackendCPU, inputs: call.inputs, attributes: call.attrs }) ??
      original.kernelFunc(call),
  });
}

export function floats(backend: MathBackendCPU, tensor: tf.TensorInfo): Float32Array {
  return backend.data.get(tensor.dataId).values as Float32Array;
}
