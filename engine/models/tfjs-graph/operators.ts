/**
 * Operators of TensorFlow, as those of ONNX that mean the same: what they take, and the names of what they give. What is not
 * here is refused. Source: TensorFlow's operator definitions (tensorflow.org/api_docs/python/tf/raw_ops).
 */
import type { OnnxAttribute } from '../onnx/graph.ts';
import { float, int, ints, text } from '../tfjs-layers/fragment.ts';
import type { NodeCall } from './node-call.ts';

type Convert = (call: NodeCall) => string | readonly string[];

/** The same inputs, no attributes. */
const same =
  (operator: string): Convert =>
  (call) =>
    call.op(operator, call.inputs);

function isChannelsFirst(call: NodeCall): boolean {
  const format = call.attribute('data_format')?.s ?? 'NHWC';
  if (!['NHWC', 'NCHW', 'NDHWC', 'NCDHW'].includes(format)) throw call.unsupported(`has the data format ${format}`);
  return format.startsWith('NC');
}

/** Of a list with one number an axis, batch and channels too, those of the cells. */
function ofCells(call: NodeCall, name: string, axes: number): readonly number[] {
  const all = call.wholes(name);
  if (all.length === 0) return new Array<number>(axes).fill(1);
  const isFirst = isChannelsFirst(call);
  const [batch, channels] = [all[0], isFirst ? all[1] : all.at(-1)];
  if (all.length !== axes + 2 || batch !== 1 || channels !== 1)
    throw call.unsupported(`has ${name} [${all.join(', ')}]`);
  return isFirst ? all.slice(2) : all.slice(1, -1);
}

function padding(call: NodeCall, axes: number): Record<string, OnnxAttribute> {
  const mode = call.attribute('padding')?.s ?? 'VALID';
  switch (mode) {
    case 'VALID':
      return {};
    case 'SAME':
      return { auto_pad: text('SAME_UPPER') };
    case 'EXPLICIT': {
      const all = call.wholes('explicit_paddings');
      const cells = isChannelsFirst(call) ? all.slice(4) : all.slice(2, -2);
      if (all.length !== 2 * axes + 4) throw call.unsupported(`has the paddings [${all.join(', ')}]`);
      return { pads: ints([...cells.filter((_, i) => i % 2 === 0), ...cells.filter((_, i) => i % 2 === 1)]) };
    }
    default:
      throw call.unsupported(`has the padding ${mode}`);
  }
}

/** What was fused onto a product: a bias, then a function. Further inputs are theirs, in order. */
function fused(call: NodeCall, product: string, addBias: (value: string, bias: string) => string): string {
  let next = 2;
  return call.texts('fused_ops').reduce((value, name) => {
    switch (name) {
      case 'BiasAdd':
        return addBias(value, call.input(next++));
      case 'Prelu':
        return call.op('PRelu', [value, call.input(next++)]);
      case 'Relu6':
        return relu6(call, value);
      case 'LeakyRelu':
        return call.op('LeakyRelu', [value], { alpha: float(call.attribute('leakyrelu_alpha')?.f ?? 0.2) });
      case 'Relu':
      case 'Elu':
      case 'Sigmoid':
      case 'Tanh':
        return call.op(name, [value]);
      default:
        throw call.unsupported(`is fused with ${name}`);
    }
  }, product);
}

function relu6(call: NodeCall, x: string): string {
  return call.op('Clip', [x, call.scalar(0), call.scalar(6)]);
}

function product(call: NodeCall): string {
  const factor = (position: number, transposes: boolean): string =>
    transposes ? call.op('Transpose', [call.input(position)], { perm: ints([1, 0]) }) : call.input(position);
  return call.op('MatMul', [factor(0, call.flag('transpose_a')), factor(1, call.flag('transpose_b'))]);
}

/** Matrices of any number of batch axes. */
function batchProduct(call: NodeCall): string {
  const [x, y] = [call.flag('adj_x'), call.flag('adj_y')];
  if (!x && !y) return call.op('MatMul', call.inputs);
  const equation = `...${x ? 'ki' : 'ik'},...${y ? 'jk' : 'kj'}->...ij`;
  return call.op('Einsum', call.inputs, { equation: text(equation) });
}

/** One number a channel, of the last axis. */
function addBias(call: NodeCall, value: string, bias: string): string {
  if (isChannelsFirst(call))
    throw call.unsupported(
      'adds a number to each channel where they come first; TensorFlow.js takes the last axis there',
    );
  return call.op('Add', [value, bias]);
}

