/**
 * Products of written-out windows become products that read the windows from the image (convolutions and the gradients of
 * their kernels), and folded products become ones that add into the image (the gradients of what was convolved): windows
 * take several times the image's memory, and now none. Steps keep their places and names; what nobody reads any more is
 * left out by liveness. Openings, masks and dealt values are untouched. Knows nothing of parties and layers.
 */
import { windowsOut } from '../kernels/kernels.ts';
import type { WindowedMatrix, Windows } from '../kernels/kernels.ts';
import { stepValues } from './builder.ts';
import type { LocalOperation, Program, Step, Words } from './program.ts';

type Matmul = LocalOperation & { op: 'matmul' };

export function implicitWindows(program: Program): Program {
  const producers = new Map<number, LocalOperation>();
  const uses = new Map<number, number>();
  for (const step of program.steps) {
    const { defines, reads } = stepValues(step);
    for (const value of reads) uses.set(value, (uses.get(value) ?? 0) + 1);
    if (step.op === 'local') for (const value of defines) producers.set(value, step.operation);
  }
  /** What computes the value, if `words` are all of it. */
  const producer = (words: Words): LocalOperation | undefined =>
    words.start === 0 && words.length === program.values[words.value]?.length ? producers.get(words.value) : undefined;

  /** The product with `of` read from images, if it is the windows of one geometry in every pair. */
  const reading = (product: Matmul, of: 'a' | 'b'): Matmul | undefined => {
    if (of === 'a' ? product.transposeA : product.transposeB) return undefined;
    const sources = product.pairs.map((pair) => producer(pair[of]));
    const unfolds = sources.flatMap((source) => (source?.op === 'unfold' ? [source] : []));
    const [first] = unfolds;
    if (first === undefined || unfolds.length < sources.length) return undefined;
    if (unfolds.some(({ windows }) => !sameWindows(windows, first.windows))) return undefined;
    if (!stands(first.windows, product, of)) return undefined;
    return {
      ...product,
      pairs: product.pairs.map((pair, i) => ({ ...pair, [of]: unfolds[i]?.input ?? pair[of] })),
      windows: { of, geometry: first.windows },
    };
  };

  const rewrite = (operation: LocalOperation): LocalOperation => {
    if (operation.op === 'matmul') return reading(operation, 'a') ?? reading(operation, 'b') ?? operation;
    if (operation.op !== 'fold' || uses.get(operation.input.value) !== 1) return operation;
    const product = producer(operation.input);
    if (product?.op !== 'matmul' || product.transposeA || rewrite(product) !== product) return operation;
    if (!stands(operation.windows, product, 'out')) return operation;
    return { ...product, out: operation.out, windows: { of: 'out', geometry: operation.windows } };
  };
  return {
    ...program,
    steps: program.steps.map((step): Step =>
      step.op === 'local' ? { ...step, operation: rewrite(step.operation) } : step,
    ),
  };
}

/** The windows are the product's matrices `of`: as many columns, and a matrix for each product of the batch, of whole images. */
function stands(windows: Windows, { batch, m, k, n }: Matmul, of: WindowedMatrix['of']): boolean {
  const [height, width] = windowsOut(windows);
  const [rows, columns] = of === 'a' ? [m, k] : of === 'b' ? [k, n] : [m, n];
  return (
    columns === windows.channels * windows.kernel[0] * windows.kernel[1] &&
    batch * rows === windows.batch * height * width &&
    windows.batch % batch === 0
  );
}

function sameWindows(a: Windows, b: Windows): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
