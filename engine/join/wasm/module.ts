/** The compiled curve module and its typed exports. Knows nothing of batches or threads. */
import { MachineError } from '../../../shared/errors.ts';

/** What assembly/index.ts exports; all arguments are unsigned 32-bit addresses and counts. */
export interface CurveExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly heap: () => number;
  readonly hashToCurve: (
    points: number,
    count: number,
    messages: number,
    offsets: number,
    tag: number,
    tagBytes: number,
    work: number,
  ) => void;
  readonly hmacSha256: (out: number, count: number, messages: number, offsets: number, key: number) => void;
  readonly multiplyPoints: (points: number, count: number, scalar: number, work: number) => void;
  readonly firstNotCanonical: (points: number, count: number) => number;
  readonly firstZero: (points: number, count: number) => number;
}

let compiled: Promise<WebAssembly.Module> | undefined;

async function compile(): Promise<WebAssembly.Module> {
  const { moduleBase64 } = await import('./build/module.ts').catch((cause: unknown) => {
    throw new MachineError('curve-not-built', 'The WebAssembly module of the joins has not been built.', {
      hint: 'Run npm run prepare once.',
      cause,
    });
  });
  return WebAssembly.compile(Uint8Array.from(atob(moduleBase64), (character) => character.charCodeAt(0)));
}

/** Compiles the module, once in a thread. */
export function curveModule(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return compiled;
}

export function instantiateCurve(module: WebAssembly.Module): CurveExports {
  return new WebAssembly.Instance(module, {}).exports as unknown as CurveExports;
}
