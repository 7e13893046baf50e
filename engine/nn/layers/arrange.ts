/** Layers that move values, repeat them, mix neighbours by public weights, or drop them in training. */
import type { LayerOf } from '../../../shared/layers/table.ts';
import { pad, range, repeatEach } from '../../tensor/rearrange.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { batchOf } from './layer.ts';
import type { Table } from './layer.ts';
import { mixAxes } from './mix.ts';

const padModes = { constant: 'constant', reflect: 'reflect', replicate: 'edge' } as const;

function upsample({ factors, mode }: LayerOf<'upsample'>, x: Tensor): Tensor {
  if (mode === 'nearest') return factors.reduce((t, factor, axis) => repeatEach(t, factor, axis + 2), x);
  return mixAxes(
    x,
    factors.map((factor, axis) => interpolation(x.shape[axis + 2] ?? 1, factor)),
  );
}

/** Weights of the cells on both sides of each new cell's centre; the outermost cells reach to the border. */
function interpolation(cells: number, factor: number): number[][] {
  return range(cells * factor).map((i) => {
    const place = Math.min(Math.max((i + 0.5) / factor - 0.5, 0), cells - 1);
    const left = Math.min(Math.floor(place), cells - 1);
    const row = new Array<number>(cells).fill(0);
    row[left] = 1 - (place - left);
    if (place > left) row[left + 1] = place - left;
    return row;
  });
}

export const arrangeLayers: Table<'dropout' | 'flatten' | 'reshape' | 'permute' | 'pad' | 'upsample'> = {
  dropout: ({ rate, wholeChannels, name }, { x, training }) => {
    if (training === undefined || rate === 0) return x;
    const shape = wholeChannels ? x.shape.map((n, axis) => (axis < 2 ? n : 1)) : x.shape;
    return x.mul(training.mask(name, shape, 1 / (1 - rate)));
  },
  flatten: (_, { x }) => x.reshape([batchOf(x), x.size / Math.max(1, batchOf(x))]),
  reshape: ({ shape }, { x }) => x.reshape([batchOf(x), ...shape]),
  permute: ({ order }, { x }) => x.transpose([0, ...order.map((axis) => axis + 1)]),
  pad: ({ before, after, mode, value }, { x }) => pad(x, [0, ...before], [0, ...after], padModes[mode], value),
  upsample: (layer, { x }) => upsample(layer, x),
};
