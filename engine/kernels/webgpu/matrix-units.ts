/**
 * Matrix units of a card that multiply bytes (u8 x u8 -> u32), as WebGPU's experimental subgroup matrices show them: the shape
 * of one instruction, how a product of words is cut into instructions, and up to where their sums are exact. Knows no WGSL
 * (matmul-matrix.ts) and no devices; a test carries the same schedule out in plain code.
 *
 * A word is eight bytes, a = sum of a_i 2^(8 i), so a b mod 2^64 is the sum of a_i b_j 2^(8 (i + j)) over the 36 pairs with
 * i + j < 8. Pairs of one diagonal i + j share a sum of 32 bits, so that eight sums stand for a result.
 */

/** The feature by which Dawn offers them; it must be allowed (allow_unsafe_apis), and may change with versions of Dawn. */
export const MATRIX_FEATURE = 'chromium-experimental-subgroup-matrix' as GPUFeatureName;

/** One instruction: rows x depth bytes times depth x columns bytes, added to rows x columns sums, by a whole subgroup. */
export interface MatrixUnits {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Threads of the largest subgroup. */
  readonly subgroupSize: number;
  /** Threads and bytes that a workgroup may have. */
  readonly mostThreads: number;
  readonly mostBytes: number;
}

/** What an adapter says of its instructions; not in the types of WebGPU yet. */
export interface MatrixConfiguration {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

export const WORD_BYTES = 8;

/** Pairs of bytes whose products fall within the word: [byte of a, byte of b], those of one byte of b one after the other. */
export const BYTE_PAIRS: readonly (readonly [a: number, b: number])[] = Array.from({ length: WORD_BYTES }, (_, b) =>
  Array.from({ length: WORD_BYTES - b }, (_, a) => [a, b] as const),
).flat();

/**
 * Terms after which sums are folded into words: the fullest diagonal has eight pairs, 8 * 255^2 * 8192 < 2^32. So no sum ever
 * wraps, and it does not matter whether units wrap or saturate.
 */
export const MATRIX_EXACT_TERMS = 8192;

/** How a workgroup computes a tile of the result. All in words, or bytes of one limb. */
export interface MatrixTiling {
  /** Subgroups down and across. */
  readonly subgroups: readonly [down: number, across: number];
  /** Results of an instruction that a subgroup has, down and across. */
  readonly results: readonly [down: number, across: number];
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Of a slab: a multiple of an instruction's, and a divisor of MATRIX_EXACT_TERMS. */
  readonly depth: number;
  /** Words of 32 bits from one row (column) of a slab to the next: four more than it has, so that rows start in other banks. */
  readonly stride: number;
  /** Words of 32 bits in workgroup memory: eight planes of both slabs, and later one diagonal of the tile. */
  readonly sharedWords: number;
  readonly threads: number;
}

const SLAB_DEPTH = 32;
const BANK_SHIFT = 4;
/** The first that fits a workgroup is taken. */
const ARRANGEMENTS = [
  [2, 4],
  [2, 2],
  [1, 2],
  [1, 1],
] as const;

/** Undefined where not even the smallest tile fits into a workgroup. */
export function matrixTiling(units: MatrixUnits, results: readonly [number, number]): MatrixTiling | undefined {
  const depth = Math.max(SLAB_DEPTH, units.depth);
  const stride = depth / 4 + BANK_SHIFT;
  for (const subgroups of ARRANGEMENTS) {
    const tileRows = subgroups[0] * results[0] * units.rows;
    const tileColumns = subgroups[1] * results[1] * units.columns;
    const sharedWords = Math.max(WORD_BYTES * (tileRows + tileColumns) * stride, tileRows * tileColumns);
    const threads = subgroups[0] * subgroups[1] * units.subgroupSize;
    if (threads > units.mostThreads || sharedWords * 4 > units.mostBytes) continue;
    return { subgroups, results, tileRows, tileColumns, depth, stride, sharedWords, threads };
  }
  return undefined;
}

/**
 * The instruction to use of those that an adapter lists: bytes without sign, the most multiply-adds at once. Undefined where it
 * lists none whose tiles fit a workgroup.
 */
export function chooseMatrixUnits(
  configurations: Iterable<MatrixConfiguration>,
  limits: Pick<MatrixUnits, 'subgroupSize' | 'mostThreads' | 'mostBytes'>,
): MatrixUnits | undefined {
  const volume = ({ rows, columns, depth }: MatrixUnits): number => rows * columns * depth;
  return [...configurations]
    .filter(({ componentType, resultComponentType }) => componentType === 'u8' && resultComponentType === 'u32')
    .map(({ M, N, K }): MatrixUnits => ({ rows: M, columns: N, depth: K, ...limits }))
    .filter((units) => units.depth % 4 === 0 && MATRIX_EXACT_TERMS % Math.max(SLAB_DEPTH, units.depth) === 0)
    .filter((units) => matrixTiling(units, [1, 1]) !== undefined)
    .sort((a, b) => volume(b) - volume(a))[0];
}
