/** Parties that are simulated or rehearsed in one process, on the graphics card of this machine. */
import { expect, test } from 'vitest';
import { openNodeGpu } from '../../../main/host/gpu/node-gpu.ts';
import { sourceOf } from '../../../main/host/gpu/gpu-kernels.ts';
import { GpuSettings, forgetfulSettings } from '../../../main/host/gpu/gpu-settings.ts';
import { localKernels } from '../../../main/host/gpu/local-kernels.ts';
import { inferPrivately } from '../../../main/host/inference/private-inference.ts';
import type { InferenceOptions } from '../../../main/host/inference/private-inference.ts';
import { rehearse } from '../../../main/host/results/rehearsal.ts';
import { MachineError } from '../../../shared/errors.ts';
import { mlp } from '../../engine/models/sample-models.ts';
import { requires } from '../../helpers/requires.ts';
import { softwareGpu } from '../../helpers/software-gpu.ts';
import { twinPlan } from '../../helpers/training-twins.ts';

const description = {
  inputShape: [3],
  layers: [
    { kind: 'dense', name: 'first', inputs: 3, outputs: 2, useBias: true },
    { kind: 'softmax', name: 'softmax' },
  ],
} as const;
const plan = twinPlan({ description, classes: 2, rows: 4, batch: 4, steps: 1 });
const executions = [...plan.programs.keys()].map((program) => ({ program }));

test('without a card every party has CPU kernels of its own, and the reason is told', async () => {
  const local = await localKernels({
    preference: 'webgpu',
    threads: 1,
    plan,
    executions,
    openGpu: () => Promise.reject(new MachineError('gpu-no-adapter', 'No graphics card with a driver was found.')),
  });
  const [first, second] = [await local.next(), await local.next()];
  expect(first).not.toBe(second);
  expect([first.name, second.name]).toEqual(['wasm', 'wasm']);
  expect(local.report()).toMatchObject({ kernels: 'wasm', reason: 'No graphics card with a driver was found.' });
  await Promise.all([first.dispose(), second.dispose(), local.close()]);
});

requires('chromium', 'libvulkan1')('on a graphics card, by the software driver', () => {
  test('all parties share it, a rehearsal runs on it, and its use ends well', async () => {
    const settings = new GpuSettings(forgetfulSettings());
    settings.begin();
    const local = await localKernels({
      preference: 'webgpu',
      threads: 1,
      plan,
      executions,
      settings,
      openGpu: async () => sourceOf(await softwareGpu()),
    });
    expect(settings.isSuspect).toBe(true);
    const rehearsed = await rehearse(plan, local.next);
    expect(rehearsed.map(({ program }) => program)).toEqual([...plan.programs.keys()]);
    // On the device's clock: unpacking, kernels by layer, and what of the wait is neither.
    for (const activity of ['upload', 'compute', 'readback'] as const) {
      expect(rehearsed.some(({ activityMs }) => (activityMs[activity] ?? 0) > 0)).toBe(true);
    }
    expect(
      rehearsed.some(({ layerMs }) => [...layerMs].some(([layer, ms]) => layer.startsWith('first') && ms > 0)),
    ).toBe(true);
    expect(local.report()).toMatchObject({ kernels: 'webgpu', onCpu: [] });
    await local.close();
    expect(settings.isSuspect).toBe(false);
  }, 300_000);

  test('private inference answers as on the CPU, with the same bytes', async () => {
    // The driver is found by the environment from now on.
    await softwareGpu();
    const x = Float64Array.from({ length: 12 }, (_, i) => (i - 6) / 4);
    const options: InferenceOptions = {
      model: mlp,
      inputs: [{ what: 'x', owner: 'a', tensor: { type: 'float64', shape: [4, 3], data: x } }],
      parties: ['a', 'b'],
      modelOwner: 'b',
      transport: 'memory',
      signal: new AbortController().signal,
    };
    const onCpu = await inferPrivately(options);
    const onCard = await inferPrivately({ ...options, kernelPreference: 'webgpu' });
    expect(onCpu.computedOn).toMatchObject({ kernels: 'wasm', reason: 'it was asked for.' });
    expect(onCard.computedOn).toMatchObject({ kernels: 'webgpu', adapter: (await openNodeGpu()).description });
    // Masks are drawn anew, and with them the last bits of truncations.
    const [expected, answered] = [onCpu, onCard].map(({ outputs }) => [...(outputs[0]?.data ?? [])].map(Number));
    expect(answered).toEqual(expected?.map((value) => expect.closeTo(value, 3)));
    expect(onCard.traffic).toEqual(onCpu.traffic);
  }, 300_000);
});
