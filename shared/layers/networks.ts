/**
 * The three networks of the tfe benchmark in CrypTen's examples (CrypTen, examples/tfe_benchmarks), for images of 28 x 28
 * cells there: a dense one and two convolutional ones, all with batch normalisation.
 */
import { layerSpecSchema } from './table.ts';
import type { LayerSpec } from './table.ts';

export const networkNames = ['network-a', 'network-b', 'network-c'] as const;
export type NetworkName = (typeof networkNames)[number];

type Spec = Readonly<Record<string, unknown>>;

const normalised = (layer: Spec): Spec[] => [layer, { kind: 'batchNorm' }, { kind: 'relu' }];
const stage = (filters: number): Spec[] => [
  ...normalised({ kind: 'conv2d', filters, kernel: 5 }),
  { kind: 'averagePool2d' },
];
const dense = (units: number): Spec => ({ kind: 'dense', units });

const bodies: Readonly<Record<NetworkName, readonly Spec[]>> = {
  'network-a': [...normalised(dense(128)), ...normalised(dense(128))],
  'network-b': [...stage(16), ...stage(16), { kind: 'flatten' }, ...normalised(dense(100))],
  'network-c': [...stage(20), ...stage(50), { kind: 'flatten' }, ...normalised(dense(500))],
};

/** The layers with a last dense one, and for a classification the function that makes probabilities of its scores. */
export function networkLayers(name: NetworkName, outputs: number, isClassification: boolean): LayerSpec[] {
  const head: Spec[] = isClassification ? [{ kind: outputs === 1 ? 'sigmoid' : 'softmax' }] : [];
  return [...bodies[name], dense(outputs), ...head].map((spec) => layerSpecSchema.parse(spec));
}
