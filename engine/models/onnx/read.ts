/**
 * From an ONNX graph to the neutral description: the models that are one chain of layers. Anything else is refused before
 * anything runs, by node name and operator. Old spellings (operator sets 6 to 12) are understood where they mean the same.
 * Operators: https://onnx.ai/onnx/operators. Knows nothing of bytes or files.
 */
import { InputError } from '../../../shared/errors.ts';
import { elementCount } from '../../../shared/layers/kind.ts';
import { checkFinite, checkModel, layerOutputShape } from '../../../shared/model.ts';
import { MODEL_INPUT } from '../../../shared/layers/table.ts';
import type { Layer } from '../../../shared/layers/table.ts';
import type { InputStandardisation, TrainedModel, WeightTensor } from '../../../shared/model.ts';
import { toFloat64 } from '../tensor.ts';
import { samePadding } from '../../../shared/layers/same-padding.ts';
import type { PlainTensor } from '../tensor.ts';
import { nodeLabel } from '../../../shared/operator-graph.ts';
import { readOnnxGraph } from './graph.ts';
import type { OnnxGraph, OnnxNode } from './graph.ts';
import { readOwnModel } from './own-model.ts';
import { operatorModel } from './operators.ts';
import type { OperatorModel } from './operators.ts';
import type { ReadExternalData } from './tensor-proto.ts';

/**
 * Reads an ONNX file of our own, or one that holds a chain of supported layers.
 * @param what names the file in errors.
 * @throws InputError: those of `readOnnxGraph`; `onnx-unsupported` naming node and operator; `not-finite` naming the tensor.
 */
export function readOnnx(bytes: Uint8Array, what: string, readExternal?: ReadExternalData): TrainedModel {
  return readOwnModel(bytes, what) ?? modelFromGraph(readOnnxGraph(bytes, what, readExternal), what);
}

/** What an ONNX file holds: layers where it is one chain of them, else operators. */
export type OnnxModel =
  | { readonly kind: 'layers'; readonly model: TrainedModel }
  | { readonly kind: 'operators'; readonly model: OperatorModel };

/** Reasons why a graph is no chain of layers; as a graph of operators it may be fine. */
const notAChain = ['onnx-not-a-chain', 'onnx-unsupported', 'onnx-type', 'onnx-input-shape'];

/**
 * Reads any ONNX file. Operators are not looked at: tracing refuses those that cannot be computed.
 * @throws InputError: those of `readOnnxGraph`; `not-finite` naming the tensor.
 */
export function readOnnxModel(bytes: Uint8Array, what: string, readExternal?: ReadExternalData): OnnxModel {
  const own = readOwnModel(bytes, what);
  if (own !== undefined) return { kind: 'layers', model: own };
  const graph = readOnnxGraph(bytes, what, readExternal);
  try {
    return { kind: 'layers', model: modelFromGraph(graph, what) };
  } catch (cause) {
    if (!(cause instanceof InputError) || !notAChain.includes(cause.code)) throw cause;
    return { kind: 'operators', model: operatorModel(graph) };
  }
}

/** Converts a graph that is one chain of supported layers; errors as `readOnnx`. */
function modelFromGraph(graph: OnnxGraph, what: string): TrainedModel {
  return new ChainReader(graph, what).read();
}

/** Larger rows are taken for damage: a standardisation is kept in memory cell by cell. */
const maxInputCells = 2 ** 26;

type Pair = [number, number];
type Padding = [number, number, number, number];

class ChainReader {
  readonly #graph: OnnxGraph;
  readonly #what: string;
  readonly #constants: Map<string, PlainTensor>;
  readonly #layers: Layer[] = [];
  readonly #weights = new Map<string, WeightTensor>();
  readonly #names = new Set<string>([MODEL_INPUT]);
  /** Shape of the value at the end of the chain so far, without batch. */
  #shape: readonly number[] = [];
  #standardisation: InputStandardisation | undefined;

  constructor(graph: OnnxGraph, what: string) {
    this.#graph = graph;
    this.#what = what;
    this.#constants = new Map(graph.constants);
  }

