/** Cells of images moved between channels and places. Local. */
import type { OperatorCall, OperatorFamily } from './call.ts';
import { reshapeValue, transposeValue } from './moves.ts';
import { shapeOf } from './value.ts';
import type { TensorValue } from './value.ts';

function imageOf(call: OperatorCall): { x: TensorValue; shape: [number, number, number, number]; block: number } {
  const x = call.tensor(0);
  const shape = shapeOf(x);
  const [batch = 0, channels = 0, height = 0, width = 0] = shape;
  const block = call.int('blocksize', 0);
  if (shape.length !== 4 || block < 1) throw call.unsupported('needs images and a block size', 'Repair the model.');
  return { x, shape: [batch, channels, height, width], block };
}

function depthToSpace(call: OperatorCall): TensorValue {
  const { x, shape, block } = imageOf(call);
  const [batch, channels, height, width] = shape;
  const depth = channels / (block * block);
  if (!Number.isInteger(depth)) throw call.unsupported(`cannot split ${channels} channels into blocks of ${block}`);
  const isDepthFirst = call.choice('mode', ['DCR', 'CRD']) === 'DCR';
  const split = isDepthFirst ? [block, block, depth] : [depth, block, block];
  const parts = reshapeValue(x, [batch, ...split, height, width]);
  const order = isDepthFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  return reshapeValue(transposeValue(parts, order), [batch, depth, height * block, width * block]);
}

function spaceToDepth(call: OperatorCall): TensorValue {
  const { x, shape, block } = imageOf(call);
  const [batch, channels, height, width] = shape;
  if (height % block !== 0 || width % block !== 0)
    throw call.unsupported(`cannot cut images of ${height} x ${width} into blocks of ${block}`);
  const parts = reshapeValue(x, [batch, channels, height / block, block, width / block, block]);
  const moved = transposeValue(parts, [0, 3, 5, 1, 2, 4]);
  return reshapeValue(moved, [batch, channels * block * block, height / block, width / block]);
}

export const spatial: OperatorFamily = {
  DepthToSpace: { attributes: ['blocksize', 'mode'], run: depthToSpace },
  SpaceToDepth: { attributes: ['blocksize'], run: spaceToDepth },
};
