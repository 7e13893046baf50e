/**
 * What a task makes of an agreed job: programs, the order in which they run, one party's inputs to them, and what their reveals
 * mean. Whoever runs jobs knows this and no particular task.
 */
import type { TrainingSpec } from '../../../../engine/nn/training/spec.ts';
import type { RandomInput } from '../../../../engine/functions/randomness.ts';
import type { Plan } from '../../../../engine/plan/plan.ts';
import type { Execution, Revealed } from '../../../../engine/runtime/script.ts';
import type { Assumption, Graph } from '../../../../engine/tensor/graph.ts';
import type { Job } from '../../../../shared/job.ts';
import type { InputStandardisation, ModelDescription, ModelWeights, TrainedModel } from '../../../../shared/model.ts';
import type { PrivacyClaim } from '../../../../shared/privacy-account.ts';
import type { EpochQuality } from '../../../../shared/progress.ts';
import type { RowLayout } from '../../../../shared/schedule.ts';
import type { PreparedRows } from '../../datasets/prepare.ts';
import type { RunOutcome } from '../../results/results.ts';

/** What one party brings to a run; nothing of it is known to others. */
export interface OwnData {
  readonly rows?: PreparedRows | undefined;
  /** Of the party that owns the model, where it keeps the weights to itself. */
  readonly model?: TrainedModel | undefined;
}

/** What one party learned in a run. */
export interface Learned {
  readonly party: string;
  readonly revealed: readonly Revealed[];
  /** What the parties of `inputParties` did to their columns before sharing them, in order; empty for who is not told. */
  readonly standardisations: readonly InputStandardisation[];
  /** What it brought itself. */
  readonly rows?: PreparedRows | undefined;
}

/** What a party computes in the clear from one execution to the next: inputs that depend on what it learned before. */
export interface ClearWork {
  /** Its inputs to an execution besides those of the whole job. @throws InputError naming a value out of range. */
  inputs(execution: Execution): Promise<ReadonlyMap<string, BigUint64Array>>;
  /** Takes what an execution revealed to the party; returns the names of what nobody needs any more. */
  learn(execution: Execution, revealed: ReadonlyMap<string, BigUint64Array>): ReadonlySet<string>;
  /** What it needs to go on after a checkpoint, by name. */
  save(): ReadonlyMap<string, BigUint64Array>;
  restore(kept: ReadonlyMap<string, BigUint64Array>): void;
  dispose(): Promise<void>;
}

export interface Task {
  readonly graphs: readonly Graph[];
  readonly layout: RowLayout;
  /** What steps do, for people who wait: "training". */
  readonly activity: string;
  /** What is run, as rows of name and value for people. */
  readonly about: readonly (readonly [name: string, value: string])[];
  /** What noise guarantees. */
  readonly privacy?: readonly PrivacyClaim[];
  /** Who is told at the end how each party scaled its own columns. */
  readonly scaleReceivers: readonly string[];
  /** Where a model is trained: what a baseline in the clear needs. */
  readonly training?: TrainingTask;
  /** All executions in order; restartable, as the order is a function of the job. */
  script(): Generator<Execution, void>;
  /**
   * One party's plaintext as ring words, by input name.
   * @throws InputError naming the place of a value out of range.
   */
  inputs(party: string, own: OwnData): Map<string, BigUint64Array>;
  /** What the party computes in the clear meanwhile, if anything. */
  clearWork?(party: string, own: OwnData): Promise<ClearWork> | undefined;
  /** Looks at what an execution revealed. @throws InputError where the job forbids going on after it. */
  check?(revealed: ReadonlyMap<string, BigUint64Array>): void;
  /** How well it goes, as far as it was revealed to the party so far, by epoch. */
  quality(party: string, revealed: readonly Revealed[]): readonly EpochQuality[];
  outcome(learned: Learned): RunOutcome;
}

export interface TrainingTask {
  readonly spec: TrainingSpec;
  readonly description: ModelDescription;
  /** `own`: the file of the party that owns the model, where one does. */
  readonly initialWeights: (own: TrainedModel | undefined) => ModelWeights;
}

/** A task of a job with its plan. */
export interface CompiledJob extends Omit<Task, 'graphs'> {
  readonly job: Job;
  /** By program: what every party draws from its own generator for each execution. */
  readonly randomness: ReadonlyMap<string, readonly RandomInput[]>;
  readonly plan: Plan;
  readonly assumptions: readonly Assumption[];
}
