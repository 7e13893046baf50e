/** Places the layers of a model: each below everything that it is fed with. Pure; knows nothing of the page. */
import type { ModelNode } from '../../../shared/timing.ts';

export interface PlacedNode {
  readonly node: ModelNode;
  /** From 0, downwards. */
  readonly row: number;
  /** From 0, rightwards. */
  readonly column: number;
}

export interface Edge {
  readonly from: PlacedNode;
  readonly to: PlacedNode;
}

export interface GraphLayout {
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly Edge[];
  readonly rows: number;
  readonly columns: number;
}

/** A node's row is one more than the lowest of its inputs'; inputs that are no layer (the data) do not count. */
export function layoutGraph(model: readonly ModelNode[]): GraphLayout {
  const placed = new Map<string, PlacedNode>();
  const taken: number[] = [];
  for (const node of model) {
    const rows = node.inputs.flatMap((input) => placed.get(input)?.row ?? []);
    const row = Math.max(-1, ...rows) + 1;
    const column = taken[row] ?? 0;
    taken[row] = column + 1;
    placed.set(node.layer, { node, row, column });
  }
  const nodes = [...placed.values()];
  const edges = nodes.flatMap((to) =>
    to.node.inputs.flatMap((input): Edge[] => {
      const from = placed.get(input);
      return from === undefined ? [] : [{ from, to }];
    }),
  );
  return { nodes, edges, rows: taken.length, columns: Math.max(1, ...taken) };
}
