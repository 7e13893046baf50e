/** Convolutions never write out their windows: what a plan's memory holds, and that results stay what the layers say. */
import { expect, test } from 'vitest';
import { gradients } from '../../../engine/autograd/gradients.ts';
import type { Instruction } from '../../../engine/kernels/kernels.ts';
import { convolution, transposedConvolution } from '../../../engine/nn/layers/convolution.ts';
import type { ConvolutionForm } from '../../../engine/nn/layers/convolution.ts';
import { averageOfWindows } from '../../../engine/nn/layers/pooling.ts';
import { Graph } from '../../../engine/tensor/graph.ts';
import type { Shape } from '../../../engine/tensor/shape.ts';
import { privateInput } from '../../../engine/tensor/tensor.ts';
import type { Tensor } from '../../../engine/tensor/tensor.ts';
import { TestJob } from '../../helpers/run-job.ts';

const square = (side: number, groups: number, stride = 1): ConvolutionForm => ({
  kernel: [side, side],
  stride: [stride, stride],
  dilation: [1, 1],
  padding: [1, 1, 1, 1],
  groups,
});

/** The plan of images by a kernel, and of both gradients; every factor is another party's, so that each product is masked. */
async function planned(images: Shape, kernel: Shape, trace: (x: Tensor, kernel: Tensor) => Tensor) {
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const [x, weights] = [privateInput(graph, 'x', 'a', images, 2), privateInput(graph, 'kernel', 'b', kernel, 2)];
  const y = trace(x, weights);
  const seed = privateInput(graph, 'seed', 'c', y.shape, 2);
  for (const [i, gradient] of gradients([[y, seed]], [x, weights]).entries()) gradient.reveal(`gradient ${i}`, ['a']);
  y.reveal('result', ['a']);
  const job = await TestJob.start([graph], { parties: 3 });
  await job.close();
  const program = job.plan.programs.get('test');
  if (program === undefined) throw new RangeError('no plan');
  const ofParties = program.parties.flatMap(({ rounds }) =>
    rounds.flatMap(({ before, during }) => [...before, ...during]),
  );
  const ofDealer = program.dealer.stages.flatMap(({ instructions }) => instructions);
  return { ofParties, ofDealer, memoryBytes: Math.max(...program.parties.map((party) => party.memoryBytes)) };
}

/** What stands for windows in products; and how many instructions write windows out or fold them. */
function windowsOf(instructions: readonly Instruction[]): { implicit: string[]; written: number } {
  const implicit = instructions.flatMap((instruction) =>
    instruction.op === 'matmul' && instruction.windows !== undefined ? [instruction.windows.of] : [],
  );
  const written = instructions.filter(({ op }) => op === 'unfold' || op === 'fold').length;
  return { implicit: [...new Set(implicit)].sort(), written };
}

test.each([
  ['a convolution', [4, 8, 16, 16], [8, 8, 3, 3], square(3, 1)],
  ['of groups', [4, 8, 16, 16], [8, 2, 3, 3], square(3, 4)],
  ['of every channel apart', [4, 8, 16, 16], [8, 1, 5, 5], square(5, 8)],
  ['in strides', [4, 8, 16, 16], [8, 8, 3, 3], square(3, 1, 2)],
] as const)('%s: forward and both gradients read and add to the images', async (_, images, kernel, form) => {
  const plan = await planned(images, kernel, (x, weights) => convolution(x, weights, undefined, form).rescaled(16));
  const { ofParties, ofDealer, memoryBytes } = plan;
  expect(windowsOf(ofParties)).toEqual({ implicit: ['a', 'b', 'out'], written: 0 });
  expect(windowsOf(ofDealer)).toEqual({ implicit: ['a', 'b', 'out'], written: 0 });
  if (form.stride[0] === 1) {
    // A dozen images and products; the windows alone would be 3 x 9 or 25 of them.
    expect(memoryBytes).toBeLessThan(16 * 4 * 8 * 16 * 16 * 8);
  }
});

test('a transposed convolution reads and adds likewise', async () => {
  const form = { ...square(3, 2, 2), outputPadding: [1, 1] };
  const plan = await planned([2, 4, 5, 5], [4, 3, 3, 3], (x, weights) =>
    transposedConvolution(x, weights, undefined, form).rescaled(16),
  );
  expect(windowsOf(plan.ofParties)).toEqual({ implicit: ['a', 'b', 'out'], written: 0 });
});

test('windows that something else than a product reads are written out', async () => {
  const form = { kernel: [2, 2], stride: [2, 2], dilation: [1, 1], padding: [0, 0, 0, 0] };
  const plan = await planned([2, 3, 6, 6], [1, 3, 1, 1], (x, weights) =>
    averageOfWindows(x.mul(weights), form, () => 2),
  );
  expect(windowsOf(plan.ofParties).implicit).toEqual([]);
  expect(windowsOf(plan.ofParties).written).toBeGreaterThan(0);
});

test('the gradient of what is convolved opens as many words as it has cells, not as its windows have', async () => {
  const images: Shape = [1, 2, 6, 6];
  const graph = new Graph({ name: 'test', fractionBits: 16, assumedBound: 54, wordBits: 64 });
  const [x, weights] = [privateInput(graph, 'x', 'a', images, 2), privateInput(graph, 'kernel', 'b', [3, 2, 3, 3], 2)];
  const y = convolution(x, weights, undefined, square(3, 1)).rescaled(16);
  const seed = privateInput(graph, 'seed', 'c', y.shape, 2);
  const [gradient] = gradients([[y, seed]], [x]);
  gradient?.reveal('gradient', ['a']);
  const job = await TestJob.start([graph], { parties: 3 });
  await job.close();
  const openings = job.plan.programs.get('test')?.parties[0]?.rounds.flatMap((round) => round.openings) ?? [];
  const shared = openings.filter(({ sender }) => sender === undefined).map(({ opened }) => opened.length);
  expect(shared).toEqual([2 * 6 * 6]);
});
