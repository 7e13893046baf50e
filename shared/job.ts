/**
 * The job file: who takes part, with which columns, in which task, and who learns what. The interface writes it, a person
 * can read it, and the digest of its canonical form is what parties vote on.
 * Knows neither YAML nor files nor the engine. Paths to files occur only before `shareableJob`.
 */
import { z } from 'zod';
import { canonicalDigest, type Sha256 } from './canonical.ts';
import {
  columnNameSchema,
  datasetReferenceSchema,
  digestSchema,
  MAX_CATEGORIES,
  sortCategories,
  type DatasetReference,
} from './dataset.ts';
import { InputError } from './errors.ts';
import { pathText, toIssue, type Issue } from './issues.ts';
import { checkJobSense, type JobReport } from './job-checks.ts';
import { joinSchema, writeOutJoin, type JobJoin } from './job-join.ts';
import { prepareSchema, type PrepareSpec } from './job-prepare.ts';
import { privacySchema, type PrivacySpec } from './job-privacy.ts';
import { dataParties, trains } from './job-roles.ts';
import {
  aggregatesSchema,
  clusteringSchema,
  decompositionSchema,
  DEFAULT_MINIMUM_ROWS,
  histogramSchema,
  minimumRowsSchema,
  tasks,
  type AggregateKind,
  type ClusteringSpec,
  type DecompositionSpec,
  type Task,
} from './job-tasks.ts';
import type { LossSpec } from './losses.ts';
import { trainSchema, type TrainSpec } from './job-train.ts';
import { blockSpecSchema, type BlockSpec } from './layers/blocks.ts';
import { networkNames } from './layers/networks.ts';
import { layerSpecSchema, type LayerSpec } from './layers/table.ts';
import { partyName, strict } from './strict.ts';

const MAX_LAYER_UNITS = 65_536;
const MAX_LAYERS = 256;

/** Several files stand side by side, row by row (an idx file of images and one of labels, for instance). */
const dataSource = z.union(
  [
    z
      .string()
      .min(1)
      .transform((file) => [file]),
    z.array(z.string().min(1)).min(1).max(8),
    datasetReferenceSchema,
  ],
  { error: 'must be a file, a list of files that stand side by side, or in a session { id, schema }' },
);
/** Files, relative to the job file; or, in a session, a registered data set. */
export type DataSource = z.infer<typeof dataSource>;

const partySchema = strict({
  /** A party without data only computes. */
  data: dataSource.optional(),
  /** Rows kept for testing, in place of a fraction of `data`. */
  test: dataSource.optional(),
});

/** Empty: the party brings no feature. */
const columnList = z.array(columnNameSchema);
const featureChoice = z.union([z.literal('*'), columnList], { error: 'must be "*" or a list of columns' });

export const activations = ['relu', 'sigmoid', 'tanh'] as const;

const units = z.int().min(1).max(MAX_LAYER_UNITS);
/** One layer or block of layers as written in a job. */
export type ModelLayerSpec = LayerSpec | BlockSpec;
export const modelLayerSchema = z.record(z.string(), z.unknown()).transform((value, context): ModelLayerSpec => {
  const isBlock = blockSpecSchema.options.some((option) => option.shape.kind.value === value['kind']);
  const parsed = (isBlock ? blockSpecSchema : layerSpecSchema).safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  context.issues.push(...(parsed.error.issues as unknown as typeof context.issues));
  return z.NEVER;
});

const templateSchema = z.discriminatedUnion('template', [
  strict({ template: z.literal('linear') }),
  strict({ template: z.literal('logistic') }),
  strict({
    template: z.literal('mlp'),
    hidden: z.array(units).min(1).max(MAX_LAYERS),
    activation: z.enum(activations).default('relu'),
  }),
  strict({ template: z.enum(['lenet', ...networkNames]) }),
]);
const layersSchema = strict({
  layers: z.array(modelLayerSchema).min(1).max(MAX_LAYERS),
  /** Shape of one row: [channels, height, width] of an image, [length, features] of a sequence. */
  input: z.array(z.int().min(1).max(65_536)).min(1).max(4).optional(),
});
/** `owner` keeps the weights private to that party; without it they are public to all parties. */
const modelFileSchema = strict({ file: z.string().min(1), owner: partyName.optional() });
/** What `file` becomes in a session: the digest of the architecture, which is public. */
const sharedModelSchema = strict({ architecture: digestSchema, owner: partyName.optional() });

