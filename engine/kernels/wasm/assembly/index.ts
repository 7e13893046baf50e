/**
 * The module's entry: carries out units `from` .. `to` - 1 of an operation. A record is an operation code followed by
 * the operation's arguments (see each kernel); units are independent of each other, so threads may share them out.
 * `scratch` is private to the calling thread. Returns false when an index was out of range.
 */
import { combine } from './combine';
import { bitPlanes, bitsToWords, combineBits, digitLookup, joinBits, oneHotBits, selectMasked, splitBits } from './bits';
import { matmul, matmulFold } from './matmul';
import { fold, unfold } from './windows';
import { copy, field, fillZero, gatherRows, oneHotWords, sum, tableLookup, wrap } from './words';
import * as Op from './opcodes';

export { addPackedWords, addPlanes, copyPlanes, packWords, unpackWords } from './pack';

export function execute(record: usize, from: u32, to: u32, scratch: usize): bool {
  const args = record + 4;
  switch (load<u32>(record)) {
    case Op.OP_COMBINE:
      combine(args, from, to, scratch);
      break;
    case Op.OP_COPY:
      copy(args, from, to);
      break;
    case Op.OP_FILL_ZERO:
      fillZero(args, from, to);
      break;
    case Op.OP_GATHER_ROWS:
      return gatherRows(args, from, to);
    case Op.OP_MATMUL:
      matmul(args, from, to, scratch);
      break;
    case Op.OP_MATMUL_FOLD:
      matmulFold(args, from, to, scratch);
      break;
    case Op.OP_SUM:
      sum(args, from, to);
      break;
    case Op.OP_FIELD:
      field(args, from, to);
      break;
    case Op.OP_WRAP:
      wrap(args, from, to);
      break;
    case Op.OP_BIT_PLANES:
      bitPlanes(args, from, to, scratch);
      break;
    case Op.OP_BITS_TO_WORDS:
      bitsToWords(args, from, to);
      break;
    case Op.OP_COMBINE_BITS:
      combineBits(args, from, to, scratch);
      break;
    case Op.OP_SPLIT_BITS:
      splitBits(args, from, to);
      break;
    case Op.OP_JOIN_BITS:
      joinBits(args);
      break;
    case Op.OP_DIGIT_LOOKUP:
      digitLookup(args, from, to, scratch);
      break;
    case Op.OP_ONE_HOT_BITS:
      oneHotBits(args, from, to, scratch);
      break;
    case Op.OP_ONE_HOT_WORDS:
      oneHotWords(args, from, to);
      break;
    case Op.OP_TABLE_LOOKUP:
      tableLookup(args, from, to, scratch);
      break;
    case Op.OP_SELECT_MASKED:
      selectMasked(args, from, to);
      break;
    case Op.OP_UNFOLD:
      unfold(args, from, to);
      break;
    case Op.OP_FOLD:
      fold(args, from, to);
      break;
  }
  return true;
}
