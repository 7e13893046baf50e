/** The dispatches that carry out a checked instruction. Knows nothing of devices. */
import type { Instruction } from '../kernels.ts';
import {
  bitPlanesSteps,
  combineBitsSteps,
  digitLookupSteps,
  joinBitsSteps,
  oneHotBitsSteps,
  splitBitsSteps,
} from './bits.ts';
import { combineSteps } from './combine.ts';
import { bitsToWordsSteps, fieldSteps, selectMaskedSteps, sumSteps, wrapSteps } from './elementwise.ts';
import type { Products } from './matmul.ts';
import { matmulSteps } from './matmul.ts';
import type { Step } from './step.ts';
import { oneHotWordsSteps, tableLookupSteps } from './tables.ts';
import { assembleSteps, gatherRowsSteps, stackBitsSteps, stridedSteps } from './views.ts';
import { windowsSteps } from './windows.ts';

/** Steps of instruction `number` of a program, without those that have nothing to do. */
export function stepsOf(instruction: Instruction, number: number, products: Products): Step[] {
  return allSteps(instruction, number, products).filter(({ groups }) => groups[0] * groups[1] > 0);
}

function allSteps(instruction: Instruction, number: number, products: Products): Step[] {
  switch (instruction.op) {
    case 'combine':
      return combineSteps(instruction);
    case 'strided':
      return stridedSteps(instruction);
    case 'assemble':
      return assembleSteps(instruction);
    case 'gatherRows':
      return gatherRowsSteps(instruction, number);
    case 'matmul':
      return matmulSteps(instruction, products);
    case 'sum':
      return sumSteps(instruction);
    case 'field':
      return fieldSteps(instruction);
    case 'wrap':
      return wrapSteps(instruction);
    case 'bitPlanes':
      return bitPlanesSteps(instruction);
    case 'bitsToWords':
      return bitsToWordsSteps(instruction);
    case 'combineBits':
      return combineBitsSteps(instruction);
    case 'stackBits':
      return stackBitsSteps(instruction);
    case 'splitBits':
      return splitBitsSteps(instruction);
    case 'joinBits':
      return joinBitsSteps(instruction);
    case 'digitLookup':
      return digitLookupSteps(instruction);
    case 'oneHotBits':
      return oneHotBitsSteps(instruction);
    case 'oneHotWords':
      return oneHotWordsSteps(instruction);
    case 'tableLookup':
      return tableLookupSteps(instruction);
    case 'selectMasked':
      return selectMaskedSteps(instruction);
    case 'unfold':
    case 'fold':
      return windowsSteps(instruction);
  }
}