export type ModelSpec =
  | z.infer<typeof templateSchema>
  | z.infer<typeof layersSchema>
  | z.infer<typeof modelFileSchema>
  | z.infer<typeof sharedModelSchema>;

const modelForms = {
  template: templateSchema,
  layers: layersSchema,
  file: modelFileSchema,
  architecture: sharedModelSchema,
};

/** Chosen by the key that is present, so that errors speak of the form that was meant. */
const modelSchema = z.record(z.string(), z.unknown()).transform((value, context): ModelSpec => {
  const forms = Object.keys(modelForms).filter((key) => Object.hasOwn(value, key)) as (keyof typeof modelForms)[];
  if (forms.length !== 1) {
    context.addIssue({
      code: 'custom',
      message: `needs exactly one of template, layers or file, and has ${forms.length === 0 ? 'none' : forms.join(' and ')}`,
    });
    return z.NEVER;
  }
  const parsed = modelForms[forms[0]!].safeParse(value, { reportInput: true });
  if (parsed.success) return parsed.data;
  context.issues.push(...(parsed.error.issues as unknown as typeof context.issues));
  return z.NEVER;
});

const receivers = z.array(partyName).default([]);
const revealSchema = strict({ model: receivers, metrics: receivers, predictions: receivers, aggregates: receivers });

const category = z
  .union([z.string(), z.number(), z.boolean()], { error: 'must be text, a number or true / false' })
  .transform(String);
const categoryList = z.array(category).min(1).max(MAX_CATEGORIES);

const fileSchema = strict({
  version: z.literal(1).default(1),
  name: z.string().min(1).max(100),
  /** Free text for those who vote: why this dealer, what happens to the results. */
  notes: z.string().max(4000).optional(),
  parties: z.record(partyName, partySchema),
  /** A party outside `parties`; `none` means dealer-free, which no engine offers yet. */
  dealer: partyName,
  join: joinSchema.optional(),
  features: z
    .union([featureChoice, z.record(partyName, featureChoice)], {
      error: 'must be "*", a list of columns, or one of these for each party',
    })
    .default('*'),
  label: z
    .union([columnNameSchema, z.record(partyName, columnNameSchema)], { error: 'must be { party: column }' })
    .optional(),
  /** Classes of the label, or categories by column. Public to all parties. */
  classes: z
    .union([categoryList, z.record(columnNameSchema, categoryList)], {
      error: 'must be a list of classes, or a list for each column',
    })
    .optional(),
  task: z.enum(tasks),
  model: modelSchema.optional(),
  train: trainSchema.optional(),
  privacy: privacySchema.optional(),
  prepare: prepareSchema.optional(),
  aggregates: aggregatesSchema.optional(),
  histogram: histogramSchema.optional(),
  minimumRows: minimumRowsSchema.optional(),
  clustering: clusteringSchema.optional(),
  decomposition: decompositionSchema.optional(),
  /**
   * streamed: the dealer's material comes while the job runs; ahead: all of it is stored in the parties' vaults first, and the
   * online phase needs no dealer.
   */
  material: z.enum(['streamed', 'ahead']).default('streamed'),
  reveal: revealSchema.prefault({}),
  precision: strict({
    /** Fixed-point scale: values are multiples of 2^-fractionBits. */
    fractionBits: z.int().min(8).max(24).default(16),
    /** k of the default bound 2^k at twice that scale: |v| < 2^(k - 2 fractionBits) (H2). */
    bound: z.int().min(24).max(61).default(54),
  }).prefault({}),
});
/** A job as written: shorthands and left-out defaults. */
export type JobText = z.infer<typeof fileSchema>;

