/** Objects from outside whose keys are all known. Knows nothing of what they hold. */
import { z } from 'zod';
import { didYouMean } from './nearest.ts';

/** An object that refuses keys it does not know: by name, with the nearest known one. */
export function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const key = issue.keys[0]!;
      return `unknown key ${JSON.stringify(key)}${didYouMean(key, known) || '.'} Known here: ${known.join(', ')}.`;
    },
  });
}

export const partyName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'a party name has letters, digits, ".", "_" and "-" only, 63 at most');