  read(): TrainedModel {
    const [input, ...otherInputs] = this.#graph.inputs;
    const [output, ...otherOutputs] = this.#graph.outputs;
    if (input === undefined || output === undefined || otherInputs.length > 0 || otherOutputs.length > 0) {
      throw this.#refused(
        'onnx-not-a-chain',
        `it has ${this.#graph.inputs.length} inputs and ${this.#graph.outputs.length} outputs, supported is one of each`,
      );
    }
    if (input.elementType !== 'FLOAT' && input.elementType !== 'DOUBLE' && input.elementType !== 'FLOAT16') {
      throw this.#refused('onnx-type', `its input "${input.name}" is of type ${input.elementType}, supported is FLOAT`);
    }
    const inputShape = (input.shape ?? []).slice(1).map((cells) => {
      if (typeof cells !== 'number' || cells < 1) {
        throw this.#refused('onnx-input-shape', `its input "${input.name}" leaves a size open beside the batch`);
      }
      return cells;
    });
    if (inputShape.length === 0) {
      throw this.#refused('onnx-input-shape', `its input "${input.name}" has no shape of the form [batch, sizes ...]`);
    }
    if (elementCount(inputShape) > maxInputCells) {
      throw this.#refused('onnx-input-shape', `its input "${input.name}" has ${elementCount(inputShape)} cells a row`);
    }
    this.#shape = inputShape;
    let value = input.name;
    for (const node of this.#graph.nodes) {
      if (this.#isConstant(node)) continue;
      const [first] = node.inputs;
      const swapped = node.operator === 'Add' || node.operator === 'Mul' ? node.inputs[1] : undefined;
      if (first !== value && swapped !== value) {
        throw this.#unsupported(
          node,
          `takes "${first}" where the chain has reached "${value}"; only single chains are supported`,
        );
      }
      this.#node(node, value);
      value = node.outputs[0] ?? '';
    }
    if (value !== output.name) {
      throw this.#refused('onnx-not-a-chain', `its output "${output.name}" is not the end of the chain, "${value}"`);
    }
    if (this.#layers.length === 0) throw this.#refused('onnx-not-a-chain', 'it has no layers');
    const model: TrainedModel = {
      description: { inputShape, layers: this.#layers },
      weights: this.#weights,
      ...(this.#standardisation === undefined ? {} : { standardisation: this.#standardisation }),
    };
    checkModel(model);
    return model;
  }

  /** Takes a Constant node, or an Identity of a constant, out of the chain. */
  #isConstant(node: OnnxNode): boolean {
    const output = node.outputs[0] ?? '';
    if (node.domain !== '') return false;
    if (node.operator === 'Constant') {
      const value = node.attributes.get('value');
      if (value?.kind !== 'tensor') throw this.#unsupported(node, 'holds no dense tensor');
      this.#constants.set(output, value.value);
      return true;
    }
    const source = this.#constants.get(node.inputs[0] ?? '');
    if (node.operator !== 'Identity' || source === undefined) return false;
    this.#constants.set(output, source);
    return true;
  }

  #node(node: OnnxNode, chain: string): void {
    if (node.domain !== '') throw this.#unsupported(node, 'is not an operator of ONNX itself');
    const attributes = new Attributes(node, (reason) => this.#unsupported(node, reason));
    switch (node.operator) {
      case 'Gemm':
        this.#gemm(node, attributes);
        break;
      case 'MatMul':
        this.#dense(node, this.#matrix(node, 1, false));
        break;
      case 'Add':
      case 'Sub':
      case 'Mul':
      case 'Div':
        attributes.ignore('axis', 'broadcast', 'consumed_inputs');
        this.#affine(node, chain);
        break;
      case 'Relu':
        attributes.ignore('consumed_inputs');
        this.#push({ kind: 'relu', name: this.#name(node, 'relu') });
        break;
      case 'Sigmoid':
        attributes.ignore('consumed_inputs');
        this.#push({ kind: 'sigmoid', name: this.#name(node, 'sigmoid') });
        break;
      case 'Tanh':
        attributes.ignore('consumed_inputs');
        this.#push({ kind: 'tanh', name: this.#name(node, 'tanh') });
        break;
      case 'Softmax':
        this.#softmax(node, attributes);
        break;
      case 'Flatten':
        if (attributes.int('axis', 1) !== 1) throw this.#unsupported(node, 'flattens from an axis other than 1');
        this.#push({ kind: 'flatten', name: this.#name(node, 'flatten') });
        break;
      case 'Reshape':
        this.#reshape(node, attributes);
        break;
      case 'Conv':
        this.#convolution(node, attributes);
        break;
      case 'MaxPool':
        this.#maxPool(node, attributes);
        break;
      case 'AveragePool':
        this.#averagePool(node, attributes);
        break;
      case 'GlobalAveragePool':
        this.#globalAveragePool(node);
        break;
      case 'BatchNormalization':
        this.#batchNorm(node, attributes);
        break;
      case 'Identity':
        break;
      case 'Dropout':
        this.#dropout(node, attributes);
        break;
      default:
        throw this.#unsupported(node, 'is an operator that is not supported');
    }
    attributes.finish();
  }

  #gemm(node: OnnxNode, attributes: Attributes): void {
    const alpha = attributes.float('alpha', 1);
    const beta = attributes.float('beta', 1);
    attributes.ignore('broadcast');
    if (attributes.int('transA', 0) !== 0) throw this.#unsupported(node, 'transposes its input');
    const kernel = this.#matrix(node, 1, attributes.int('transB', 0) !== 0);
    const outputs = kernel.shape[1] ?? 0;
    const biasName = node.inputs[2] ?? '';
    const bias = biasName === '' ? undefined : this.#rowVector(node, biasName, outputs).map((cell) => cell * beta);
    this.#dense(
      node,
      { shape: kernel.shape, data: alpha === 1 ? kernel.data : kernel.data.map((cell) => cell * alpha) },
      bias,
    );
  }

  #dense(node: OnnxNode, kernel: WeightTensor, bias?: Float64Array): void {
    const [inputs = 0, outputs = 0] = kernel.shape;
    const name = this.#name(node, 'dense');
    this.#weights.set(`${name}/kernel`, kernel);
    if (bias !== undefined) this.#weights.set(`${name}/bias`, { shape: [outputs], data: bias });
    this.#push({ kind: 'dense', name, inputs, outputs, useBias: bias !== undefined });
  }

  /** A sum or product with a constant: the input's standardisation before any layer, a bias after a product of matrices. */
  #affine(node: OnnxNode, chain: string): void {
    const operand = node.inputs[node.inputs[0] === chain ? 1 : 0] ?? '';
    const tensor = this.#constant(node, operand);
    const last = this.#layers.at(-1);
    if (last === undefined) {
      this.#standardise(node, this.#broadcast(node, operand, tensor));
      return;
    }
    if (node.operator !== 'Add' || last.kind !== 'dense' || last.useBias) {
      throw this.#unsupported(node, 'is neither a standardisation of the input nor a bias after a MatMul');
    }
    this.#weights.set(`${last.name}/bias`, {
      shape: [last.outputs],
      data: this.#rowVector(node, operand, last.outputs),
    });
    this.#layers[this.#layers.length - 1] = { ...last, useBias: true };
  }

  /** Appends x + c, x - c, x * c or x / c to (x - subtract) * multiply. */
  #standardise(node: OnnxNode, operand: Float64Array): void {
    const cells = elementCount(this.#shape);
    const subtract = this.#standardisation?.subtract.slice() ?? new Float64Array(cells);
    const multiply = this.#standardisation?.multiply.slice() ?? new Float64Array(cells).fill(1);
    operand.forEach((cell, i) => {
      const factor = multiply[i] ?? 1;
      if (node.operator === 'Mul' || node.operator === 'Div') {
        multiply[i] = node.operator === 'Mul' ? factor * cell : factor / cell;
      } else {
        subtract[i] = (subtract[i] ?? 0) + (node.operator === 'Sub' ? cell : -cell) / factor;
      }
    });
    this.#standardisation = { subtract, multiply };
  }

  #softmax(node: OnnxNode, attributes: Attributes): void {
    // Before operator set 13 everything from `axis` on was one flattened row; on vectors that is the same.
    const axis = attributes.int('axis', this.#graph.opset < 13 ? 1 : -1);
    if (this.#shape.length !== 1 || (axis !== 1 && axis !== -1)) {
      throw this.#unsupported(node, 'works along another axis than the last of [batch, classes]');
    }
    this.#push({ kind: 'softmax', name: this.#name(node, 'softmax') });
  }

  #reshape(node: OnnxNode, attributes: Attributes): void {
    // Operator set 1 had the target as an attribute.
    const operand = node.inputs[1];
    const target =
      operand === undefined ? attributes.ints('shape', []) : [...toFloat64(operand, this.#constant(node, operand))];
    if (attributes.int('allowzero', 0) !== 0) throw this.#unsupported(node, 'sets allowzero');
    const cells = elementCount(this.#shape);
    const [batch, row] = target;
    // [0 or -1, cells] and [0 or a fixed batch, -1]: the batch stays, the rest becomes one row.
    if (target.length !== 2 || !(row === cells || (row === -1 && batch !== -1))) {
      throw this.#unsupported(node, `reshapes to [${target.join(', ')}]; supported is flattening all but the batch`);
    }
    this.#push({ kind: 'flatten', name: this.#name(node, 'flatten') });
  }

  #convolution(node: OnnxNode, attributes: Attributes): void {
    const name = this.#name(node, 'conv');
    const kernelName = node.inputs[1] ?? '';
    const weight = this.#weight(node, kernelName);
    if (weight.shape.length !== 4 || this.#shape.length !== 3) {
      throw this.#unsupported(node, 'is not a two-dimensional convolution of [batch, channels, height, width]');
    }
    const [filters = 0, channelsPerGroup = 0, height = 0, width = 0] = weight.shape;
    const kernel: Pair = [height, width];
    if (attributes.ints('kernel_shape', kernel).join() !== kernel.join()) {
      throw this.#unsupported(node, `says kernel_shape, but its weight "${kernelName}" has another shape`);
    }
    const stride = attributes.pair('strides');
    const dilation = attributes.pair('dilations');
    const groups = attributes.int('group', 1);
    const padding = this.#padding(node, attributes, kernel, stride, dilation);
    const biasName = node.inputs[2] ?? '';
    this.#weights.set(`${name}/kernel`, weight);
    if (biasName !== '') {
      this.#weights.set(`${name}/bias`, { shape: [filters], data: this.#rowVector(node, biasName, filters) });
    }
    this.#push({
      kind: 'conv2d',
      name,
      channels: channelsPerGroup * groups,
      filters,
      kernel,
      stride,
      dilation,
      padding,
      groups,
      useBias: biasName !== '',
    });
  }

  #maxPool(node: OnnxNode, attributes: Attributes): void {
    if ((node.outputs[1] ?? '') !== '') throw this.#unsupported(node, 'gives out indices');
    const kernel = this.#poolKernel(node, attributes);
    const stride = attributes.pair('strides');
    const dilation = attributes.pair('dilations');
    // Only orders the indices of the second output.
    attributes.ignore('storage_order');
    const padding = this.#padding(node, attributes, kernel, stride, dilation);
    this.#roundedDown(node, attributes, kernel, stride, dilation, padding);
    this.#push({ kind: 'maxPool2d', name: this.#name(node, 'pool'), kernel, stride, dilation, padding });
  }

  #averagePool(node: OnnxNode, attributes: Attributes): void {
    const kernel = this.#poolKernel(node, attributes);
    const stride = attributes.pair('strides');
    const dilation = attributes.pair('dilations');
    if (dilation[0] !== 1 || dilation[1] !== 1) throw this.#unsupported(node, 'is dilated');
    const padding = this.#padding(node, attributes, kernel, stride, dilation);
    this.#roundedDown(node, attributes, kernel, stride, dilation, padding);
    const countPadding = attributes.int('count_include_pad', 0) !== 0;
    this.#push({ kind: 'averagePool2d', name: this.#name(node, 'pool'), kernel, stride, padding, countPadding });
  }

  #globalAveragePool(node: OnnxNode): void {
    if (this.#shape.length !== 3) throw this.#unsupported(node, 'is not given [batch, channels, height, width]');
    const kernel: Pair = [this.#shape[1] ?? 1, this.#shape[2] ?? 1];
    const name = this.#name(node, 'pool');
    this.#push({ kind: 'averagePool2d', name, kernel, stride: [1, 1], padding: [0, 0, 0, 0], countPadding: false });
  }

  #batchNorm(node: OnnxNode, attributes: Attributes): void {
    const [epsilon, momentum] = [attributes.float('epsilon', 1e-5), attributes.float('momentum', 0.9)];
    const isTrained = attributes.int('training_mode', 0) !== 0;
    const isByCell = attributes.int('spatial', 1) === 0;
    const fits = epsilon >= 1e-6 && epsilon <= 1 && momentum >= 0 && momentum < 1;
    if (this.#graph.opset < 7 || isTrained || isByCell || !fits)
      throw this.#unsupported(node, 'is not a normalisation by channels with statistics that are known');
    const [channels = 0] = this.#shape;
    const name = this.#name(node, 'norm');
    ['scale', 'bias', 'mean', 'variance'].forEach((part, i) =>
      this.#weights.set(`${name}/${part}`, {
        shape: [channels],
        data: this.#rowVector(node, node.inputs[i + 1] ?? '', channels),
      }),
    );
    this.#push({ kind: 'batchNorm', name, channels, epsilon, momentum });
  }

  #dropout(node: OnnxNode, attributes: Attributes): void {
    attributes.ignore('ratio', 'seed', 'is_test');
    const training = node.inputs[2] ?? '';
    if (training !== '' && this.#constant(node, training).data[0] !== 0) {
      throw this.#unsupported(node, 'drops values in evaluation too (training_mode)');
    }
  }

  #poolKernel(node: OnnxNode, attributes: Attributes): Pair {
    const [height, width, ...more] = attributes.ints('kernel_shape', []);
    if (height === undefined || width === undefined || more.length > 0 || this.#shape.length !== 3) {
      throw this.#unsupported(node, 'is not a two-dimensional pool of [batch, channels, height, width]');
    }
    return [height, width];
  }

  /** Explicit pads, or those that auto_pad stands for; top, left, bottom, right. */
  #padding(node: OnnxNode, attributes: Attributes, kernel: Pair, stride: Pair, dilation: Pair): Padding {
    const automatic = attributes.text('auto_pad', 'NOTSET');
    const pads = attributes.ints('pads', [0, 0, 0, 0]);
    if (automatic === 'NOTSET') {
      const [top, left, bottom, right] = pads;
      if (pads.length !== 4 || pads.some((cells) => cells < 0))
        throw this.#unsupported(node, `has pads [${pads.join(', ')}]`);
      return [top ?? 0, left ?? 0, bottom ?? 0, right ?? 0];
    }
    if (automatic === 'VALID') return [0, 0, 0, 0];
    if (automatic !== 'SAME_UPPER' && automatic !== 'SAME_LOWER')
      throw this.#unsupported(node, `has auto_pad ${automatic}`);
    const [vertical, horizontal] = ([0, 1] as const).map((axis) => {
      const total = samePadding(this.#shape[axis + 1] ?? 0, kernel[axis], stride[axis], dilation[axis]);
      const less = Math.floor(total / 2);
      return automatic === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
    }) as [Pair, Pair];
    return [vertical[0], horizontal[0], vertical[1], horizontal[1]];
  }

  /** ceil_mode is taken where it changes nothing: every window fits. */
  #roundedDown(
    node: OnnxNode,
    attributes: Attributes,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    padding: Padding,
  ): void {
    if (attributes.int('ceil_mode', 0) === 0) return;
    for (const axis of [0, 1] as const) {
      const extent = (this.#shape[axis + 1] ?? 0) + padding[axis] + (padding[axis + 2] ?? 0);
      if ((extent - dilation[axis] * (kernel[axis] - 1) - 1) % stride[axis] !== 0) {
        throw this.#unsupported(node, 'rounds its output size up (ceil_mode)');
      }
    }
  }

  #constant(node: OnnxNode, name: string): PlainTensor {
    const tensor = this.#constants.get(name);
    if (tensor === undefined) throw this.#unsupported(node, `needs "${name}" to be a constant`);
    return tensor;
  }

  /** A constant as a finite weight. */
  #weight(node: OnnxNode, name: string): WeightTensor {
    const tensor = this.#constant(node, name);
    const what = `${this.#what}: weight "${name}" of ${nodeLabel(node)}`;
    const data = toFloat64(what, tensor);
    checkFinite(what, data);
    return { shape: tensor.shape, data };
  }

  #matrix(node: OnnxNode, position: number, transposed: boolean): WeightTensor {
    const name = node.inputs[position] ?? '';
    const { shape, data } = this.#weight(node, name);
    const [rows = 0, columns = 0] = shape;
    if (shape.length !== 2) throw this.#unsupported(node, `multiplies by "${name}", which is not a matrix`);
    if (!transposed) return { shape, data };
    const result = new Float64Array(data.length);
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) result[j * rows + i] = data[i * columns + j] ?? 0;
    return { shape: [columns, rows], data: result };
  }

  /** A constant added to every row: one value for all columns, or one a column. */
  #rowVector(node: OnnxNode, name: string, columns: number): Float64Array {
    const { shape, data } = this.#weight(node, name);
    if (shape.slice(0, -1).some((n) => n !== 1) || (data.length !== 1 && data.length !== columns)) {
      throw this.#unsupported(node, `adds "${name}" of shape [${shape.join(', ')}] to rows of ${columns}`);
    }
    return data.length === columns ? data : new Float64Array(columns).fill(data[0] ?? 0);
  }

  /** A constant spread over the shape of the chain, by ONNX's broadcasting rules. */
  #broadcast(node: OnnxNode, name: string, tensor: PlainTensor): Float64Array {
    const { data } = this.#weight(node, name);
    // Leading ones, batch included, change nothing.
    const shape = tensor.shape.slice();
    while (shape.length > this.#shape.length && shape[0] === 1) shape.shift();
    while (shape.length < this.#shape.length) shape.unshift(1);
    if (shape.length > this.#shape.length || shape.some((n, axis) => n !== 1 && n !== this.#shape[axis])) {
      throw this.#unsupported(
        node,
        `combines an input of [${this.#shape.join(', ')}] with "${name}" of [${tensor.shape.join(', ')}]`,
      );
    }
    return Float64Array.from({ length: elementCount(this.#shape) }, (_, position) => {
      let rest = position;
      let source = 0;
      let stride = 1;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        const cells = this.#shape[axis] ?? 1;
        if (shape[axis] !== 1) source += (rest % cells) * stride;
        stride *= shape[axis] ?? 1;
        rest = Math.floor(rest / cells);
      }
      return data[source] ?? 0;
    });
  }

  #push(layer: Layer): void {
    this.#shape = layerOutputShape(layer, this.#shape);
    this.#layers.push(layer);
  }

  /** The node's own name where it can serve, so that our own files come back unchanged; else the kind and a number. */
  #name(node: OnnxNode, kind: string): string {
    const usable = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/u.test(node.name) && !this.#names.has(node.name);
    let name = usable ? node.name : `${kind}1`;
    for (let i = 2; this.#names.has(name); i++) name = `${kind}${i}`;
    this.#names.add(name);
    return name;
  }

  #unsupported(node: OnnxNode, reason: string): InputError {
    return new InputError('onnx-unsupported', `${this.#what}: ${nodeLabel(node)} ${reason}.`, {
      hint: 'Change this part of the model, or export it another way.',
    });
  }

  #refused(code: string, reason: string): InputError {
    return new InputError(code, `${this.#what} cannot be used: ${reason}.`);
  }
}

