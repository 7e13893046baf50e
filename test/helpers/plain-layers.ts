/**
 * What every kind of layer means, in doubles and in the most obvious way, batch first: the yardstick for the engine, for model
 * files and for the baseline. Shares nothing with the engine.
 */
import { erf } from '../../engine/functions/activations.ts';
import type { Layer, LayerOf } from '../../shared/layers/table.ts';
import { layerInputs } from '../../shared/model.ts';
import type { ModelDescription } from '../../shared/model.ts';

export interface Plain {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

export interface PlainContext {
  readonly inputs: readonly Plain[];
  readonly weight: (part: string) => Plain;
  /** Undefined in evaluation. `mask` gives the factors of a dropout layer. */
  readonly training?: {
    readonly mask?: (layer: string) => Plain;
    readonly update?: (part: string, value: Plain) => void;
  };
}

const count = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** The tensor whose element at each index is given. */
export function build(shape: readonly number[], at: (index: readonly number[]) => number): Plain {
  const index = shape.map(() => 0);
  const data: number[] = [];
  for (let i = 0; i < count(shape); i++) {
    data.push(at(index));
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** Element at an index; undefined outside. */
function cell({ shape, data }: Plain, index: readonly number[]): number | undefined {
  let at = 0;
  for (const [axis, n] of shape.entries()) {
    const i = index[axis] ?? 0;
    if (i < 0 || i >= n) return undefined;
    at = at * n + i;
  }
  return data[at];
}
const value = (t: Plain, index: readonly number[]): number => cell(t, index) ?? 0;
const map = (t: Plain, f: (x: number) => number): Plain => ({ shape: t.shape, data: t.data.map(f) });
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
/** All indices of a shape. */
const indices = (shape: readonly number[]): number[][] => {
  const list: number[][] = [];
  build(shape, (index) => list.push([...index]));
  return list;
};

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
const clip = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);

/** Rows along the last axis, each replaced by as many numbers. */
function rows(t: Plain, f: (row: readonly number[]) => readonly number[]): Plain {
  const width = t.shape.at(-1)!;
  const data: number[] = [];
  for (let from = 0; from < t.data.length; from += width) data.push(...f(t.data.slice(from, from + width)));
  return { shape: t.shape, data };
}
const softmaxOf = (row: readonly number[]): number[] => {
  const powers = row.map((x) => Math.exp(x - Math.max(...row)));
  return powers.map((p) => p / sum(powers));
};

const elementwise: { readonly [K in Layer['kind']]?: (x: number, layer: never) => number } = {
  relu: (x) => Math.max(x, 0),
  relu6: (x) => clip(x, 0, 6),
  leakyRelu: (x, { slope }: LayerOf<'leakyRelu'>) => (x > 0 ? x : slope * x),
  elu: (x, { alpha }: LayerOf<'elu'>) => (x > 0 ? x : alpha * Math.expm1(x)),
  selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
  gelu: (x, { approximate }: LayerOf<'gelu'>) =>
    approximate
      ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x * logistic(x),
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
  softplus: (x) => Math.log1p(Math.exp(x)),
  softsign: (x) => x / (1 + Math.abs(x)),
  sigmoid: logistic,
  hardSigmoid: (x, { alpha, beta }: LayerOf<'hardSigmoid'>) => clip(alpha * x + beta, 0, 1),
  hardSwish: (x) => x * clip(x / 6 + 0.5, 0, 1),
  tanh: Math.tanh,
  hardTanh: (x, { low, high }: LayerOf<'hardTanh'>) => clip(x, low, high),
};

interface Window {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation?: readonly number[];
}
/** Where cell k of window o lies along each axis. */
const place = (w: Window, o: readonly number[], k: readonly number[]): number[] =>
  o.map((p, axis) => p * w.stride[axis]! - w.padding[axis]! + k[axis]! * (w.dilation?.[axis] ?? 1));
const windowsOf = (w: Window, cells: readonly number[]): number[] =>
  cells.map((n, axis) => {
    const covered = (w.dilation?.[axis] ?? 1) * (w.kernel[axis]! - 1) + 1;
    return Math.floor((n + w.padding[axis]! + w.padding[axis + cells.length]! - covered) / w.stride[axis]!) + 1;
  });

function pool(w: Window, x: Plain, of: (inside: readonly number[]) => number): Plain {
  const [batch, channels, ...cells] = x.shape as [number, number, ...number[]];
  const window = indices(w.kernel);
  return build([batch, channels, ...windowsOf(w, cells)], ([b, c, ...o]) =>
    of(window.flatMap((k) => cell(x, [b!, c!, ...place(w, o, k)]) ?? [])),
  );
}

function convolution(layer: LayerOf<'conv1d' | 'conv2d' | 'conv3d'>, x: Plain, kernel: Plain, bias?: Plain): Plain {
  const { channels, filters, groups } = layer;
  const [batch, , ...cells] = x.shape as [number, number, ...number[]];
  const out = windowsOf(layer, cells);
  const offsets = indices(layer.kernel);
  /** Position of each cell of each window in its channel; -1 is padding. */
  const positions = indices(out).map((o) =>
    offsets.map((k) =>
      place(layer, o, k).reduce(
        (at, p, axis) => (at < 0 || p < 0 || p >= cells[axis]! ? -1 : at * cells[axis]! + p),
        0,
      ),
    ),
  );
  const [size, perGroup] = [count(cells), channels / groups];
  const data: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let f = 0; f < filters; f++) {
      const first = Math.floor(f / (filters / groups)) * perGroup;
      for (const window of positions) {
        let total = bias?.data[f] ?? 0;
        for (let c = 0; c < perGroup; c++) {
          const from = (b * channels + first + c) * size;
          const row = (f * perGroup + c) * offsets.length;
          for (let k = 0; k < window.length; k++)
            if (window[k]! >= 0) total += x.data[from + window[k]!]! * kernel.data[row + k]!;
        }
        data.push(total);
      }
    }
  }
  return { shape: [batch, filters, ...out], data };
}

