/** All benchmarks in the order in which they run. Each is loaded when it runs. */
import type { Benchmark } from './benchmark.ts';

export const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  kernels: async () => (await import('./kernels.ts')).kernels,
  relu: async () => (await import('./relu.ts')).relu,
  'mlp-step': async () => (await import('./mlp-step.ts')).mlpStep,
  logistic: async () => (await import('./logistic.ts')).logistic,
  accuracy: async () => (await import('./accuracy.ts')).accuracy,
  links: async () => (await import('./links.ts')).links,
  join: async () => (await import('./join.ts')).join,
};