export interface PartySpec {
  readonly data?: DataSource | undefined;
  readonly test?: DataSource | undefined;
}

/** A job with every default filled in and every shorthand written out. Its canonical JSON parses to itself. */
export interface Job {
  readonly version: 1;
  readonly name: string;
  readonly notes?: string | undefined;
  readonly parties: Readonly<Record<string, PartySpec>>;
  readonly dealer: string;
  readonly join: JobJoin;
  /** For each party with data. */
  readonly features: Readonly<Record<string, '*' | readonly string[]>>;
  /** The column at one party; at every party with data where rows are stacked; empty where the task has none. */
  readonly label: Readonly<Record<string, string>>;
  /** By column, sorted (see sortCategories). */
  readonly classes: Readonly<Record<string, readonly string[]>>;
  readonly task: Task;
  /** There for training and inference. */
  readonly model?: ModelSpec | undefined;
  /** There for classification and regression only. */
  readonly train?: TrainSpec | undefined;
  readonly privacy?: PrivacySpec | undefined;
  /** There for all other tasks. */
  readonly prepare?: PrepareSpec | undefined;
  readonly aggregates?: readonly AggregateKind[] | undefined;
  readonly histogram?: Readonly<Record<string, readonly number[]>> | undefined;
  /** There for statistics. */
  readonly minimumRows?: number | undefined;
  readonly clustering?: ClusteringSpec | undefined;
  readonly decomposition?: DecompositionSpec | undefined;
  readonly reveal: {
    readonly model: readonly string[];
    readonly metrics: readonly string[];
    readonly predictions: readonly string[];
    readonly aggregates: readonly string[];
  };
  readonly material: 'streamed' | 'ahead';
  readonly precision: { readonly fractionBits: number; readonly bound: number };
}

function forEachParty<T>(
  value: T | Record<string, T>,
  isShorthand: boolean,
  parties: readonly string[],
): Record<string, T> {
  return isShorthand ? Object.fromEntries(parties.map((party) => [party, value as T])) : (value as Record<string, T>);
}

/** Labels that are flipped at random call for the loss that allows for it. */
function lossFor(loss: LossSpec | undefined, privacy: PrivacySpec | undefined): LossSpec | undefined {
  const keep = privacy?.labels?.keep;
  return loss !== undefined || keep === undefined ? loss : { name: 'rappor', keep, reduction: 'mean' };
}

/** The preparation of a task without training: groups and components need columns of one spread, sums and answers do not. */
function preparation(task: Task, given: JobText['prepare']): PrepareSpec {
  const standardise = given?.standardise ?? (task === 'clustering' || task === 'decomposition');
  return { missing: 'refuse', ...given, standardise };
}

/** Fills defaults that depend on other entries, and writes shorthands out. */
function writeOut(text: JobText): Job {
  const holders = dataParties(text);
  const { join, features, label, classes, train, prepare, minimumRows, ...rest } = text;
  const labels = label === undefined ? {} : forEachParty(label, typeof label === 'string', holders);
  const labelColumn = Object.values(labels)[0];
  const lists: Record<string, string[]> =
    classes === undefined
      ? {}
      : Array.isArray(classes)
        ? labelColumn === undefined
          ? {}
          : { [labelColumn]: classes }
        : classes;
  const testFiles = holders.some((party) => text.parties[party]?.test !== undefined);
  return {
    ...rest,
    join: writeOutJoin(join, holders, text.dealer),
    features: forEachParty(features, features === '*' || Array.isArray(features), holders),
    label: labels,
    classes: Object.fromEntries(Object.entries(lists).map(([column, list]) => [column, sortCategories(list)])),
    train:
      train === undefined
        ? undefined
        : { ...train, loss: lossFor(train.loss, text.privacy), test: train.test ?? (testFiles ? 0 : 0.2) },
    prepare: trains(text.task) ? undefined : preparation(text.task, prepare),
    minimumRows: minimumRows ?? (text.task === 'statistics' ? DEFAULT_MINIMUM_ROWS : undefined),
  };
}