function adaptive(output: readonly number[], x: Plain, of: (inside: readonly number[]) => number): Plain {
  const [batch, channels, ...cells] = x.shape as [number, number, ...number[]];
  return build([batch, channels, ...output], ([b, c, ...o]) => {
    const from = o.map((i, axis) => Math.floor((i * cells[axis]!) / output[axis]!));
    const to = o.map((i, axis) => Math.ceil(((i + 1) * cells[axis]!) / output[axis]!));
    return of(
      indices(to.map((end, axis) => end - from[axis]!)).map((k) =>
        value(x, [b!, c!, ...k.map((i, axis) => i + from[axis]!)]),
      ),
    );
  });
}

/** (x - mean) / sqrt(variance + epsilon) over the cells that share a group. */
function normalise(x: Plain, group: (index: readonly number[]) => string, epsilon: number, isCentred = true) {
  const members = new Map<string, number[]>();
  build(x.shape, (index) => {
    const key = group(index);
    members.set(key, [...(members.get(key) ?? []), value(x, index)]);
    return 0;
  });
  const statistics = new Map(
    [...members].map(([key, list]) => {
      const mean = isCentred ? sum(list) / list.length : 0;
      return [key, { mean, variance: sum(list.map((v) => (v - mean) ** 2)) / list.length }];
    }),
  );
  const values = build(x.shape, (index) => {
    const { mean, variance } = statistics.get(group(index))!;
    return (value(x, index) - mean) / Math.sqrt(variance + epsilon);
  });
  return { values, statistics };
}

function dense(x: Plain, kernel: Plain, bias?: Plain): Plain {
  const [inputs, outputs] = kernel.shape as [number, number];
  const data: number[] = [];
  for (let from = 0; from < x.data.length; from += inputs) {
    for (let j = 0; j < outputs; j++) {
      let total = bias?.data[j] ?? 0;
      for (let i = 0; i < inputs; i++) total += x.data[from + i]! * kernel.data[i * outputs + j]!;
      data.push(total);
    }
  }
  return { shape: [...x.shape.slice(0, -1), outputs], data };
}

