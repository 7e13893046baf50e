/**
 * Operation codes of argument records. Valid TypeScript and AssemblyScript: the records are written on one side
 * (records.ts) and read on the other.
 */
export const OP_COMBINE = 1;
export const OP_COPY = 2;
export const OP_FILL_ZERO = 3;
export const OP_GATHER_ROWS = 4;
export const OP_MATMUL = 5;
export const OP_SUM = 6;
export const OP_FIELD = 7;
export const OP_WRAP = 8;
export const OP_BIT_PLANES = 9;
export const OP_BITS_TO_WORDS = 10;
export const OP_COMBINE_BITS = 11;
export const OP_DIGIT_LOOKUP = 12;
export const OP_ONE_HOT_BITS = 13;
export const OP_ONE_HOT_WORDS = 14;
export const OP_TABLE_LOOKUP = 15;
export const OP_SELECT_MASKED = 16;
export const OP_UNFOLD = 17;
export const OP_FOLD = 18;
export const OP_SPLIT_BITS = 19;
export const OP_JOIN_BITS = 20;
export const OP_MATMUL_FOLD = 21;

/** Words of a combine term's record: coefficient kind, coefficient low and high, factors, then three words a factor. */
export const TERM_WORDS = 16;
export const COEFFICIENT_ANY = 0;
export const COEFFICIENT_ONE = 1;
export const COEFFICIENT_MINUS_ONE = 2;
/** How a factor is read: one word for each output word, a cycle of `size` words, or each word `size` times. */
export const READ_EACH = 0;
export const READ_CYCLE = 1;
export const READ_STRETCH = 2;

/** Words of a combineBits term's record: factors, then two words a factor. */
export const BIT_TERM_WORDS = 17;

/** Inner loops of a copy. */
export const COPY_RUNS = 0;
export const COPY_REPEAT = 1;
export const COPY_TRANSPOSE = 2;
export const COPY_STRIDED = 3;

/** Depth and width of the packed block of B in matmul; a block takes MATMUL_DEPTH * MATMUL_WIDTH * 8 bytes of scratch. */
export const MATMUL_DEPTH = 256;
export const MATMUL_WIDTH = 128;

/** Which matrix of a product is windows of images. */
export const WINDOWS_OF_NONE = 0;
export const WINDOWS_OF_A = 1;
export const WINDOWS_OF_B = 2;

/** Words of a combine tile. */
export const TILE_WORDS = 512;