const jobSchema = fileSchema.transform((text, context): Job => {
  const job = writeOut(text);
  const report: JobReport = (code, path, message, hint) => {
    context.addIssue({ code: 'custom', path, message, params: { code, hint } });
  };
  checkJobSense(job, text, report);
  return job;
});

export type JobCheck =
  { readonly ok: true; readonly job: Job } | { readonly ok: false; readonly issues: readonly Issue[] };

/** Checks a job and lists everything that is wrong with it, unknown keys first. */
export function checkJob(value: unknown): JobCheck {
  const parsed = jobSchema.safeParse(value, { reportInput: true });
  if (parsed.success) return { ok: true, job: parsed.data };
  const issues = parsed.error.issues.map((issue) => toIssue('job', issue));
  const rank = (issue: Issue) => (issue.code === 'job-unknown-key' ? 0 : 1);
  return { ok: false, issues: issues.sort((a, b) => rank(a) - rank(b)) };
}

/**
 * The job in `value`, or an InputError with the first issue.
 * `locate` says where a path stands, for instance `job.yaml:12`; by default only `source` is named.
 */
export function parseJob(
  value: unknown,
  source = 'job',
  locate: (path: readonly PropertyKey[]) => string = () => source,
): Job {
  const checked = checkJob(value);
  if (checked.ok) return checked.job;
  const issue = checked.issues[0]!;
  const place = pathText(issue.path);
  const others = checked.issues.length - 1;
  const more = others === 0 ? '' : ` (and ${others} more)`;
  const message = `${locate(issue.path)}: ${place === '' ? '' : `${place}: `}${issue.message}`;
  throw new InputError(issue.code, `${message.replace(/[.?]$/, '')}${message.endsWith('?') ? '?' : '.'}${more}`, {
    hint: issue.hint ?? 'Correct the job and try again.',
  });
}

/** A party's data as others know it. */
export interface PartyReferences {
  readonly data?: DatasetReference | undefined;
  readonly test?: DatasetReference | undefined;
}

/**
 * The job as parties may see it: every path replaced by the reference of the data set it was registered as, and a model
 * file by the digest of its architecture. Entries that are references already stay.
 */
export function shareableJob(
  job: Job,
  references: Readonly<Record<string, PartyReferences>>,
  architecture?: string,
): Job {
  const replace = (source: DataSource | undefined, reference: DatasetReference | undefined, party: string) => {
    if (source === undefined || !Array.isArray(source)) return source;
    if (reference === undefined) {
      throw new InputError('job-data-unregistered', `The data of ${party} has no data set to stand for its path.`, {
        hint: 'Register the file first.',
      });
    }
    return reference;
  };
  const parties = Object.fromEntries(
    Object.entries(job.parties).map(([party, spec]) => {
      const own = references[party];
      return [party, { data: replace(spec.data, own?.data, party), test: replace(spec.test, own?.test, party) }];
    }),
  );
  let { model } = job;
  if (model !== undefined && 'file' in model) {
    if (architecture === undefined) {
      throw new InputError(
        'job-model-unregistered',
        'The model file has no architecture digest to stand for its path.',
        { hint: 'Open the model first.' },
      );
    }
    model = { architecture, owner: model.owner };
  }
  return { ...job, parties, model };
}

/** Refuses a job from a peer that names a file: paths mean nothing, and tell too much, on another machine. */
export function refusePaths(job: Job): void {
  const party = Object.keys(job.parties).find(
    (name) => Array.isArray(job.parties[name]?.data) || Array.isArray(job.parties[name]?.test),
  );
  if (party !== undefined || (job.model !== undefined && 'file' in job.model)) {
    throw new InputError(
      'job-names-a-path',
      `The job names a file (${party === undefined ? 'model.file' : `parties.${party}`}), which has no meaning for others.`,
      {
        hint: 'Name a registered data set or model instead.',
      },
    );
  }
}

/** SHA-256 of the canonical JSON of a shareable job: what parties vote on. */
export function jobDigest(job: Job, sha256: Sha256): string {
  refusePaths(job);
  return canonicalDigest(job, sha256);
}