const convolution =
  (axes: number): Convert =>
  (call) => {
    const cells = Array.from({ length: axes }, (_, axis) => axis);
    const kernel = call.kernel(1, [axes + 1, axes, ...cells]);
    return convolved(call, axes, kernel, 1);
  };

/** Filters of each channel become groups. */
const depthwise: Convert = (call) => {
  const [channels = 1] = call.kernel(1, [2, 3, 0, 1]).shape;
  const kernel = call.kernel(1, [2, 3, 0, 1], ([c = 1, m = 1, ...window]) => [c * m, 1, ...window]);
  return convolved(call, 2, kernel, channels);
};

function convolved(
  call: NodeCall,
  axes: number,
  kernel: { name: string; shape: readonly number[] },
  group: number,
): string {
  const attributes = {
    kernel_shape: ints(kernel.shape.slice(2)),
    strides: ints(ofCells(call, 'strides', axes)),
    dilations: ints(ofCells(call, 'dilations', axes)),
    group: int(group),
    ...padding(call, axes),
  };
  const images = call.channelsFirst(call.input(0), axes, isChannelsFirst(call), (x) =>
    call.op('Conv', [x, kernel.name], attributes),
  );
  return fused(call, images, (value, bias) => addBias(call, value, bias));
}

/** (sizes of the images that it gives, kernel, images): `same` gives cells times stride, `valid` at least that. */
const transposedConvolution: Convert = (call) => {
  const kernel = call.kernel(1, [3, 2, 0, 1]);
  const strides = ofCells(call, 'strides', 2);
  const pads = padding(call, 2);
  if (pads['pads'] !== undefined || ofCells(call, 'dilations', 2).some((step) => step > 1))
    throw call.unsupported('is dilated, or padded other than "same"');
  const surplus = kernel.shape.slice(2).map((n, axis) => n - (strides[axis] ?? 1));
  const isSame = pads['auto_pad'] !== undefined;
  const attributes = {
    kernel_shape: ints(kernel.shape.slice(2)),
    strides: ints(strides),
    ...(isSame ? pads : { output_padding: ints(surplus.map((n) => Math.max(0, -n))) }),
  };
  return call.channelsFirst(call.input(2), 2, isChannelsFirst(call), (x) =>
    call.op('ConvTranspose', [x, kernel.name], attributes),
  );
};

const pool =
  (operator: 'MaxPool' | 'AveragePool', axes: number): Convert =>
  (call) => {
    const attributes = {
      kernel_shape: ints(ofCells(call, 'ksize', axes)),
      strides: ints(ofCells(call, 'strides', axes)),
      ...padding(call, axes),
    };
    return call.channelsFirst(call.input(0), axes, isChannelsFirst(call), (x) => call.op(operator, [x], attributes));
  };

const batchNormalization: Convert = (call) => {
  // Left out, it means that the model is trained.
  if (call.attribute('is_training')?.b !== false) throw call.unsupported('trains while it runs (is_training)');
  const epsilon = float(call.attribute('epsilon')?.f ?? 1e-4);
  const statistics = [1, 2, 3, 4].map((position) => call.input(position));
  return call.channelsFirst(call.input(0), 2, isChannelsFirst(call), (x) =>
    call.op('BatchNormalization', [x, ...statistics], { epsilon }),
  );
};

const reduction =
  (operator: string): Convert =>
  (call) => {
    const axes = call.numbers(1, 'its axes');
    const keepdims = int(call.flag('keep_dims') ? 1 : 0);
    if (axes.length === 0) return call.op('Identity', [call.input(0)]);
    // Sums take axes as an input since set 13, the others since 18.
    return operator === 'ReduceSum'
      ? call.op(operator, [call.input(0), call.sizes(axes)], { keepdims })
      : call.op(operator, [call.input(0)], { axes: ints(axes), keepdims });
  };

/** Cells before and after each axis, [axes, 2], become all before, then all after. */
function borders(call: NodeCall): string {
  const cells = call.numbers(1, 'its paddings');
  return call.sizes([...cells.filter((_, i) => i % 2 === 0), ...cells.filter((_, i) => i % 2 === 1)]);
}

const mirrored: Convert = (call) => {
  const mode = call.attribute('mode')?.s;
  if (mode !== 'REFLECT') throw call.unsupported(`pads as ${mode ?? 'nothing'}`);
  return call.op('Pad', [call.input(0), borders(call)], { mode: text('reflect') });
};

