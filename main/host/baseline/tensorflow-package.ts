/** The optional package that the plaintext baseline is quicker with, and whether it is here. Loads nothing of it. */
import { createRequire } from 'node:module';

export const TENSORFLOW_PACKAGE = '@tensorflow/tfjs-node-gpu';

/** Says nothing of whether it starts: its native part may not fit the machine. */
export function hasTensorflowPackage(): boolean {
  try {
    createRequire(import.meta.url).resolve(`${TENSORFLOW_PACKAGE}/package.json`);
    return true;
  } catch {
    return false;
  }
}