function recurrent(layer: LayerOf<'rnn' | 'lstm' | 'gru'>, x: Plain, weight: PlainContext['weight']): Plain {
  const { units, sequences, backwards } = layer;
  const [batch, length] = x.shape as [number, number];
  const [kernel, recurrentKernel, bias] = [weight('kernel'), weight('recurrentKernel'), weight('bias')];
  const outputs: number[][][] = [];
  for (let b = 0; b < batch; b++) {
    let h = new Array<number>(units).fill(0);
    let c = h;
    const states: number[][] = [];
    for (let step = 0; step < length; step++) {
      const t = backwards ? length - 1 - step : step;
      const own = (g: number, u: number): number =>
        value(bias, [g * units + u]) +
        sum(Array.from({ length: layer.inputs }, (_, i) => value(x, [b, t, i]) * value(kernel, [i, g * units + u])));
      const looped = (state: readonly number[], g: number, u: number): number =>
        sum(state.map((v, i) => v * value(recurrentKernel, [i, g * units + u])));
      const gate = (g: number, f: (z: number) => number): number[] => h.map((_, u) => f(own(g, u) + looped(h, g, u)));
      if (layer.kind === 'rnn') h = gate(0, Math.tanh);
      else if (layer.kind === 'lstm') {
        const [i, f, g, o] = [gate(0, logistic), gate(1, logistic), gate(2, Math.tanh), gate(3, logistic)];
        c = c.map((v, u) => f[u]! * v + i[u]! * g[u]!);
        h = c.map((v, u) => o[u]! * Math.tanh(v));
      } else {
        const [z, r] = [gate(0, logistic), gate(1, logistic)];
        const kept = h.map((v, u) => v * r[u]!);
        h = h.map((v, u) => z[u]! * v + (1 - z[u]!) * Math.tanh(own(2, u) + looped(kept, 2, u)));
      }
      states[t] = h;
    }
    outputs.push(states);
  }
  const last = backwards ? 0 : length - 1;
  return sequences
    ? build([batch, length, units], ([b, t, u]) => outputs[b!]![t!]![u!]!)
    : build([batch, units], ([b, u]) => outputs[b!]![last]![u!]!);
}

function attention(layer: LayerOf<'multiHeadAttention'>, { inputs, weight }: PlainContext): Plain {
  const { size, heads, causal, useBias } = layer;
  const [x, memory = x] = inputs as [Plain, Plain?];
  const mapped = (t: Plain, part: string): Plain => dense(t, weight(part), useBias ? weight(`${part}Bias`) : undefined);
  const [q, k, v] = [mapped(x, 'query'), mapped(memory, 'key'), mapped(memory, 'value')];
  const width = size / heads;
  const places = memory.shape[1]!;
  const mixed = build(x.shape, ([b, t, j]) => {
    const from = Math.floor(j! / width) * width;
    const scores = Array.from({ length: places }, (_, s) =>
      causal && s > t!
        ? -Infinity
        : sum(Array.from({ length: width }, (_, i) => value(q, [b!, t!, from + i]) * value(k, [b!, s, from + i]))) /
          Math.sqrt(width),
    );
    return sum(softmaxOf(scores).map((p, s) => p * value(v, [b!, s, j!])));
  });
  return mapped(mixed, 'result');
}

