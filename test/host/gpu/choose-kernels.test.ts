/** What a job computes on, and what is said of it: every way in which a graphics card can be in the way of itself. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Kernels } from '../../../engine/kernels/kernels.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { chooseKernels } from '../../../main/host/gpu/choose-kernels.ts';
import type { ChosenKernels } from '../../../main/host/gpu/choose-kernels.ts';
import { sourceOf } from '../../../main/host/gpu/gpu-kernels.ts';
import type { GpuSource } from '../../../main/host/gpu/gpu-kernels.ts';
import { GpuSettings } from '../../../main/host/gpu/gpu-settings.ts';
import { dealerWork, partyWork } from '../../../main/host/gpu/plan-work.ts';
import type { PlanWork } from '../../../main/host/gpu/plan-work.ts';
import { MachineError } from '../../../shared/errors.ts';
import type { KernelPreference } from '../../../shared/kernel-choice.ts';
import { requires } from '../../helpers/requires.ts';
import { openSoftwareGpu, softwareGpu } from '../../helpers/software-gpu.ts';
import { expectTwins, twinPlan } from '../../helpers/training-twins.ts';
import { temporaryStore } from '../store/temporary.ts';

vi.setConfig({ testTimeout: 300_000 });

const description = {
  inputShape: [6],
  layers: [
    { kind: 'dense', name: 'first', inputs: 6, outputs: 5, useBias: true },
    { kind: 'relu', name: 'relu' },
    { kind: 'dense', name: 'second', inputs: 5, outputs: 2, useBias: true },
    { kind: 'softmax', name: 'softmax' },
  ],
} as const;
const job = { description, classes: 2, rows: 8, batch: 4, steps: 2 };
const plan = twinPlan(job);
const executions = [...plan.programs.keys()].map((program) => ({ program }));
const work = partyWork(plan, 0, executions);

const settings = (): GpuSettings => new GpuSettings(temporaryStore().settings);

interface Choice {
  readonly preference: KernelPreference;
  readonly openGpu: () => Promise<GpuSource>;
  readonly settings?: GpuSettings;
  readonly work?: PlanWork;
}

async function choose(choice: Choice): Promise<ChosenKernels & { notices: string[]; refused: string[] }> {
  const notices: string[] = [];
  const refused: string[] = [];
  const chosen = await chooseKernels({
    threads: 1,
    work,
    settings: choice.settings ?? settings(),
    onLost: (text) => notices.push(text),
    onRefused: (text) => refused.push(text),
    ...choice,
  });
  return { ...chosen, notices, refused };
}

/** A card of another kind of kernels, which are right. */
function cardOf(make: () => Promise<Kernels>): () => Promise<GpuSource> {
  return async () => {
    const kernels = await make();
    return {
      description: 'a card, driver 1',
      isSoftware: false,
      variants: ['imad9_2x2', 'hyb6_4x4'],
      rates: () => Promise.resolve([{ variant: 'hyb6_4x4', multiplyAddsPerSecond: 1e12 }]),
      kernels: () => kernels,
    };
  };
}

const noCard = (): Promise<GpuSource> =>
  Promise.reject(new MachineError('gpu-no-adapter', 'No graphics card with a driver was found.'));

describe('the CPU computes', () => {
  test('where it was asked for: no card is touched', async () => {
    const { kernels, report } = await choose({
      preference: 'wasm',
      openGpu: () => Promise.reject(new Error('touched')),
    });
    expect(kernels.name).toBe('wasm');
    expect(report()).toEqual({ kernels: 'wasm', reason: 'it was asked for.', notices: [], onCpu: [] });
    await kernels.dispose();
  });

  test.each(['auto', 'webgpu'] as const)('where there is no card (%s)', async (preference) => {
    const { kernels, report } = await choose({ preference, openGpu: noCard });
    expect(report()).toEqual({
      kernels: 'wasm',
      reason: 'No graphics card with a driver was found.',
      notices: [],
      onCpu: [],
    });
    await kernels.dispose();
  });

  test('where the card is slower on the work of the plan', async () => {
    // By a clock that goes on only while the card computes.
    let nowMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    onTestFinished(() => clock.mockRestore());
    const slow = async (): Promise<Kernels> => {
      const cpu = await wasmKernels({ threads: 1 });
      const { run } = cpu;
      const lingering: Kernels['run'] = async (memory, program) => {
        await run.call(cpu, memory, program);
        nowMs += 5;
      };
      return Object.assign(cpu, { run: lingering });
    };
    const { kernels, report } = await choose({ preference: 'auto', openGpu: cardOf(slow) });
    expect(report()).toMatchObject({ kernels: 'wasm', adapter: 'a card, driver 1' });
    expect(report().reason).toMatch(/ms on a card, driver 1, .* ms on the CPU for \d+ of \d+ rounds of /);
    await kernels.dispose();
  });

  test('where the last uses of the card ended with the process, until one is asked for and ends well', async () => {
    const remembered = settings();
    for (let crash = 0; crash < 2; crash++) {
      expect(remembered.isSuspect).toBe(false);
      remembered.begin();
    }
    const openGpu = cardOf(() => wasmKernels({ threads: 1 }));
    const suspect = await choose({ preference: 'auto', openGpu, settings: remembered });
    expect(suspect.report()).toMatchObject({
      kernels: 'wasm',
      reason: expect.stringContaining('ended with the process'),
    });
    const asked = await choose({ preference: 'webgpu', openGpu, settings: remembered });
    expect(asked.report().kernels).toBe('webgpu');
    expect(remembered.isSuspect).toBe(true);
    asked.attemptEnded();
    expect(remembered.isSuspect).toBe(false);
    await suspect.kernels.dispose();
    await asked.kernels.dispose();
  });
});

