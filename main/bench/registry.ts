/** All benchmarks by name. Each is loaded when it runs. */
import type { Benchmark } from './benchmark.ts';

export const benchmarks: Readonly<Record<string, () => Promise<Benchmark>>> = {
  kernels: async () => (await import('./kernels.ts')).kernels,
  relu: async () => (await import('./relu.ts')).relu,
  'mlp-step': async () => (await import('./mlp-step.ts')).mlpStep,
  logistic: async () => (await import('./logistic.ts')).logistic,
  accuracy: async () => (await import('./accuracy.ts')).accuracy,
  networks: async () => (await import('./networks.ts')).networks,
  links: async () => (await import('./links.ts')).links,
  join: async () => (await import('./join.ts')).join,
  gpu: async () => (await import('./gpu.ts')).gpu,
  'hidden-join': async () => (await import('./hidden-join.ts')).hiddenJoin(100_000),
};

/** They take minutes or gigabytes, or a graphics card. */
const ONLY_BY_NAME = ['networks', 'gpu', 'join', 'hidden-join'];

/** Those that run where none is named, in order: a minute or two, in a few hundred megabytes. */
export const usualBenchmarks: readonly string[] = Object.keys(benchmarks).filter(
  (name) => !ONLY_BY_NAME.includes(name),
);
