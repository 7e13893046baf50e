/**
 * The programs of inference over the rows of a table: a set-up in which the parties share their columns or rows and the model's
 * owner its weights, and one program for each batch size, which reveals the answers to the receivers. Public weights are given
 * to every execution instead, and cost nothing. Where rows are slots, answers are those of the slots that count, zeros elsewhere.
 * Knows nothing of job files, transports or processes.
 */
import { elementCount } from '../../shared/layers/kind.ts';
import { modelShapes } from '../../shared/model.ts';
import { ScriptWriter } from '../runtime/script.ts';
import type { Execution } from '../runtime/script.ts';
import { rowNumberWords } from '../runtime/words.ts';
import { Graph } from '../tensor/graph.ts';
import { indexInput } from '../tensor/tensor.ts';
import { forward } from './forward.ts';
import { inferenceNames } from './inference.ts';
import { counted, hasMembership } from './membership.ts';
import { modelTensors, standardiseRows, storeModel } from './model-weights.ts';
import type { ModelSpec } from './model-weights.ts';
import { graphOptions, storeTable, tableNames, tableRows } from './table.ts';
import type { TableSpec } from './table.ts';

export interface TableInferenceSpec extends TableSpec, ModelSpec {
  /** Rows that are answered, in order; public numbers. */
  readonly rows: Uint32Array;
  readonly receivers: readonly string[];
}

const programName = (rows: number): string => `infer-${rows}`;

/** Rows of one execution at most: beyond, rounds cost little beside work. */
const LARGEST_BATCH = 1024;
/** Cells of the widest layer in one execution at most: about 16 MiB a value. */
const BATCH_CELLS = 2 ** 21;

/** Sizes of the batches, in order. */
function batches({ description, rows }: TableInferenceSpec): number[] {
  const widest = Math.max(...[description.inputShape, ...modelShapes(description)].map(elementCount));
  const size = Math.max(1, Math.min(LARGEST_BATCH, Math.floor(BATCH_CELLS / widest)));
  const whole = Math.floor(rows.length / size);
  return [...new Array<number>(whole).fill(size), ...(rows.length > whole * size ? [rows.length - whole * size] : [])];
}

export function tableInferenceGraphs(spec: TableInferenceSpec): Graph[] {
  const setup = new Graph(graphOptions(spec, inferenceNames.setup));
  setup.scope('inputs', 'setup', () => storeTable(setup, spec));
  storeModel(setup, spec);
  return [setup, ...[...new Set(batches(spec))].map((rows) => batchGraph(spec, rows))];
}

function batchGraph(spec: TableInferenceSpec, rows: number): Graph {
  const { description } = spec;
  const graph = new Graph(graphOptions(spec, programName(rows)));
  const weights = modelTensors(graph, spec);
  const index = indexInput(graph, tableNames.rowNumbers, rows);
  const cells = graph.scope('inputs', 'forward', () => tableRows(graph, spec, index));
  const x = graph.scope('standardise', 'forward', () => standardiseRows(spec, cells));
  const y = forward(description.layers, weights, x.reshape([rows, ...description.inputShape]));
  graph.scope('answers', 'reveal', () => {
    // Zero for rows that do not count: they would tell what others have in slots that the receiver lacks.
    const told = hasMembership(spec) ? counted(spec, y.reshape([rows, y.size / rows]), index) : y;
    told.reveal(inferenceNames.answers, spec.receivers);
  });
  return graph;
}

/** @param modelWords public weights by input name; empty for a private model. */
export function* tableInferenceScript(
  spec: TableInferenceSpec,
  modelWords: ReadonlyMap<string, BigUint64Array>,
): Generator<Execution, void> {
  const sizes = batches(spec);
  const writer = new ScriptWriter(sizes.length);
  yield writer.next('setup', inferenceNames.setup, 0);
  let from = 0;
  for (const size of sizes) {
    const rows = spec.rows.subarray(from, from + size);
    from += size;
    const known = (): Map<string, BigUint64Array> =>
      new Map([...modelWords, [tableNames.rowNumbers, rowNumberWords(rows)] as const]);
    yield writer.next('step', programName(size), 0, known);
  }
}
