/**
 * Chooses what TensorFlow.js computes with: tfjs-node-gpu where the user installed it and it loads, else the portable CPU
 * backend. Knows nothing of models.
 */
import * as tf from '@tensorflow/tfjs-core';
import { useFastConvolutions } from './convolution-kernels.ts';
import { useFastMatmul } from './matmul-kernel.ts';
import { TENSORFLOW_PACKAGE } from './tensorflow-package.ts';
import { useFastTranspose } from './transpose-kernel.ts';

export interface BaselineBackend {
  /** TensorFlow.js' own name: `tensorflow` or `cpu`. */
  readonly name: string;
  /** One sentence for people: what computes, and why not the GPU. */
  readonly description: string;
}

let chosen: Promise<BaselineBackend> | undefined;

/** The backend, loaded on the first call; later calls give the same answer. */
export function baselineBackend(): Promise<BaselineBackend> {
  chosen ??= choose();
  return chosen;
}

async function choose(): Promise<BaselineBackend> {
  // Production mode leaves out TensorFlow.js' advice on the console and its checks of every intermediate tensor.
  tf.enableProdMode();
  const missing = await loadGpu();
  if (missing === undefined)
    return { name: tf.getBackend(), description: 'TensorFlow on this machine (tfjs-node-gpu)' };
  await import('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  useFastMatmul();
  useFastConvolutions();
  useFastTranspose();
  return { name: 'cpu', description: `TensorFlow.js on the CPU (tfjs-node-gpu ${missing})` };
}

/** Why tfjs-node-gpu cannot be used, or undefined when it is in place. */
async function loadGpu(): Promise<string | undefined> {
  // An optional peer: the compiler must not look for it.
  const optional: string = TENSORFLOW_PACKAGE;
  try {
    await import(optional);
    return (await tf.setBackend('tensorflow')) ? undefined : 'is installed but does not start';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'ERR_MODULE_NOT_FOUND' ? 'is not installed' : 'is installed but does not load';
  }
}