test('the variant that was fastest is kept by card and driver', async () => {
  const remembered = settings();
  const openGpu = cardOf(() => wasmKernels({ threads: 1 }));
  const first = await choose({ preference: 'webgpu', openGpu, settings: remembered });
  expect(remembered.variant('a card, driver 1')).toBe('hyb6_4x4');
  expect(remembered.variant('a card, driver 2')).toBeUndefined();
  const measured = vi.fn(() => Promise.resolve([]));
  const again = async (): Promise<GpuSource> => ({ ...(await openGpu()), rates: measured });
  const second = await choose({ preference: 'webgpu', openGpu: again, settings: remembered });
  expect(second.report().kernels).toBe('webgpu');
  expect(measured).not.toHaveBeenCalled();
  await first.kernels.dispose();
  await second.kernels.dispose();
});

test('a variant that is quick and wrong is passed over for the next', async () => {
  const remembered = settings();
  const right = await wasmKernels({ threads: 1 });
  const run: Kernels['run'] = async (memory, program, timer) => {
    await right.run(memory, program, timer);
    for (const instruction of program) {
      if (instruction.op === 'matmul') memory.write({ ...instruction.out, length: 1 }, Uint8Array.of(1), 8);
    }
  };
  const wrong: Kernels = {
    name: right.name,
    wordBits: right.wordBits,
    allocate: (bytes) => right.allocate(bytes),
    run,
    dispose: () => Promise.resolve(),
  };
  const openGpu = async (): Promise<GpuSource> => ({
    ...(await cardOf(() => Promise.resolve(right))()),
    rates: () =>
      Promise.resolve([
        { variant: 'hyb6_4x4', multiplyAddsPerSecond: 2e12 },
        { variant: 'imad9_2x2', multiplyAddsPerSecond: 1e12 },
      ]),
    kernels: (matmul) => (matmul === 'hyb6_4x4' ? wrong : right),
  });
  const { kernels, report } = await choose({ preference: 'webgpu', openGpu, settings: remembered });
  expect(report()).toMatchObject({
    kernels: 'webgpu',
    reason: expect.stringContaining('Products by hyb6_4x4 are wrong there, and not used.'),
    onCpu: [],
  });
  expect(remembered.variant('a card, driver 1')).toBe('imad9_2x2');
  await kernels.dispose();
});

test('the work of the dealer is its stages, that of a party its rounds', () => {
  const dealer = dealerWork(plan, executions);
  expect(dealer.rounds.length).toBe(plan.programs.get(dealer.program)?.dealer.stages.length);
  expect(work.rounds.length).toBe(plan.programs.get(work.program)?.parties[0]?.rounds.length);
  expect(work.program).toContain('step');
});

