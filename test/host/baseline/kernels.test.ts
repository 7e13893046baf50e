/** The faster kernels of the plaintext baseline compute what those of TensorFlow.js' CPU backend compute, and do so themselves. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
// Brings the gradients.
import '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { useFastConvolutions } from '../../../main/host/baseline/convolution-kernels.ts';
import { useFastMatmul } from '../../../main/host/baseline/matmul-kernel.ts';
import { useFastTranspose } from '../../../main/host/baseline/transpose-kernel.ts';

type Work = () => tf.Tensor[];

const KERNELS = [
  ...['BatchMatMul', '_FusedMatMul', 'Transpose'],
  ...['Conv2D', 'FusedConv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput'],
];

const noise = (shape: number[], seed: number): tf.Tensor => {
  const size = shape.reduce((product, n) => product * n, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + seed)),
    shape,
  );
};

const convolution =
  (
    image: [number, number, number, number],
    filter: [number, number, number, number],
    strides: [number, number],
    pad: 'valid' | 'same' | [[0, 0], [number, number], [number, number], [0, 0]],
  ): Work =>
  () => {
    const [x, w] = [noise(image, 1) as tf.Tensor4D, noise(filter, 2) as tf.Tensor4D];
    const y = tf.conv2d(x, w, strides, pad);
    const dy = noise(y.shape, 3) as tf.Tensor4D;
    const { value, grads } = tf.valueAndGrads((a, b) =>
      tf.sum(tf.mul(tf.conv2d(a as tf.Tensor4D, b as tf.Tensor4D, strides, pad), dy)),
    )([x, w]);
    const bias = noise([filter[3]], 4) as tf.Tensor1D;
    return [y, value, ...grads, tf.fused.conv2d({ x, filter: w, strides, pad, bias })];
  };

const cases: Readonly<Record<string, Work>> = {
  'one channel, valid': convolution([3, 9, 8, 1], [5, 5, 1, 4], [1, 1], 'valid'),
  'same padding': convolution([2, 6, 7, 3], [3, 2, 3, 5], [1, 1], 'same'),
  strides: convolution([2, 9, 10, 2], [3, 3, 2, 3], [2, 3], 'same'),
  'explicit padding': convolution(
    [1, 5, 5, 4],
    [4, 3, 4, 2],
    [2, 1],
    [
      [0, 0],
      [2, 1],
      [0, 3],
      [0, 0],
    ],
  ),
  'dilation, forward': () => [
    tf.conv2d(noise([2, 9, 9, 2], 1) as tf.Tensor4D, noise([3, 2, 2, 3], 2) as tf.Tensor4D, 1, 'valid', 'NHWC', [2, 3]),
  ],
  'products, transposed or not': () =>
    [false, true].flatMap((left) =>
      [false, true].map((right) =>
        tf.matMul(noise(left ? [7, 5] : [5, 7], 1), noise(right ? [6, 7] : [7, 6], 2), left, right),
      ),
    ),
  'a product with a bias': () => [tf.fused.matMul({ a: noise([5, 9], 1), b: noise([9, 3], 2), bias: noise([3], 3) })],
  'permuted axes': () => [
    ...[
      [0, 1],
      [1, 0],
    ].map((order) => tf.transpose(noise([4, 5], 1), order)),
    ...[
      [0, 2, 3, 1],
      [0, 3, 1, 2],
      [3, 2, 1, 0],
      [0, 1, 2, 3],
      [1, 0, 3, 2],
    ].map((order) => tf.transpose(noise([2, 3, 4, 5], 1), order)),
    tf.transpose(noise([3, 0, 2], 1), [2, 0, 1]),
  ],
};

describe('faster kernels', () => {
  const expected = new Map<string, tf.Tensor[]>();
  let leftToTheBackend = 0;

  beforeAll(async () => {
    await tf.setBackend('cpu');
    for (const [name, work] of Object.entries(cases)) expected.set(name, work());
    for (const name of KERNELS) {
      const original = tf.getKernel(name, 'cpu');
      tf.unregisterKernel(name, 'cpu');
      tf.registerKernel({
        ...original,
        kernelFunc: (call) => {
          leftToTheBackend++;
          return original.kernelFunc(call);
        },
      });
    }
    useFastMatmul();
    useFastConvolutions();
    useFastTranspose();
  });

  test.each(Object.entries(cases))('%s', (name, work) => {
    leftToTheBackend = 0;
    const results = work();
    expect(leftToTheBackend).toBe(0);
    results.forEach((result, i) => {
      const own = expected.get(name)![i]!;
      expect(result.shape).toEqual(own.shape);
      const [values, reference] = [result.dataSync(), own.dataSync()];
      reference.forEach((value, at) =>
        expect(Math.abs(values[at]! - value)).toBeLessThan(1e-5 * (1 + Math.abs(value))),
      );
    });
  });

  test('channels first, batches of matrices and activations stay with the backend', () => {
    leftToTheBackend = 0;
    tf.conv2d(noise([1, 2, 5, 5], 1) as tf.Tensor4D, noise([3, 3, 2, 2], 2) as tf.Tensor4D, 1, 'valid', 'NCHW');
    tf.matMul(noise([3, 2, 2], 1), noise([3, 2, 2], 2));
    tf.fused.matMul({ a: noise([2, 2], 1), b: noise([2, 2], 2), activation: 'relu' });
    expect(leftToTheBackend).toBe(3);
  });
});
