/** The compiled WebAssembly module and its typed exports. Knows nothing of instructions or threads. */
import { MachineError } from '../../../shared/errors.ts';

/** What assembly/index.ts exports; all arguments are unsigned 32-bit addresses, counts or codes. */
export interface KernelExports {
  /** Carries out units from .. to - 1 of the record; 0 when an index was out of range. */
  readonly execute: (record: number, from: number, to: number, scratch: number) => number;
  readonly packWords: (packed: number, words: number, count: number, width: number) => void;
  readonly unpackWords: (words: number, packed: number, count: number, width: number) => void;
  readonly addPackedWords: (words: number, packed: number, count: number, width: number) => void;
  readonly copyPlanes: (
    to: number,
    toStep: number,
    from: number,
    fromStep: number,
    bytes: number,
    planes: number,
    lastMask: number,
  ) => void;
  readonly addPlanes: (
    to: number,
    toStep: number,
    from: number,
    fromStep: number,
    bytes: number,
    planes: number,
  ) => void;
}

let compiled: Promise<WebAssembly.Module> | undefined;

async function compile(): Promise<WebAssembly.Module> {
  const { moduleBase64 } = await import('./build/module.ts').catch((cause: unknown) => {
    throw new MachineError('kernels-not-built', 'The WebAssembly kernels have not been built.', {
      hint: 'Run npm run prepare once.',
      cause,
    });
  });
  return WebAssembly.compile(Uint8Array.from(atob(moduleBase64), (character) => character.charCodeAt(0)));
}

/** Compiles the module, once in a thread. */
export function kernelModule(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return compiled;
}

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): KernelExports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as KernelExports;
}