requires('chromium', 'libvulkan1')('a graphics card, by the software driver', () => {
  test('computes where it was asked for, and is left alone otherwise: it is none', async () => {
    const openGpu = async (): Promise<GpuSource> => sourceOf(await softwareGpu());
    const asked = await choose({ preference: 'webgpu', openGpu });
    expect(asked.report()).toMatchObject({ kernels: 'webgpu', adapter: expect.stringMatching(/swiftshader/i) });
    const auto = await choose({ preference: 'auto', openGpu });
    expect(auto.report()).toMatchObject({ kernels: 'wasm', reason: expect.stringContaining('no graphics card') });
    await auto.kernels.dispose();
  });

  test('that computes wrongly is not used', async () => {
    const { device, ...found } = await openSoftwareGpu();
    const createShaderModule = device.createShaderModule.bind(device);
    // One kernel loses a carry.
    device.createShaderModule = ({ code }) =>
      createShaderModule({ code: code.replace('low < a.x', 'low < a.x && low > 9u') });
    const { kernels, report } = await choose({
      preference: 'webgpu',
      openGpu: () => Promise.resolve(sourceOf({ device, ...found })),
    });
    expect(report()).toMatchObject({ kernels: 'wasm', reason: expect.stringContaining('leave other words') });
    await kernels.dispose();
  });

  test('whose driver refuses kernels computes, but for their operations: the CPU carries those out', async () => {
    const { device, ...found } = await openSoftwareGpu();
    const create = device.createComputePipelineAsync.bind(device);
    const createModule = device.createShaderModule.bind(device);
    const beyond = new Set<GPUShaderModule>();
    device.createShaderModule = (descriptor) => {
      const module = createModule(descriptor);
      if (descriptor.code.includes('var<workgroup>')) beyond.add(module);
      return module;
    };
    device.createComputePipelineAsync = (descriptor) =>
      beyond.has(descriptor.compute.module)
        ? Promise.reject(new Error('too much workgroup memory'))
        : create(descriptor);
    const { kernels, report, refused } = await choose({
      preference: 'webgpu',
      openGpu: () => Promise.resolve(sourceOf({ device, ...found })),
    });
    expect(report()).toMatchObject({
      kernels: 'webgpu',
      reason: expect.stringContaining('most operations'),
      onCpu: [],
    });
    const cpu = await wasmKernels({ threads: 1 });
    await expectTwins(job, [cpu, kernels]);
    const { onCpu } = report();
    expect(onCpu.map(({ operation }) => operation)).toContain('matmul');
    for (const { reason } of onCpu) expect(reason).toMatch(/refused the kernel "[^"]+": too much workgroup memory/);
    expect(refused).toHaveLength(onCpu.length);
    await cpu.dispose();
    await kernels.dispose();
  });

  test('that computes one operation wrongly leaves it to the CPU, and its shares are right', async () => {
    const { device, ...found } = await openSoftwareGpu();
    const createShaderModule = device.createShaderModule.bind(device);
    // The wrap term of truncations is added where it should not be.
    device.createShaderModule = ({ code }) => createShaderModule({ code: code.replace('top == 1u', 'top == 0u') });
    const { kernels, report, refused } = await choose({
      preference: 'webgpu',
      openGpu: () => Promise.resolve(sourceOf({ device, ...found })),
    });
    const cpu = await wasmKernels({ threads: 1 });
    await expectTwins(job, [cpu, kernels]);
    expect(report().onCpu).toEqual([
      { operation: 'wrap', reason: expect.stringMatching(/leaves other words than the reference \(byte \d+ of/) },
    ]);
    expect(refused).toEqual([expect.stringContaining('The CPU carries out wrap')]);
    await cpu.dispose();
    await kernels.dispose();
  });

  test('that is smaller than the model is not used', async () => {
    const gpu = await softwareGpu();
    const small = (): Promise<GpuSource> =>
      Promise.resolve({
        ...sourceOf(gpu),
        kernels: (matmul) => new WebGpuKernels({ device: gpu.device, matmul, largestPageBytes: 2 ** 18 }),
      });
    const large = { ...work, memoryBytes: 2 ** 26 };
    const { kernels, report } = await choose({ preference: 'webgpu', openGpu: small, work: large });
    expect(report()).toMatchObject({
      kernels: 'wasm',
      reason: expect.stringMatching(/needs 0.06 GiB of working memory; kernels on this GPU reach 0.00 GiB/),
    });
    await kernels.dispose();
  });

  test('that is lost in training leaves a notice, and the CPU goes on', async () => {
    const { device, ...found } = await openSoftwareGpu();
    const chosen = await choose({
      preference: 'webgpu',
      openGpu: () => Promise.resolve(sourceOf({ device, ...found })),
    });
    const cpu = await wasmKernels({ threads: 1 });
    await expectTwins(job, [cpu, chosen.kernels], async (_planned, execution, execute) => {
      const running = execute();
      if (execution === 2) device.destroy();
      await running;
    });
    expect(chosen.notices).toEqual([expect.stringMatching(/device was lost .*The CPU did the step again and goes on/)]);
    expect(chosen.report()).toMatchObject({ kernels: 'wasm', notices: chosen.notices });
    await cpu.dispose();
  });
});
