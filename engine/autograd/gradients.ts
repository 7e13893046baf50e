/**
 * Reverse-mode differentiation of a traced graph: adds the nodes of the backward pass to the same graph, so that lowering
 * shares masks and openings between forward and backward. Gradients are in real numbers: truncation has gradient 1.
 * Functions that come from tables give their own rule (withGradient). Knows nothing of shares.
 */
import { InternalError } from '../../shared/errors.ts';
import type { Graph, NodeInfo } from '../tensor/graph.ts';
import { scatterAddRows } from '../tensor/rearrange.ts';
import { oneHot } from '../tensor/secret-index.ts';
import { Tensor, linear } from '../tensor/tensor.ts';

/** Gradients for the inputs of a function, from the gradient of its result. */
export type GradientRule = (gradient: Tensor) => readonly (readonly [Tensor, Tensor])[];

const rules = new WeakMap<Graph, Map<number, GradientRule>>();

/** Declares how the gradient passes from `result` to what it was computed from; nodes in between are not visited. */
export function withGradient(result: Tensor, rule: GradientRule): Tensor {
  const ofGraph = rules.get(result.graph) ?? new Map<number, GradientRule>();
  ofGraph.set(result.node.id, rule);
  rules.set(result.graph, ofGraph);
  return result;
}

/**
 * Gradients of sum(seed * output) with respect to `variables`, given seeds of the outputs' shapes; in their order. A variable
 * that no output depends on is an error. New nodes belong to the layer of the node they differentiate, phase `backward`.
 */
export function gradients(
  seeds: readonly (readonly [output: Tensor, seed: Tensor])[],
  variables: readonly Tensor[],
): Tensor[] {
  const graph = seeds[0]?.[0].graph ?? variables[0]?.graph;
  if (graph === undefined) return [];
  const known = rules.get(graph) ?? new Map<number, GradientRule>();
  const last = Math.max(...seeds.map(([output]) => output.node.id));
  const wanted = new Set(variables.map((v) => v.node.id));

  // Dependence on the variables, forward; a rule's own inputs are found when it is asked.
  const depends = new Set(wanted);
  for (const node of graph.nodes.slice(0, last + 1))
    if (node.inputs.some((id) => depends.has(id))) depends.add(node.id);

  const sums = new Map<number, Tensor[]>();
  const give = (id: number, gradient: Tensor): void => {
    if (!depends.has(id)) return;
    sums.set(id, [...(sums.get(id) ?? []), gradient]);
  };
  for (const [output, seed] of seeds) give(output.node.id, seed);
  const results = new Map<number, Tensor>();
  for (let id = last; id >= 0; id--) {
    const parts = sums.get(id);
    const [first] = parts ?? [];
    if (parts === undefined || first === undefined) continue;
    const node = graph.node(id);
    graph.scope(node.layer, 'backward', () => {
      const total =
        parts.length === 1
          ? first
          : linear(
              'add',
              parts.map((part) => [1n, part] as const),
            );
      if (wanted.has(id)) results.set(id, total);
      const rule = known.get(id);
      if (rule !== undefined) for (const [input, gradient] of rule(total)) give(input.node.id, gradient);
      else if (node.inputs.some((input) => depends.has(input))) {
        for (const [input, gradient] of differentiate(graph, node, total, (i) => depends.has(i))) give(input, gradient);
      }
    });
  }
  return variables.map((variable) => {
    const gradient = results.get(variable.node.id);
    if (gradient === undefined)
      throw new InternalError('no-gradient', `No output of ${graph.options.name} depends on a variable.`);
    return gradient;
  });
}

