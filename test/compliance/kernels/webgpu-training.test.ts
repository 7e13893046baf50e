/** Training on the GPU kernels leaves the shares that the CPU kernels leave, and moves nothing else than the plan says. */
import { expect, test } from 'vitest';
import { WebGpuKernels } from '../../../engine/kernels/webgpu/webgpu.ts';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { requires } from '../../helpers/requires.ts';
import { softwareGpu } from '../../helpers/software-gpu.ts';
import { expectTwins, plannedTraffic } from '../../helpers/training-twins.ts';

requires('chromium', 'libvulkan1')('training on the GPU', () => {
  test('twenty steps of a multilayer perceptron: the same shares, one transfer a round', async () => {
    const gpu = new WebGpuKernels({ ...(await softwareGpu()), matmul: 'imad9_2x2' });
    const cpu = await wasmKernels({ threads: 1 });
    const layers = [
      { kind: 'dense', name: 'first', inputs: 12, outputs: 9, useBias: true },
      { kind: 'relu', name: 'relu' },
      { kind: 'dense', name: 'second', inputs: 9, outputs: 3, useBias: true },
      { kind: 'softmax', name: 'softmax' },
    ] as const;
    const job = { description: { inputShape: [12], layers }, classes: 3, rows: 16, batch: 8, steps: 20 };
    await expectTwins(job, [cpu, gpu], async (planned, execution, execute) => {
      const before = gpu.counters();
      await execute();
      const after = gpu.counters();
      const moved = { bytesUp: after.bytesUp - before.bytesUp, bytesDown: after.bytesDown - before.bytesDown };
      expect(moved).toEqual(plannedTraffic(planned, execution));
      const exchanges = planned.parties.flatMap(({ rounds }) =>
        rounds.filter(({ openings, reveals }) => openings.length + reveals.length > 0),
      );
      const dealt = planned.dealer.stages.filter(({ corrections }) => corrections.length > 0);
      expect(after.waits - before.waits).toBe(exchanges.length + dealt.length);
      // One for what leads to an exchange, one for what is computed meanwhile, one for what is kept in the end.
      const meanwhile = planned.parties.flatMap(({ rounds, stores }) =>
        [...rounds.map(({ during }) => during), stores].filter((program) => program.length > 0),
      );
      const silent = planned.parties.flatMap(({ rounds }) =>
        rounds.filter(({ openings, reveals }) => openings.length + reveals.length === 0),
      );
      const most = exchanges.length + meanwhile.length + silent.length + planned.dealer.stages.length;
      expect(after.submissions - before.submissions).toBeLessThanOrEqual(most);
    });
    await cpu.dispose();
  }, 300_000);
});
