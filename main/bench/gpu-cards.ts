/**
 * Peak rates of cards whose units are known, from their maker's public tables, to put measured rates beside. Knows no kernel.
 * 32-bit integer: 64 multiply-adds a clock and multiprocessor x multiprocessors x boost clock, half of the INT32 TOPS that the
 * tables state (H100 SXM 33.5, H100 PCIe 25.6, A100 19.5, L40S 45.8, RTX 4090 41.3), which count a multiply-add as two.
 * 8-bit matrix units: half of the INT8 TOPS, dense: tables that state them with sparsity have twice as many.
 * Sources: NVIDIA's white papers on the Ampere (A100), Ada and Hopper (H100) architectures and its data sheets of A100, H100, H200
 * and L40S. The H200 has the H100 SXM's chip.
 */

export interface CardPeaks {
  readonly name: string;
  /** 32-bit integer multiply-adds a second, outside matrix units. */
  readonly integerPerSecond: number;
  /** 8-bit multiply-adds a second of the matrix units. */
  readonly matrixPerSecond: number;
}

const CARDS: readonly (CardPeaks & { readonly pattern: RegExp })[] = [
  { pattern: /H200/i, name: 'NVIDIA H200', integerPerSecond: 132 * 64 * 1.98e9, matrixPerSecond: 1979e12 / 2 },
  {
    pattern: /H100.*PCIe/i,
    name: 'NVIDIA H100 PCIe',
    integerPerSecond: 114 * 64 * 1.755e9,
    matrixPerSecond: 1513e12 / 2,
  },
  { pattern: /H100/i, name: 'NVIDIA H100 SXM', integerPerSecond: 132 * 64 * 1.98e9, matrixPerSecond: 1979e12 / 2 },
  { pattern: /A100/i, name: 'NVIDIA A100', integerPerSecond: 108 * 64 * 1.41e9, matrixPerSecond: 624e12 / 2 },
  { pattern: /L40S/i, name: 'NVIDIA L40S', integerPerSecond: 142 * 64 * 2.52e9, matrixPerSecond: 733e12 / 2 },
  {
    pattern: /RTX 4090/i,
    name: 'NVIDIA GeForce RTX 4090',
    integerPerSecond: 128 * 64 * 2.52e9,
    matrixPerSecond: 660.6e12 / 2,
  },
];

/** Undefined for a card that is not in the table. */
export function cardPeaks(description: string): CardPeaks | undefined {
  return CARDS.find(({ pattern }) => pattern.test(description));
}

/** Integer instructions of a multiply-add mod 2^64 by variant (engine/kernels/webgpu/matmul.ts). */
const INSTRUCTIONS: Readonly<Record<string, number>> = { imad9: 9, dp4a36: 9, hyb6: 6 };
/** Byte products of a multiply-add mod 2^64 on matrix units. */
const BYTE_PRODUCTS: Readonly<Record<string, number>> = { matrix36: 36 };

export interface PeakShare {
  readonly units: 'integer units' | 'matrix units';
  readonly share: number;
}

/** Share of the peak of the units that a variant computes on; undefined where its instructions are not counted. */
export function peakShare(peaks: CardPeaks, variant: string, multiplyAddsPerSecond: number): PeakShare | undefined {
  const scheme = variant.split('_')[0] ?? '';
  const [instructions, products] = [INSTRUCTIONS[scheme], BYTE_PRODUCTS[scheme]];
  if (instructions !== undefined) {
    return { units: 'integer units', share: (multiplyAddsPerSecond * instructions) / peaks.integerPerSecond };
  }
  if (products === undefined) return undefined;
  return { units: 'matrix units', share: (multiplyAddsPerSecond * products) / peaks.matrixPerSecond };
}