/** One node's rule: gradients of its inputs, for those that `isNeeded`. */
function differentiate(
  graph: Graph,
  node: NodeInfo,
  gradient: Tensor,
  isNeeded: (id: number) => boolean,
): [number, Tensor][] {
  const input = (i: number): Tensor => new Tensor(graph, graph.node(node.inputs[i] ?? -1));
  const operation = node.operation;
  switch (operation.op) {
    case 'linear':
      return node.inputs.flatMap((id, i): [number, Tensor][] => {
        if (!isNeeded(id)) return [];
        // In real numbers the coefficient is coefficient * 2^(input scale - output scale).
        const shift = node.scale - graph.node(id).scale;
        const coefficient = operation.coefficients[i] ?? 0n;
        if (shift >= 0 && coefficient === 1n << BigInt(shift)) return [[id, gradient]];
        if (shift >= 0 && coefficient === -(1n << BigInt(shift))) return [[id, gradient.neg()]];
        return [[id, gradient.timesRaw(Number(coefficient) / 2 ** shift, shift).rescaled(gradient.scale)]];
      });
    case 'multiply':
      return [0, 1].flatMap((i): [number, Tensor][] =>
        isNeeded(input(i).node.id) ? [[input(i).node.id, gradient.mul(input(1 - i))]] : [],
      );
    case 'matmul': {
      const [a, b] = [input(0), input(1)];
      const { transposeA, transposeB } = operation;
      const results: [number, Tensor][] = [];
      if (isNeeded(a.node.id)) {
        const full = transposeA
          ? b.matmul(gradient, { transposeA: transposeB, transposeB: true })
          : gradient.matmul(b, { transposeB: !transposeB });
        results.push([a.node.id, reduceBatch(full, a)]);
      }
      if (isNeeded(b.node.id)) {
        const full = transposeB
          ? gradient.matmul(a, { transposeA: true, transposeB: transposeA })
          : a.matmul(gradient, { transposeA: !transposeA });
        results.push([b.node.id, reduceBatch(full, b)]);
      }
      return results;
    }
    case 'rescale':
      return [[input(0).node.id, gradient]];
    case 'reshape':
      return [[input(0).node.id, gradient.reshape(input(0).shape)]];
    case 'transpose':
      return [[input(0).node.id, gradient.transpose(node.shape.map((_, axis) => operation.permutation.indexOf(axis)))]];
    case 'slice':
      return [[input(0).node.id, gradient.embed(operation.begin, input(0).shape)]];
    case 'embed':
      return [[input(0).node.id, gradient.slice(operation.begin, input(0).shape)]];
    case 'broadcast': {
      const narrow = input(0).shape;
      const summed = node.shape.reduceRight(
        (g, size, axis) => (narrow[axis] === 1 && size !== 1 ? g.sum(axis) : g),
        gradient,
      );
      return [[input(0).node.id, summed.reshape(narrow)]];
    }
    case 'sum': {
      const kept = input(0).shape.map((size, axis) => (axis === operation.axis ? 1 : size));
      return [[input(0).node.id, gradient.reshape(kept).broadcastTo(input(0).shape)]];
    }
    case 'concat': {
      let from = 0;
      return node.inputs.map((id): [number, Tensor] => {
        const shape = graph.node(id).shape;
        const begin = shape.map((_, axis) => (axis === operation.axis ? from : 0));
        from += shape[operation.axis] ?? 0;
        return [id, gradient.slice(begin, shape)];
      });
    }
    case 'select':
      return isNeeded(input(1).node.id) ? [[input(1).node.id, input(0).select(gradient)]] : [];
    case 'unfold':
      // Before the truncation of the product that it is: as many openings as the image has cells, not its windows.
      return [[input(0).node.id, gradient.raw.fold(operation.windows).rescaled(gradient.scale)]];
    case 'fold':
      return [[input(0).node.id, gradient.unfold(operation.windows)]];
    case 'gatherRows': {
      const [table, index] = [input(0), input(1)];
      const { operation: source } = index.node;
      const [rows = 0] = table.shape;
      if (source.op === 'constant') return [[table.node.id, scatterAddRows(gradient, source.words.map(Number), rows)]];
      // Numbers that come before each execution: rows are added by a product with their one-hot form, which all know, so nothing
      // is opened; and before the truncation of the gradient, as it can be one with that of an update.
      const flat = gradient.raw.reshape([index.size, table.size / rows]);
      const sums = oneHot(index, rows).matmulRaw(flat, { transposeA: true });
      return [[table.node.id, sums.reshape(table.shape).rescaled(gradient.scale)]];
    }
    case 'atLeast':
    case 'isPositive':
    case 'equals':
    case 'bitOf':
    case 'and':
    case 'xor':
    case 'not':
    case 'bitToNumber':
    case 'oneHotMaximum':
      return [];
    case 'lookUp':
    case 'input':
    case 'state':
    case 'constant':
    case 'known':
      break;
  }
  throw new InternalError('no-gradient-rule', `There is no gradient through ${operation.op} in layer ${node.layer}.`);
}

/** Sums over a batch that the operand did not have. */
function reduceBatch(gradient: Tensor, operand: Tensor): Tensor {
  const extra = gradient.shape.length - operand.shape.length;
  let sum = gradient;
  for (let i = 0; i < extra; i++) sum = sum.sum(0);
  return sum;
}
