/** Groups of layers that a job file names as one: written out as plain layers, which everything else understands. */
import { z } from 'zod';
import { strict } from '../strict.ts';
import { size } from './kind.ts';
import { layerName } from './table.ts';
import type { LayerSpec } from './table.ts';

const from = z.array(layerName).length(1).optional();
const block = { name: layerName.optional(), from };

/**
 * Encoder layer of Vaswani et al. (2017) with the normalisations before attention and feed-forward (`normFirst`, as in Xiong et
 * al. 2020) or after them.
 */
const transformerEncoder = strict({
  kind: z.literal('transformerEncoder'),
  ...block,
  heads: size.default(1),
  feedForward: size.max(65_536),
  activation: z.enum(['relu', 'gelu', 'silu']).default('gelu'),
  dropout: z.number().min(0).lt(1).default(0),
  causal: z.boolean().default(false),
  normFirst: z.boolean().default(true),
});

/** Basic block of He et al. (2016): two 3 x 3 convolutions with normalisation, and the input added. */
const residual = strict({
  kind: z.literal('residual'),
  ...block,
  filters: size.max(65_536),
  stride: size.default(1),
});

export const blockSpecSchema = z.discriminatedUnion('kind', [transformerEncoder, residual]);
export type BlockSpec = z.output<typeof blockSpecSchema>;

/** The block's layers; `name` goes before their names, `source` names the layer that it takes and `input` is its shape. */
export function expandBlock(spec: BlockSpec, name: string, source: string, input: readonly number[]): LayerSpec[] {
  return spec.kind === 'residual'
    ? residualLayers(spec, name, source, input)
    : encoderLayers(spec, name, source, input.at(-1) ?? 1);
}

function encoderLayers(
  spec: z.output<typeof transformerEncoder>,
  name: string,
  source: string,
  width: number,
): LayerSpec[] {
  const { heads, causal, feedForward, activation, dropout, normFirst } = spec;
  const at = (part: string): string => `${name}.${part}`;
  const norm = (part: string, from: string): LayerSpec => ({
    kind: 'layerNorm',
    name: at(part),
    from: [from],
    axes: 1,
    epsilon: NORM_EPSILON,
  });
  const drop = (part: string): LayerSpec[] =>
    dropout === 0 ? [] : [{ kind: 'dropout', name: at(part), rate: dropout, wholeChannels: false }];
  const lastOf = (layers: readonly LayerSpec[]): string => layers.at(-1)?.name ?? source;
  const attended: LayerSpec[] = [
    ...(normFirst ? [norm('norm1', source)] : []),
    {
      kind: 'multiHeadAttention',
      name: at('attention'),
      from: [normFirst ? at('norm1') : source],
      heads,
      causal,
      bias: true,
    },
    ...drop('dropout1'),
  ];
  const sum: LayerSpec = { kind: 'add', name: at('add1'), from: [source, lastOf(attended)] };
  const middle: LayerSpec[] = [...attended, sum, ...(normFirst ? [] : [norm('norm1', at('add1'))])];
  const inner = lastOf(middle);
  const fed: LayerSpec[] = [
    ...(normFirst ? [norm('norm2', inner)] : []),
    { kind: 'dense', name: at('dense1'), units: feedForward, bias: true },
    activation === 'gelu'
      ? { kind: 'gelu', name: at('activation'), approximate: false }
      : { kind: activation, name: at('activation') },
    { kind: 'dense', name: at('dense2'), units: width, bias: true },
    ...drop('dropout2'),
  ];
  const total: LayerSpec = { kind: 'add', name: at('add2'), from: [inner, lastOf(fed)] };
  return [...middle, ...fed, total, ...(normFirst ? [] : [norm('norm2', at('add2'))])];
}

function residualLayers(
  spec: z.output<typeof residual>,
  name: string,
  source: string,
  input: readonly number[],
): LayerSpec[] {
  const { filters, stride } = spec;
  const at = (part: string): string => `${name}.${part}`;
  const conv = (part: string, kernel: number, step: number, from?: string): LayerSpec[] => [
    {
      kind: 'conv2d',
      name: at(`conv${part}`),
      ...(from === undefined ? {} : { from: [from] }),
      filters,
      kernel,
      stride: step,
      dilation: 1,
      padding: (kernel - 1) / 2,
      groups: 1,
      bias: false,
    },
    { kind: 'batchNorm', name: at(`norm${part}`), epsilon: NORM_EPSILON, momentum: 0.9 },
  ];
  const changes = stride !== 1 || input[0] !== filters;
  return [
    ...conv('1', 3, stride, source),
    { kind: 'relu', name: at('relu1') },
    ...conv('2', 3, 1),
    ...(changes ? conv('3', 1, stride, source) : []),
    { kind: 'add', name: at('add'), from: [at('norm2'), changes ? at('norm3') : source] },
    { kind: 'relu', name: at('relu2') },
  ];
}

const NORM_EPSILON = 1e-3;
