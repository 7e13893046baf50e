/**
 * What a schema found wrong with input from outside, in words a person can act on. Knows no schema in particular.
 */
import type { z } from 'zod';
import { didYouMean } from './nearest.ts';

/** One thing that is wrong with input from outside. */
export interface Issue {
  /** Unique to its cause. */
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly hint?: string | undefined;
}

/** `train.optimizer.lr`, `features.clinic-a[2]`; the root is the empty string. */
export function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('');
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a group of keys';
  if (typeof value === 'string') return value.length <= 40 ? JSON.stringify(value) : 'a long text';
  return String(value);
}

const expectedKinds: Record<string, string> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  object: 'a group of keys',
  record: 'a group of keys',
  array: 'a list',
};

/**
 * What zod found, in our words. Codes are `AREA-missing-key` and so on; a custom issue brings its own code and hint in
 * `params`. The schema must have been run with `reportInput`. Found values are quoted: not for schemas of secrets.
 */
export function toIssue(area: string, issue: z.core.$ZodIssue): Issue {
  const { path } = issue;
  const key = String(path.at(-1) ?? '');
  switch (issue.code) {
    case 'custom': {
      const { code, hint } = (issue.params ?? {}) as { code?: string; hint?: string };
      return { code: code ?? `${area}-invalid-value`, path, message: issue.message, hint };
    }
    case 'unrecognized_keys':
      return { code: `${area}-unknown-key`, path: [...path, issue.keys[0]!], message: issue.message };
    case 'invalid_type': {
      const expected = expectedKinds[issue.expected] ?? issue.expected;
      return issue.input === undefined
        ? {
            code: `${area}-missing-key`,
            path,
            message: `the key ${JSON.stringify(key)} is missing`,
            hint: `It takes ${expected}.`,
          }
        : { code: `${area}-invalid-value`, path, message: `must be ${expected}, not ${kindOf(issue.input)}` };
    }
    case 'invalid_value': {
      if (issue.input === undefined) {
        return {
          code: `${area}-missing-key`,
          path,
          message: `the key ${JSON.stringify(key)} is missing`,
          hint: `It is one of: ${issue.values.join(', ')}.`,
        };
      }
      const near = typeof issue.input === 'string' ? didYouMean(issue.input, issue.values.map(String)) : '';
      return {
        code: `${area}-invalid-value`,
        path,
        message: `must be one of ${issue.values.join(', ')}, not ${kindOf(issue.input)}${near}`,
      };
    }
    case 'invalid_union': {
      if ('options' in issue && Array.isArray(issue.options)) {
        const found = (issue.input as Record<string, unknown> | undefined)?.[key];
        const options = issue.options.map(String);
        const near = typeof found === 'string' ? didYouMean(found, options) : '';
        return {
          code: `${area}-invalid-value`,
          path,
          message: `must be one of ${options.join(', ')}, not ${kindOf(found)}${near}`,
        };
      }
      return { code: `${area}-invalid-value`, path, message: `${issue.message}; found ${kindOf(issue.input)}` };
    }
    case 'too_small':
    case 'too_big': {
      const limit = issue.code === 'too_small' ? issue.minimum : issue.maximum;
      const relation =
        issue.code === 'too_small'
          ? issue.inclusive
            ? 'at least'
            : 'more than'
          : issue.inclusive
            ? 'at most'
            : 'less than';
      const what = issue.origin === 'array' ? 'entries' : issue.origin === 'string' ? 'characters' : '';
      const found = what === '' ? `, not ${kindOf(issue.input)}` : '';
      return {
        code: `${area}-out-of-range`,
        path,
        message: what === '' ? `must be ${relation} ${limit}${found}` : `must have ${relation} ${limit} ${what}`,
      };
    }
    case 'invalid_key':
      return { code: `${area}-invalid-name`, path, message: issue.issues[0]?.message ?? issue.message };
    default:
      return { code: `${area}-invalid-value`, path, message: issue.message };
  }
}
