/**
 * What a job runs and what it leaves: one execution of a program after another, and the values that come out. Knows neither
 * tasks nor data.
 */

/** One execution of a program. A job's executions are a function of public facts only. */
export interface Execution {
  /** Position in the attempt; part of every mask id. */
  readonly number: number;
  readonly program: string;
  /** `evaluate` is counted apart from everything else; after a `step` the shares may be saved. */
  readonly kind: 'setup' | 'step' | 'evaluate' | 'reveal';
  /** Counted from 0; the last epoch for what follows training. */
  readonly epoch: number;
  /** Steps done before this execution, and in all. */
  readonly step: number;
  readonly steps: number;
  /** Public inputs, made when they are asked for: scripts are kept whole, and some inputs are large. */
  readonly known: ReadonlyMap<string, BigUint64Array>;
}

/** A value that one party learned by an execution. */
export interface Revealed {
  /** Number of the execution. */
  readonly execution: number;
  readonly epoch: number;
  readonly name: string;
  readonly words: BigUint64Array;
}

/** Numbers the executions of a script; `step` counts those of that kind. */
export class ScriptWriter {
  readonly #steps: number;
  #number = 0;
  #step = 0;

  /** @param steps how many executions will be steps. */
  constructor(steps: number) {
    this.#steps = steps;
  }

  next(
    kind: Execution['kind'],
    program: string,
    epoch: number,
    known: () => ReadonlyMap<string, BigUint64Array> = () => new Map(),
  ): Execution {
    const execution: Execution = {
      number: this.#number++,
      program,
      kind,
      epoch,
      step: this.#step,
      steps: this.#steps,
      get known() {
        return known();
      },
    };
    if (kind === 'step') this.#step++;
    return execution;
  }
}