/** "To the end": beyond any axis. */
const END = 2 ** 31 - 1;

const stridedSlice: Convert = (call) => {
  const [begin, end, steps] = [1, 2, 3].map((position) => call.numbers(position, 'its places')) as [
    number[],
    number[],
    number[],
  ];
  const bit = (name: string, axis: number): boolean => ((call.integer(name, 0) >> axis) & 1) === 1;
  if (call.integer('ellipsis_mask', 0) !== 0 || call.integer('new_axis_mask', 0) !== 0)
    throw call.unsupported('leaves axes out (ellipsis_mask) or adds some (new_axis_mask)');
  const axes = begin.map((_, axis) => axis);
  const gone = axes.filter((axis) => bit('shrink_axis_mask', axis));
  const starts = axes.map((axis) =>
    bit('begin_mask', axis) && !gone.includes(axis) ? ((steps[axis] ?? 1) > 0 ? 0 : END) : (begin[axis] ?? 0),
  );
  const ends = axes.map((axis) => {
    const from = begin[axis] ?? 0;
    if (gone.includes(axis)) return from === -1 ? END : from + 1;
    return bit('end_mask', axis) ? ((steps[axis] ?? 1) > 0 ? END : -END) : (end[axis] ?? 0);
  });
  const strides = axes.map((axis) => (gone.includes(axis) ? 1 : (steps[axis] ?? 1)));
  const parameters = [starts, ends, axes, strides].map((values) => call.sizes(values));
  const cut = call.op('Slice', [call.input(0), ...parameters]);
  return gone.length === 0 ? cut : call.op('Squeeze', [cut, call.sizes(gone)]);
};

const slice: Convert = (call) => {
  const [begin, size] = [call.numbers(1, 'its start'), call.numbers(2, 'its size')];
  const ends = begin.map((from, axis) => (size[axis] === -1 ? END : from + (size[axis] ?? 0)));
  const axes = begin.map((_, axis) => axis);
  return call.op('Slice', [call.input(0), call.sizes(begin), call.sizes(ends), call.sizes(axes)]);
};

const squeeze: Convert = (call) => {
  const axes = [...call.wholes('squeeze_dims'), ...call.wholes('axis')];
  if (axes.length === 0)
    throw call.unsupported('names no axes, and would take the batch for one when there is one row');
  return call.op('Squeeze', [call.input(0), call.sizes(axes)]);
};

const pack: Convert = (call) => {
  const axis = call.integer('axis', 0);
  const wide = call.inputs.map((name) => call.op('Unsqueeze', [name, call.sizes([axis])]));
  return call.op('Concat', wide, { axis: int(axis) });
};

const casts: Readonly<Record<string, number>> = {
  DT_FLOAT: 1,
  '1': 1,
  DT_INT32: 7,
  '3': 7,
  DT_INT64: 7,
  '9': 7,
  DT_BOOL: 9,
  '10': 9,
};

const cast: Convert = (call) => {
  const to = casts[String(call.attribute('DstT')?.type)];
  if (to === undefined) throw call.unsupported(`gives the type ${String(call.attribute('DstT')?.type)}`);
  return call.op('Cast', [call.input(0)], { to: int(to) });
};

const reciprocalRoot: Convert = (call) => call.op('Reciprocal', [call.op('Sqrt', [call.input(0)])]);
const square: Convert = (call) => call.op('Mul', [call.input(0), call.input(0)]);

