/**
 * What a process and the page that computes for it say to each other (docs/gpu-page.md). Requests are numbered and answered
 * once each; commands are not answered: what goes wrong with one is the answer to the memory's next request.
 */
import type { MatmulVariant } from '../webgpu/matmul.ts';
import type { MatmulRate } from '../webgpu/tune.ts';
import type { DeviceTimes, Instruction, Keystream, PackedPart, Slot } from '../kernels.ts';
import { InternalError, MachineError, TacitError } from '../../../shared/errors.ts';

/** Raised when old and new ends would misunderstand each other. */
export const PROTOCOL_VERSION = 2;

export type Command =
  | { readonly op: 'program'; readonly program: number; readonly instructions: readonly Instruction[] }
  | {
      readonly op: 'write' | 'accumulate';
      readonly memory: number;
      readonly slot: Slot;
      readonly packed: Uint8Array;
      readonly width: number;
    }
  | {
      readonly op: 'expand';
      readonly memory: number;
      readonly slot: Slot;
      readonly keystream: Keystream;
      readonly width: number;
      readonly how: 'write' | 'accumulate';
    }
  /** `groups` where times are wanted. */
  | {
      readonly op: 'run';
      readonly memory: number;
      readonly program: number;
      readonly run: number;
      readonly groups?: readonly number[];
    }
  /** Begins with what was asked for until now. */
  | { readonly op: 'flush'; readonly memory: number }
  | { readonly op: 'dispose'; readonly memory: number };

export type Request =
  /** Finds a device. The first request. */
  | { readonly op: 'open'; readonly version: number }
  | { readonly op: 'rates' }
  | { readonly op: 'kernels'; readonly matmul: MatmulVariant }
  | { readonly op: 'allocate'; readonly memory: number; readonly bytes: number }
  /** Which instructions of a program that was sent the page's kernels cannot run. */
  | { readonly op: 'refused'; readonly memory: number; readonly program: number }
  | { readonly op: 'pack'; readonly memory: number; readonly parts: readonly PackedPart[] };

/** From the process: commands in order, then at most one request. */
export interface ToPage {
  readonly commands: readonly Command[];
  readonly request?: { readonly number: number } & Request;
}

export interface Answers {
  readonly open: {
    readonly description: string;
    readonly isSoftware: boolean;
    readonly variants: readonly MatmulVariant[];
  };
  readonly rates: { readonly rates: readonly MatmulRate[] };
  readonly kernels: object;
  readonly allocate: object;
  readonly refused: { readonly reasons: readonly (readonly [instruction: number, reason: string])[] };
  readonly pack: {
    readonly packed: Uint8Array;
    readonly times: DeviceTimes;
    /** Of runs since the last pack: their numbers, the groups' first instructions, milliseconds. */
    readonly told: readonly (readonly [run: number, index: number, ms: number])[];
  };
}

/** From the page. */
export type FromPage =
  | { readonly number: number; readonly answer: Answers[keyof Answers] }
  | { readonly number: number; readonly failure: Failure };

export interface Failure {
  readonly kind: 'machine' | 'internal';
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

export function toFailure(error: unknown): Failure {
  if (error instanceof TacitError) {
    const kind = error instanceof InternalError ? 'internal' : 'machine';
    return { kind, code: error.code, message: error.message, hint: error.hint };
  }
  return {
    kind: 'machine',
    code: 'gpu-failed',
    message: `The GPU failed: ${error instanceof Error ? error.message : String(error)}`,
  };
}

export function fromFailure({ kind, code, message, hint }: Failure): TacitError {
  const detail = hint === undefined ? {} : { hint };
  return kind === 'internal' ? new InternalError(code, message, detail) : new MachineError(code, message, detail);
}
