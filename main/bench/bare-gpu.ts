/**
 * Entry of the benchmark of a graphics card on a bare machine (scripts/bench-gpu.ts bundles it): exactness tests, then figures,
 * as lines for people and results.json for others. Exits with 1 where a variant is wrong or there is no card.
 * `--quick` is for drivers that compute on the CPU, and is taken for them by itself.
 */
import { writeFileSync } from 'node:fs';
import { cpus, platform, release } from 'node:os';
import { benchProducts } from '../../engine/kernels/measure.ts';
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { TacitError } from '../../shared/errors.ts';
import { openNodeGpu } from '../host/gpu/node-gpu.ts';
import type { BenchmarkContext } from './benchmark.ts';
import { cardPeaks } from './gpu-cards.ts';
import { FULL, QUICK, exactness, gpuFigures } from './gpu-figures.ts';

const RESULTS = 'results.json';

function rateText(value: number, unit: string): string {
  const digits = Math.abs(value) >= 1e-3 ? value.toPrecision(4) : value.toExponential(3);
  return unit === 'times'
    ? `${(100 * value).toFixed(1)} %`
    : `${Math.abs(value) >= 1e6 ? value.toExponential(3) : digits} ${unit}`;
}

async function main(): Promise<boolean> {
  const print = (line: string): boolean => process.stdout.write(`${line}\n`);
  const context: BenchmarkContext = {
    signal: new AbortController().signal,
    report: (phase) => process.stderr.write(`... ${phase}\n`),
  };
  const gpu = await openNodeGpu();
  const { device, description } = gpu;
  const quick = gpu.isSoftware || process.argv.includes('--quick');
  print(`${description}${gpu.isSoftware ? ' (no graphics card: a driver that computes on the CPU)' : ''}`);
  print(`${platform()} ${release()}, Node ${process.versions.node}, ${cpus()[0]?.model.trim() ?? 'unknown processor'}`);
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = device.limits;
  print(
    `limits: buffer ${maxBufferSize}, binding ${maxStorageBufferBindingSize}, workgroup ${maxComputeWorkgroupStorageSize}`,
  );
  print(`features: ${[...device.features].join(', ')}`);
  print(`peaks: ${cardPeaks(description)?.name ?? 'this card is not in the table (main/bench/gpu-cards.ts)'}`);
  print('32-bit floating point stands beside; WebGPU has no 64-bit floating point.');
  const effort = quick ? QUICK : FULL;
  const tested = await exactness(gpu, effort, context);
  for (const { variant, failure } of tested) print(`exact: ${variant}: ${failure ?? 'yes'}`);
  const exact = tested.filter(({ failure }) => failure === undefined).map(({ variant }) => variant);
  const figures = await gpuFigures(gpu, exact, effort, context);
  const cpu = await wasmKernels({ threads: 1 });
  const onCpu = await benchProducts(cpu, [512]);
  await cpu.dispose();
  figures.push(...onCpu.map(({ name, value, unit }) => ({ name: `${name}, one core of the CPU`, value, unit })));
  for (const { name, value, unit } of figures) print(`${name}: ${rateText(value, unit)}`);
  const results = { description, isSoftware: gpu.isSoftware, quick, exactness: tested, figures };
  writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`);
  print(`Written: ${RESULTS}`);
  return exact.length === tested.length;
}

const passed = await main().catch((error: unknown) => {
  const text =
    error instanceof TacitError ? error.line : error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`${text}\n`);
  return false;
});
process.exit(passed ? 0 : 1);