/** By TensorFlow's names. */
export const converters: ReadonlyMap<string, Convert> = new Map<string, Convert>(
  Object.entries({
    MatMul: product,
    _FusedMatMul: (call) => fused(call, product(call), (value, bias) => call.op('Add', [value, bias])),
    BatchMatMul: batchProduct,
    BatchMatMulV2: batchProduct,
    BatchMatMulV3: batchProduct,
    Einsum: (call) => call.op('Einsum', call.inputs, { equation: text(call.attribute('equation')?.s ?? '') }),
    BiasAdd: (call) => addBias(call, call.input(0), call.input(1)),
    Conv2D: convolution(2),
    _FusedConv2D: convolution(2),
    Conv3D: convolution(3),
    DepthwiseConv2dNative: depthwise,
    FusedDepthwiseConv2dNative: depthwise,
    Conv2DBackpropInput: transposedConvolution,
    MaxPool: pool('MaxPool', 2),
    AvgPool: pool('AveragePool', 2),
    MaxPool3D: pool('MaxPool', 3),
    AvgPool3D: pool('AveragePool', 3),
    FusedBatchNorm: batchNormalization,
    FusedBatchNormV2: batchNormalization,
    FusedBatchNormV3: batchNormalization,
    Add: same('Add'),
    AddV2: same('Add'),
    AddN: same('Sum'),
    Sub: same('Sub'),
    Mul: same('Mul'),
    Div: same('Div'),
    RealDiv: same('Div'),
    Maximum: same('Max'),
    Minimum: same('Min'),
    Pow: same('Pow'),
    SquaredDifference: (call) => {
      const difference = call.op('Sub', call.inputs);
      return call.op('Mul', [difference, difference]);
    },
    Neg: same('Neg'),
    Abs: same('Abs'),
    Sign: same('Sign'),
    Exp: same('Exp'),
    Log: same('Log'),
    Sqrt: same('Sqrt'),
    Rsqrt: reciprocalRoot,
    Square: square,
    Reciprocal: same('Reciprocal'),
    Erf: same('Erf'),
    Sin: same('Sin'),
    Cos: same('Cos'),
    Relu: same('Relu'),
    Relu6: (call) => relu6(call, call.input(0)),
    LeakyRelu: (call) => call.op('LeakyRelu', [call.input(0)], { alpha: float(call.attribute('alpha')?.f ?? 0.2) }),
    Prelu: same('PRelu'),
    Elu: same('Elu'),
    Selu: same('Selu'),
    Sigmoid: same('Sigmoid'),
    Tanh: same('Tanh'),
    Softplus: same('Softplus'),
    Softsign: same('Softsign'),
    Softmax: (call) => call.op('Softmax', [call.input(0)], { axis: int(-1) }),
    LogSoftmax: (call) => call.op('LogSoftmax', [call.input(0)], { axis: int(-1) }),
    ClipByValue: (call) =>
      call.op('Clip', [
        call.input(0),
        call.scalar(call.number(1, 'its least value')),
        call.scalar(call.number(2, 'its largest value')),
      ]),
    Mean: reduction('ReduceMean'),
    Sum: reduction('ReduceSum'),
    Max: reduction('ReduceMax'),
    Min: reduction('ReduceMin'),
    Prod: reduction('ReduceProd'),
    ArgMax: (call) => call.op('ArgMax', [call.input(0)], { axis: int(call.number(1, 'its axis')), keepdims: int(0) }),
    Reshape: same('Reshape'),
    Squeeze: squeeze,
    ExpandDims: (call) => call.op('Unsqueeze', [call.input(0), call.sizes([call.number(1, 'its axis')])]),
    Transpose: (call) => call.op('Transpose', [call.input(0)], { perm: ints(call.numbers(1, 'its order of axes')) }),
    Pad: (call) => call.op('Pad', [call.input(0), borders(call)]),
    PadV2: (call) => call.op('Pad', [call.input(0), borders(call), call.scalar(call.number(2, 'its value'))]),
    MirrorPad: mirrored,
    ConcatV2: (call) =>
      call.op('Concat', call.inputs.slice(0, -1), { axis: int(call.number(call.inputs.length - 1, 'its axis')) }),
    Split: (call) =>
      call.several('Split', [call.input(1)], call.integer('num_split', 1), { axis: int(call.number(0, 'its axis')) }),
    SplitV: (call) =>
      call.several('Split', [call.input(0), call.input(1)], call.numbers(1, 'its sizes').length, {
        axis: int(call.number(2, 'its axis')),
      }),
    StridedSlice: stridedSlice,
    Slice: slice,
    Pack: pack,
    Shape: same('Shape'),
    Tile: same('Tile'),
    BroadcastTo: same('Expand'),
    GatherV2: (call) => call.op('Gather', [call.input(0), call.input(1)], { axis: int(call.number(2, 'its axis')) }),
    Cast: cast,
    Greater: same('Greater'),
    GreaterEqual: same('GreaterOrEqual'),
    Less: same('Less'),
    LessEqual: same('LessOrEqual'),
    Equal: same('Equal'),
    LogicalAnd: same('And'),
    LogicalOr: same('Or'),
    LogicalNot: same('Not'),
    Select: same('Where'),
    SelectV2: same('Where'),
  } satisfies Record<string, Convert>),
);