/** Output of one layer, [batch, ...]. */
function plainLayer(layer: Layer, context: PlainContext): Plain {
  const { inputs, weight, training } = context;
  const x = inputs[0]!;
  const [batch, channels, ...cells] = x.shape as [number, number, ...number[]];
  const simple = elementwise[layer.kind];
  if (simple !== undefined) return map(x, (v) => simple(v, layer as never));
  /** Scale and bias of a channel, or of the last axes. */
  const affine = (values: Plain, at: (index: readonly number[]) => readonly number[]): Plain =>
    build(
      x.shape,
      (index) => value(values, index) * value(weight('scale'), at(index)) + value(weight('bias'), at(index)),
    );
  const ofChannel = ([, c]: readonly number[]): number[] => [c!];
  switch (layer.kind) {
    case 'dense':
      return dense(x, weight('kernel'), layer.useBias ? weight('bias') : undefined);
    case 'embedding':
      return build([...x.shape, layer.size], (index) =>
        value(weight('kernel'), [value(x, index.slice(0, -1)), index.at(-1)!]),
      );
    case 'positionEmbedding':
      return build(x.shape, (index) => value(x, index) + value(weight('positions'), index.slice(1)));
    case 'sinusoidalPositions':
      return build(x.shape, (index) => {
        const [, p, i] = index as [number, number, number];
        const angle = p / 10_000 ** ((i - (i % 2)) / x.shape[2]!);
        return value(x, index) + (i % 2 === 0 ? Math.sin(angle) : Math.cos(angle));
      });
    case 'softmax':
      return rows(x, softmaxOf);
    case 'logSoftmax':
      return rows(x, (row) => softmaxOf(row).map(Math.log));
    case 'flatten':
      return { shape: [batch, x.data.length / batch], data: x.data };
    case 'reshape':
      return { shape: [batch, ...layer.shape], data: x.data };
    case 'permute': {
      const shape = [batch, ...layer.order.map((axis) => x.shape[axis + 1]!)];
      return build(shape, ([b, ...index]) => {
        const source: number[] = [];
        layer.order.forEach((axis, i) => (source[axis] = index[i]!));
        return value(x, [b!, ...source]);
      });
    }
    case 'pad': {
      const shape = x.shape.map((n, axis) => n + (layer.before[axis - 1] ?? 0) + (layer.after[axis - 1] ?? 0));
      return build(shape, (index) => {
        const own = index.map((i, axis) => i - (layer.before[axis - 1] ?? 0));
        if (layer.mode === 'constant') return cell(x, own) ?? layer.value;
        const inside = own.map((i, axis) => {
          const most = x.shape[axis]! - 1;
          if (layer.mode === 'replicate') return clip(i, 0, most);
          return i < 0 ? -i : i > most ? 2 * most - i : i;
        });
        return value(x, inside);
      });
    }
    case 'upsample': {
      const shape = [batch, channels, ...cells.map((n, axis) => n * layer.factors[axis]!)];
      return build(shape, ([b, c, ...o]) => {
        if (layer.mode === 'nearest')
          return value(x, [b!, c!, ...o.map((i, axis) => Math.floor(i / layer.factors[axis]!))]);
        const at = o.map((i, axis) => clip((i + 0.5) / layer.factors[axis]! - 0.5, 0, cells[axis]! - 1));
        return sum(
          indices(cells.map(() => 2)).map((side) => {
            const corner = at.map((p, axis) => Math.floor(p) + side[axis]!);
            const share = at.reduce((w, p, axis) => w * Math.max(0, 1 - Math.abs(p - corner[axis]!)), 1);
            return share * value(x, [b!, c!, ...corner]);
          }),
        );
      });
    }
    case 'dropout': {
      const mask = training?.mask?.(layer.name);
      if (mask === undefined) return x;
      return build(
        x.shape,
        (index) =>
          value(x, index) *
          value(
            mask,
            mask.shape.map((n, axis) => (n === 1 ? 0 : index[axis]!)),
          ),
      );
    }
    case 'conv1d':
    case 'conv2d':
    case 'conv3d':
      return convolution(layer, x, weight('kernel'), layer.useBias ? weight('bias') : undefined);
    case 'convTranspose1d':
    case 'convTranspose2d':
    case 'convTranspose3d': {
      const { kernel, stride, dilation, padding, outputPadding, groups } = layer;
      const out = cells.map(
        (n, axis) =>
          (n - 1) * stride[axis]! -
          padding[axis]! -
          padding[axis + cells.length]! +
          dilation[axis]! * (kernel[axis]! - 1) +
          1 +
          outputPadding[axis]!,
      );
      const [perGroup, filtersPerGroup] = [layer.channels / groups, layer.filters / groups];
      const sums = new Map<string, number>();
      for (const [b, c, ...i] of indices(x.shape)) {
        for (const [f, ...k] of indices([filtersPerGroup, ...kernel])) {
          const group = Math.floor(c! / perGroup);
          const key = [b!, group * filtersPerGroup + f!, ...place(layer, i, k)].join();
          const product = value(x, [b!, c!, ...i]) * value(weight('kernel'), [c!, f!, ...k]);
          sums.set(key, (sums.get(key) ?? 0) + product);
        }
      }
      return build(
        [batch, layer.filters, ...out],
        (index) => (sums.get(index.join()) ?? 0) + (layer.useBias ? value(weight('bias'), [index[1]!]) : 0),
      );
    }
    case 'maxPool1d':
    case 'maxPool2d':
    case 'maxPool3d':
      return pool(layer, x, (inside) => Math.max(...inside));
    case 'averagePool1d':
    case 'averagePool2d':
    case 'averagePool3d':
      return pool(layer, x, (inside) => sum(inside) / (layer.countPadding ? count(layer.kernel) : inside.length));
    case 'adaptiveAveragePool':
      return adaptive(layer.output, x, (inside) => sum(inside) / inside.length);
    case 'adaptiveMaxPool':
      return adaptive(layer.output, x, (inside) => Math.max(...inside));
    case 'globalAveragePool':
    case 'globalMaxPool': {
      const ones = adaptive(
        cells.map(() => 1),
        x,
        (inside) => (layer.kind === 'globalMaxPool' ? Math.max(...inside) : sum(inside) / inside.length),
      );
      return { shape: [batch, channels], data: ones.data };
    }
    case 'batchNorm': {
      if (training === undefined) {
        const values = build(x.shape, (index) => {
          const c = ofChannel(index);
          return (value(x, index) - value(weight('mean'), c)) / Math.sqrt(value(weight('variance'), c) + layer.epsilon);
        });
        return affine(values, ofChannel);
      }
      const { values, statistics } = normalise(x, ([, c]) => String(c), layer.epsilon);
      for (const part of ['mean', 'variance'] as const) {
        const fresh = build([layer.channels], ([c]) => {
          const old = value(weight(part), [c!]);
          return layer.momentum * old + (1 - layer.momentum) * statistics.get(String(c))![part];
        });
        training.update?.(part, fresh);
      }
      return affine(values, ofChannel);
    }
    case 'layerNorm': {
      const kept = x.shape.length - layer.shape.length;
      const { values } = normalise(x, (index) => index.slice(0, kept).join(), layer.epsilon);
      return affine(values, (index) => index.slice(kept));
    }
    case 'rmsNorm': {
      const { values } = normalise(x, (index) => index.slice(0, -1).join(), layer.epsilon, false);
      return build(x.shape, (index) => value(values, index) * value(weight('scale'), [index.at(-1)!]));
    }
    case 'groupNorm':
    case 'instanceNorm': {
      const size = layer.kind === 'groupNorm' ? layer.channels / layer.groups : 1;
      return affine(normalise(x, ([b, c]) => `${b},${Math.floor(c! / size)}`, layer.epsilon).values, ofChannel);
    }
    case 'add':
    case 'average':
    case 'multiply':
      return build(x.shape, (index) => {
        const values = inputs.map((t) => value(t, index));
        if (layer.kind === 'multiply') return values.reduce((a, b) => a * b, 1);
        return sum(values) / (layer.kind === 'average' ? values.length : 1);
      });
    case 'concat': {
      const axis = layer.axis + 1;
      const shape = x.shape.map((n, a) => (a === axis ? sum(inputs.map((t) => t.shape[axis]!)) : n));
      return build(shape, (index) => {
        let at = index[axis]!;
        const source = inputs.find((t) => (at < t.shape[axis]! ? true : ((at -= t.shape[axis]!), false)))!;
        return value(source, index.with(axis, at));
      });
    }
    case 'multiHeadAttention':
      return attention(layer, context);
    case 'rnn':
    case 'lstm':
    case 'gru':
      return recurrent(layer, x, weight);
    default:
      throw new RangeError(`no plain ${layer.kind}`);
  }
}

/** Output of a whole model for a batch. */
export function plainModel(
  { layers }: Pick<ModelDescription, 'layers'>,
  weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>,
  x: Plain,
  training?: {
    readonly mask?: (layer: string) => Plain;
    readonly update?: (key: string, value: Plain) => void;
  },
): Plain {
  const outputs = new Map<string, Plain>([['input', x]]);
  let last = x;
  layers.forEach((layer, position) => {
    const { mask, update } = training ?? {};
    const parts = new Map<string, Plain>();
    last = plainLayer(layer, {
      inputs: layerInputs(layers, position).map((name) => outputs.get(name)!),
      weight: (part) => {
        const known = parts.get(part);
        if (known !== undefined) return known;
        const { shape, data } = weights.get(`${layer.name}/${part}`)!;
        const read = { shape, data: Array.from(data) };
        parts.set(part, read);
        return read;
      },
      ...(training === undefined
        ? {}
        : {
            training: {
              ...(mask === undefined ? {} : { mask }),
              ...(update === undefined
                ? {}
                : { update: (part: string, v: Plain) => update(`${layer.name}/${part}`, v) }),
            },
          }),
    });
    outputs.set(layer.name, last);
  });
  return last;
}
