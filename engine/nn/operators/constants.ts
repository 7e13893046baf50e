/** Operators that make public tensors, and conversions of element types. */
import { elementNames } from '../../../shared/operator-graph.ts';
import type { ElementName } from '../../../shared/operator-graph.ts';
import { range } from '../../tensor/rearrange.ts';
import { floorUnits } from '../../functions/rounding.ts';
import { withGradient } from '../../autograd/gradients.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { OperatorCall, OperatorDefinition, OperatorFamily } from './call.ts';
import { inType, mapPublic } from './elementwise.ts';
import { isFloat, numbersOf, publicSize, publicTensor, secretTensor, shapeOf } from './value.ts';
import type { PublicTensor, TensorValue } from './value.ts';

/** By ONNX's number of a type (TensorProto.DataType). */
const typesByNumber: ReadonlyMap<number, ElementName> = new Map([
  [1, 'float32'],
  [2, 'uint8'],
  [3, 'int8'],
  [4, 'uint16'],
  [5, 'int16'],
  [6, 'int32'],
  [7, 'int64'],
  [9, 'bool'],
  [10, 'float16'],
  [11, 'float64'],
  [12, 'uint32'],
  [13, 'uint64'],
  [16, 'bfloat16'],
]);

/** The element type that an attribute names: by number, or in words before version 6. */
export function typeAttribute(call: OperatorCall, name: string, preset?: ElementName): ElementName {
  const given = call.node.attributes.find((attribute) => attribute.name === name);
  if (given === undefined && preset !== undefined) return preset;
  const words: Readonly<Record<string, ElementName>> = { float: 'float32', double: 'float64' };
  const found =
    given?.kind === 'int'
      ? typesByNumber.get(given.value)
      : given?.kind === 'string'
        ? (words[given.value.toLowerCase()] ?? elementNames.find((type) => type === given.value.toLowerCase()))
        : undefined;
  if (found === undefined) throw call.unsupported(`names no supported element type in its attribute "${name}"`);
  return found;
}

/** Whole numbers made of real ones: who trains through them is refused by name, not given a slope that is none. */
export function withoutGradient(call: OperatorCall, whole: Tensor): Tensor {
  return withGradient(whole, () => {
    throw call.unsupported(
      'rounds to whole numbers, and nothing can be trained through that',
      'Train the model in floating point, or leave what stands before this node as it is.',
    );
  });
}

/** A tensor in another type: fixed point of any width is the same; whole numbers are cut off towards zero. */
function castTo(call: OperatorCall, x: TensorValue, type: ElementName): TensorValue {
  if (x.kind === 'public') return mapPublic(x, (value) => value, type);
  if (x.type === type || (isFloat(x.type) && isFloat(type))) return { ...x, type };
  const t = numbersOf(call.graph, x);
  if (isFloat(type)) return secretTensor(type, t.rescaled(call.graph.options.fractionBits));
  if (type === 'bool') return x.type === 'bool' ? x : secretTensor('bool', t.equalsNumber(0).not());
  if (!isFloat(x.type)) return secretTensor(type, inType(type, t));
  // floor(|x|) with the sign of x, as floor(x) and one more where x is negative and not whole.
  const low = floorUnits(t);
  const isNegative = t.atLeast(0).not();
  const isBroken = low.rescaled(t.scale).sub(t).provedBelow(0.01).equalsNumber(0).not();
  return secretTensor(type, withoutGradient(call, inType(type, low.add(isNegative.and(isBroken).toNumber()))));
}

function constantOperator(call: OperatorCall): PublicTensor {
  const tensor = call.tensorAttribute('value');
  if (tensor !== undefined) return tensor;
  const [int, float] = [call.attribute('value_int', 'int'), call.attribute('value_float', 'float')];
  if (int !== undefined) return publicTensor('int64', [], [int]);
  if (float !== undefined) return publicTensor('float32', [], [float]);
  const [ints, floats] = [call.ints('value_ints'), call.attribute('value_floats', 'floats')];
  if (ints !== undefined) return publicTensor('int64', [ints.length], ints);
  if (floats !== undefined) return publicTensor('float32', [floats.length], floats);
  throw call.unsupported('holds no dense tensor of numbers');
}

/** A window of signal processing: its coefficients of cosines of one, two ... turns. */
function cosineWindow(coefficients: readonly number[]): OperatorDefinition {
  return {
    attributes: ['periodic', 'output_datatype'],
    run: (call) => {
      const size = call.publicNumbers(0, 'its size')[0] ?? 0;
      const turn = (2 * Math.PI) / (call.int('periodic', 1) !== 0 ? size : size - 1);
      const values = range(publicSize([size])).map((i) =>
        coefficients.reduce((sum, c, k) => sum + c * Math.cos(k * turn * i), 0),
      );
      return publicTensor(typeAttribute(call, 'output_datatype', 'float32'), [size], values);
    },
  };
}

export const constants: OperatorFamily = {
  Constant: {
    attributes: ['value', 'value_int', 'value_float', 'value_ints', 'value_floats'],
    run: constantOperator,
  },
  ConstantOfShape: {
    attributes: ['value'],
    run: (call) => {
      const shape = call.publicNumbers(0, 'its shape');
      const { type, values } = call.tensorAttribute('value') ?? publicTensor('float32', [1], [0]);
      return publicTensor(type, shape, new Array<number>(publicSize(shape)).fill(values[0] ?? 0));
    },
  },
  Range: {
    run: (call) => {
      const [start, limit, step] = ['its start', 'its end', 'its step'].map(
        (what, i) => call.publicNumbers(i, what)[0] ?? 0,
      );
      if (start === undefined || limit === undefined || step === undefined || step === 0)
        throw call.unsupported('needs a start, an end and a step other than 0', 'Repair the model.');
      const count = Math.max(0, Math.ceil((limit - start) / step));
      return publicTensor(
        call.type(0),
        [count],
        range(publicSize([count])).map((i) => start + i * step),
      );
    },
  },
  EyeLike: {
    attributes: ['dtype', 'k'],
    run: (call) => {
      const shape = shapeOf(call.tensor(0));
      const [, columns = 0] = shape;
      if (shape.length !== 2) throw call.unsupported(`takes a matrix, not [${shape.join(', ')}]`, 'Repair the model.');
      const k = call.int('k', 0);
      const values = range(publicSize(shape)).map((i) => Number((i % columns) - Math.floor(i / columns) === k));
      return publicTensor(typeAttribute(call, 'dtype', call.type(0)), shape, values);
    },
  },
  Cast: {
    attributes: ['to', 'saturate'],
    run: (call) => castTo(call, call.tensor(0), typeAttribute(call, 'to')),
  },
  CastLike: { attributes: ['saturate'], run: (call) => castTo(call, call.tensor(0), call.type(1)) },
  BlackmanWindow: cosineWindow([0.42, -0.5, 0.08]),
  HammingWindow: cosineWindow([25 / 46, -21 / 46]),
  HannWindow: cosineWindow([0.5, -0.5]),
};
