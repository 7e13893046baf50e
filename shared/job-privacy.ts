/** What a job does against conclusions about single rows, and what that guarantees. Knows no data. */
import { z } from 'zod';
import { strict } from './strict.ts';

export const privacySchema = strict({
  /** Every row's gradient cut to a length and noise added to their sum, on shares (Abadi et al., CCS 2016). */
  gradients: strict({
    norm: z.number().gt(0).max(64),
    /** Deviation of the noise, as a multiple of `norm`. */
    noise: z.number().gt(0).max(64),
    delta: z.number().gt(0).max(0.01).default(1e-5),
  }).optional(),
  /** Noise on every weight of the model when it is revealed. */
  model: strict({
    /** Length that the model's change from its first weights is cut to; without it the training has to bound it. */
    norm: z.number().gt(0).max(64).optional(),
    /** Deviation of the noise, as a multiple of what one row may change the weights by. */
    noise: z.number().gt(0).max(64),
    delta: z.number().gt(0).max(0.01).default(1e-5),
  }).optional(),
  /**
   * One party has all features and runs the model in the clear; another's labels stay shared, and of each batch the first learns
   * the sum of the gradients (CrypTen's DPSplitModel).
   */
  split: strict({
    /** What one label may change a sum by; needed for noise. */
    norm: z.number().gt(0).max(64).optional(),
    /** Deviation of the noise on every sum, as a multiple of `norm`; 0 for none. */
    noise: z.number().min(0).max(64),
    delta: z.number().gt(0).max(0.01).default(1e-5),
  }).optional(),
  /** Each owner tells a label with this probability, and the other class otherwise, before it shares it. */
  labels: strict({ keep: z.number().gt(0.5).lt(1) }).optional(),
});
export type PrivacySpec = z.infer<typeof privacySchema>;
