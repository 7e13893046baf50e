/** The graphics card of this machine, or the software driver: exactness and rates. */
import { InternalError } from '../../shared/errors.ts';
import { openNodeGpu } from '../host/gpu/node-gpu.ts';
import type { Benchmark } from './benchmark.ts';
import { FULL, QUICK, exactness, gpuFigures } from './gpu-figures.ts';

export const gpu: Benchmark = {
  name: 'gpu',
  summary:
    'matrix products, elementwise work and a training step on the graphics card (MachineError where there is none)',
  async run(context) {
    const opened = await openNodeGpu();
    const effort = opened.isSoftware ? QUICK : FULL;
    const tested = await exactness(opened, effort, context);
    const wrong = tested.find(({ failure }) => failure !== undefined);
    if (wrong !== undefined) throw new InternalError('kernels-wrong', `${wrong.variant}: ${wrong.failure}`);
    const exact = tested.map(({ variant }) => variant);
    return [
      { name: `variants that are exact on ${opened.description}`, value: exact.length, unit: 'variants' },
      ...(await gpuFigures(opened, exact, effort, context)),
    ];
  },
};
