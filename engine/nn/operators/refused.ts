/** Operators that are refused by decision, each with its reason; docs/conformance.md has the decisions. */
import type { OperatorDefinition, OperatorFamily } from './call.ts';

/** @param reason continues "node ... (Operator) ...". */
function refused(attributes: readonly string[], reason: string, hint: string): OperatorDefinition {
  return {
    attributes,
    run: (call) => {
      throw call.unsupported(reason, hint);
    },
  };
}

const SIZE = 'gives an output whose size depends on secret values';
const OUTSIDE = 'Compute this part in the clear, on what the model answers.';
const optimizer = (attributes: readonly string[]): OperatorDefinition =>
  refused(attributes, 'trains inside the model', 'Let a job train the model, and leave training out of the file.');

export const refusals: OperatorFamily = {
  NonMaxSuppression: refused(['center_point_box'], SIZE, OUTSIDE),
  Unique: refused(['axis', 'sorted'], SIZE, OUTSIDE),
  DynamicQuantizeLinear: refused(
    [],
    'rounds quotients by a scale that comes from secret values, of which shares have only so many bits: its whole numbers would not be exact',
    'Export the model in floating point, which costs less, or with fixed scales.',
  ),
  TfIdfVectorizer: refused(
    [
      'max_gram_length',
      'max_skip_count',
      'min_gram_length',
      'mode',
      'ngram_counts',
      'ngram_indexes',
      'pool_int64s',
      'pool_strings',
      'weights',
    ],
    'counts runs of words, which each party can do with its own text',
    'Count before the model, and let it take the counts.',
  ),
  'ai.onnx.preview.training.Adagrad': optimizer(['decay_factor', 'epsilon', 'norm_coefficient']),
  'ai.onnx.preview.training.Adam': optimizer(['alpha', 'beta', 'epsilon', 'norm_coefficient', 'norm_coefficient_post']),
  'ai.onnx.preview.training.Momentum': optimizer(['alpha', 'beta', 'mode', 'norm_coefficient']),
  'ai.onnx.preview.training.Gradient': optimizer(['xs', 'y', 'zs']),
};
