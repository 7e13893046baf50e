/** What reads a class of layers: it appends layers of ours and says which value stands for the result. */
import type { LayerCall } from '../layer-call.ts';
import type { Value } from '../network-builder.ts';

export type ReadLayer = (call: LayerCall) => Value;
export type LayerReaders = Readonly<Record<string, ReadLayer>>;
