/** What the plaintext baseline computes with, and that it says which: TensorFlow where a user installed it, else the CPU. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { TENSORFLOW_PACKAGE } from '../../../main/host/baseline/tensorflow-package.ts';

test('the baseline says what computes it, and why not the GPU', () => {
  const code = `import { baselineBackend } from './main/host/baseline/backend.ts';
    const installed = (() => { try { return import.meta.resolve('${TENSORFLOW_PACKAGE}') !== ''; } catch { return false; } })();
    console.log(JSON.stringify({ installed, ...(await baselineBackend()) }));`;
  const told = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', code], { encoding: 'utf8' });
  const { installed, name, description } = JSON.parse(told.trim().split('\n').at(-1) ?? '') as {
    readonly installed: boolean;
    readonly name: string;
    readonly description: string;
  };
  if (name === 'tensorflow') expect(description).toBe('TensorFlow on this machine (tfjs-node-gpu)');
  else {
    expect(name).toBe('cpu');
    const why = installed ? /tfjs-node-gpu is installed but does not (load|start)/u : /tfjs-node-gpu is not installed/u;
    expect(description).toMatch(why);
  }
});