/** A node's attributes, typed on the way out; `finish` refuses those that nobody asked for. */
class Attributes {
  readonly #node: OnnxNode;
  readonly #refuse: (reason: string) => InputError;
  readonly #known = new Set<string>();

  constructor(node: OnnxNode, refuse: (reason: string) => InputError) {
    this.#node = node;
    this.#refuse = refuse;
  }

  int(name: string, fallback: number): number {
    this.#known.add(name);
    const attribute = this.#node.attributes.get(name);
    if (attribute === undefined) return fallback;
    if (attribute.kind !== 'int') throw this.#wrongKind(name, 'an integer');
    return attribute.value;
  }

  float(name: string, fallback: number): number {
    this.#known.add(name);
    const attribute = this.#node.attributes.get(name);
    if (attribute === undefined) return fallback;
    if (attribute.kind !== 'float') throw this.#wrongKind(name, 'a number');
    return attribute.value;
  }

  text(name: string, fallback: string): string {
    this.#known.add(name);
    const attribute = this.#node.attributes.get(name);
    if (attribute === undefined) return fallback;
    if (attribute.kind !== 'string') throw this.#wrongKind(name, 'a text');
    return attribute.value;
  }

  ints(name: string, fallback: readonly number[]): readonly number[] {
    this.#known.add(name);
    const attribute = this.#node.attributes.get(name);
    if (attribute === undefined) return fallback;
    if (attribute.kind !== 'ints') throw this.#wrongKind(name, 'a list of integers');
    return attribute.value;
  }

  /** Two sizes of at least 1; ones when absent. */
  pair(name: string): Pair {
    const [first, second, ...more] = this.ints(name, [1, 1]);
    if (first === undefined || second === undefined || more.length > 0 || first < 1 || second < 1) {
      throw this.#wrongKind(name, 'two sizes of at least 1');
    }
    return [first, second];
  }

  /** Attributes that say nothing about the result here. */
  ignore(...names: string[]): void {
    for (const name of names) this.#known.add(name);
  }

  finish(): void {
    for (const name of this.#node.attributes.keys()) {
      if (!this.#known.has(name)) throw this.#refuse(`has an attribute "${name}" that is not supported`);
    }
  }

  #wrongKind(name: string, expected: string): InputError {
    return this.#refuse(`has an attribute "${name}" that is not ${expected}`);
  }
}
