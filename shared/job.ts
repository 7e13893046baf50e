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
  MAX_SCALE_POWER,
  sortCategories,
  type DatasetReference,
} from './dataset.ts';
import { InputError } from './errors.ts';
import { pathText, toIssue, type Issue } from './issues.ts';
import { checkJobSense, type JobReport } from './job-checks.ts';
import { dataParties } from './job-roles.ts';
import { didYouMean } from './nearest.ts';

const MAX_LAYER_UNITS = 65_536;
const MAX_LAYERS = 64;

/** An object that refuses keys it does not know: by name, with the nearest known one. */
function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined;
      const key = issue.keys[0]!;
      return `unknown key ${JSON.stringify(key)}${didYouMean(key, known) || '.'} Known here: ${known.join(', ')}.`;
    },
  });
}

const partyName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'a party name has letters, digits, ".", "_" and "-" only, 63 at most');

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

/** ids: by a shared id; hidden: the same without revealing who is in both; left: all rows of the first; rows: already aligned; stack: each party its own rows. */
export const joinKinds = ['rows', 'stack', 'ids', 'hidden', 'left'] as const;
export type JoinKind = (typeof joinKinds)[number];

const joinSchema = strict({
  how: z.enum(joinKinds),
  /** The id column, one name for all or one for each party; never a feature. */
  on: z
    .union([columnNameSchema, z.record(partyName, columnNameSchema)], {
      error: 'must be a column, or one for each party',
    })
    .optional(),
});

export const activations = ['relu', 'sigmoid'] as const;
export type Activation = (typeof activations)[number];

const units = z.int().min(1).max(MAX_LAYER_UNITS);
const layerSchema = z.discriminatedUnion('kind', [
  strict({ kind: z.literal('dense'), units, bias: z.boolean().default(true) }),
  strict({ kind: z.literal('relu') }),
  strict({ kind: z.literal('sigmoid') }),
  strict({ kind: z.literal('softmax') }),
  strict({ kind: z.literal('flatten') }),
]);
/** One layer as written in a job, inputs in rows. */
export type LayerSpec = z.infer<typeof layerSchema>;

const templateSchema = z.discriminatedUnion('template', [
  strict({ template: z.literal('linear') }),
  strict({ template: z.literal('logistic') }),
  strict({
    template: z.literal('mlp'),
    hidden: z.array(units).min(1).max(MAX_LAYERS),
    activation: z.enum(activations).default('relu'),
  }),
  strict({ template: z.literal('lenet') }),
]);
const layersSchema = strict({ layers: z.array(layerSchema).min(1).max(MAX_LAYERS) });
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

const optimizerSchema = strict({
  name: z.literal('sgd'),
  lr: z.number().gt(0).max(1000),
  momentum: z.number().min(0).lt(1).default(0),
  weightDecay: z.number().min(0).lt(1).default(0),
});
export type OptimizerSpec = z.infer<typeof optimizerSchema>;

const missingSchema = z.union([z.enum(['refuse', 'mean', 'median', 'mode']), strict({ constant: z.number() })], {
  error: 'must be refuse, mean, median, mode or { constant: number }',
});
/** What to put in an empty cell of a feature; statistics come from that party's training rows. */
export type MissingPolicy = z.infer<typeof missingSchema>;

const scalePower = z.int().min(-MAX_SCALE_POWER).max(MAX_SCALE_POWER);

const trainSchema = strict({
  epochs: z.int().min(1).max(100_000),
  /** Rows a step; a smaller last batch is kept. */
  batch: z.union(
    [
      z.literal('all'),
      z
        .int()
        .min(1)
        .max(1 << 20),
    ],
    { error: 'must be "all" or a whole number of rows, 1 or more' },
  ),
  optimizer: optimizerSchema,
  /** Fraction of the rows kept for testing; 0.2 unless a party names a test file. */
  test: z.number().min(0).max(0.9).optional(),
  standardise: z.boolean().default(true),
  /** Public powers of two that columns are divided by, so that |x| <= 1: one for all columns, or by column name (M3). */
  scale: z
    .union([scalePower, z.record(columnNameSchema, scalePower)], {
      error: 'must be a whole power of two, or one for each column',
    })
    .optional(),
  /** Public: shuffle, split and first weights; never a share or a mask. */
  seed: z.int().min(0).default(0),
  /** Epochs between two reveals of the metrics; every reveal is a leak that the job counts. */
  metricsEvery: z
    .union([z.literal('end'), z.int().min(1)], { error: 'must be "end" or a number of epochs, 1 or more' })
    .default('end'),
  missing: missingSchema.default('refuse'),
});
export type TrainSpec = z.infer<typeof trainSchema> & { test: number };

export const aggregateKinds = ['count', 'sum', 'mean', 'variance'] as const;

const receivers = z.array(partyName).default([]);
const revealSchema = strict({ model: receivers, metrics: receivers, predictions: receivers, aggregates: receivers });

export const tasks = ['classification', 'regression', 'inference', 'statistics'] as const;
export type Task = (typeof tasks)[number];

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
  aggregates: z.array(z.enum(aggregateKinds)).min(1).optional(),
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
  readonly join: { readonly how: JoinKind; readonly on: Readonly<Record<string, string>> };
  /** For each party with data. */
  readonly features: Readonly<Record<string, '*' | readonly string[]>>;
  /** The column at one party; at every party with data where rows are stacked; empty where the task has none. */
  readonly label: Readonly<Record<string, string>>;
  /** By column, sorted (see sortCategories). */
  readonly classes: Readonly<Record<string, readonly string[]>>;
  readonly task: Task;
  /** Always there but for statistics. */
  readonly model?: ModelSpec | undefined;
  /** There for classification and regression only. */
  readonly train?: TrainSpec | undefined;
  readonly aggregates?: readonly (typeof aggregateKinds)[number][] | undefined;
  readonly reveal: {
    readonly model: readonly string[];
    readonly metrics: readonly string[];
    readonly predictions: readonly string[];
    readonly aggregates: readonly string[];
  };
  readonly precision: { readonly fractionBits: number; readonly bound: number };
}

function forEachParty<T>(
  value: T | Record<string, T>,
  isShorthand: boolean,
  parties: readonly string[],
): Record<string, T> {
  return isShorthand ? Object.fromEntries(parties.map((party) => [party, value as T])) : (value as Record<string, T>);
}

/** Fills defaults that depend on other entries, and writes shorthands out. */
function writeOut(text: JobText): Job {
  const holders = dataParties(text);
  const { join, features, label, classes, train, ...rest } = text;
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
  const on = join?.on;
  const testFiles = holders.some((party) => text.parties[party]?.test !== undefined);
  return {
    ...rest,
    join: { how: join?.how ?? 'rows', on: on === undefined ? {} : forEachParty(on, typeof on === 'string', holders) },
    features: forEachParty(features, features === '*' || Array.isArray(features), holders),
    label: labels,
    classes: Object.fromEntries(Object.entries(lists).map(([column, list]) => [column, sortCategories(list)])),
    train: train === undefined ? undefined : { ...train, test: train.test ?? (testFiles ? 0 : 0.2) },
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
