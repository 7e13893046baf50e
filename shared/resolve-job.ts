/**
 * A job meets the schemas of its data: every "*", class list and scale is settled, so that what parties vote on leaves
 * nothing open and all of them read it the same way. Knows schemas only, never cells.
 */
import { sortCategories, type ColumnSchema, type DatasetSchema } from './dataset.ts';
import { InputError } from './errors.ts';
import { checkKeysAgree } from './identifiers.ts';
import { flaggedParties, hidesRows, identifierJoin, joinKeyOf, keyColumnsOf } from './job-join.ts';
import { dataParties, preparation, trains } from './job-roles.ts';
import type { Job } from './job.ts';
import { outputsFor } from './job-model.ts';
import type { MissingPolicy } from './job-prepare.ts';
import { didYouMean } from './nearest.ts';
import { rowLayout, type RowLayout } from './schedule.ts';

/** Schemas of the parties' data, and of their test files where the job names some. */
export interface PartySchemas {
  readonly data: DatasetSchema;
  readonly test?: DatasetSchema | undefined;
}
export type SchemasByParty = Readonly<Record<string, PartySchemas>>;

function schemasOf(schemas: SchemasByParty, party: string): PartySchemas {
  const found = schemas[party];
  if (found === undefined) {
    throw new InputError('job-schema-missing', `The columns of ${party} are not known yet.`, {
      hint: 'Wait for its schema.',
    });
  }
  return found;
}

function columnOf(schemas: SchemasByParty, party: string, name: string): ColumnSchema {
  const { columns } = schemasOf(schemas, party).data;
  const column = columns.find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  const near = didYouMean(
    name,
    columns.map((candidate) => candidate.name),
  );
  throw new InputError('job-unknown-column', `${party} has no column ${JSON.stringify(name)}${near || '.'}`, {
    hint: 'Correct the name in the job.',
  });
}

/** Whether a feature becomes one column for each category. */
const isOneHot = (column: ColumnSchema, classes: Job['classes']): boolean =>
  column.type === 'category' || Object.hasOwn(classes, column.name);

function checkFeature(party: string, column: ColumnSchema, classes: Job['classes']): void {
  const usable =
    ['number', 'integer', 'boolean', 'category'].includes(column.type) || Object.hasOwn(classes, column.name);
  if (usable) return;
  throw new InputError(
    'job-feature-type',
    `The column ${JSON.stringify(column.name)} of ${party} is ${column.type}, which no model takes.`,
    {
      hint: `Leave it out of features${column.type === 'text' ? ', or list its categories under "classes"' : ''}.`,
    },
  );
}

function resolveFeatures(job: Job, schemas: SchemasByParty): Record<string, string[]> {
  const features: Record<string, string[]> = {};
  for (const party of dataParties(job)) {
    const chosen = job.features[party] ?? [];
    const reserved = [job.label[party], ...keyColumnsOf(job, party)];
    const names =
      chosen === '*'
        ? schemasOf(schemas, party)
            .data.columns.map((column) => column.name)
            .filter((name) => !reserved.includes(name))
        : [...chosen];
    for (const name of names) checkFeature(party, columnOf(schemas, party, name), job.classes);
    features[party] = names;
  }
  if (job.join.how === 'stack') checkStackedFeatures(job, schemas, features);
  if (Object.values(features).every((names) => names.length === 0)) {
    throw new InputError('job-without-features', 'No party brings a feature.', {
      hint: 'Name columns under "features".',
    });
  }
  return features;
}

/** Stacked parties have the same columns; the first party's order counts for all. */
function checkStackedFeatures(job: Job, schemas: SchemasByParty, features: Record<string, string[]>): void {
  const [first, ...others] = dataParties(job);
  if (first === undefined) return;
  for (const party of others) {
    for (const [one, other] of [
      [first, party],
      [party, first],
    ] as const) {
      const lacking = features[one]!.find((name) => !features[other]!.includes(name));
      if (lacking !== undefined) {
        throw new InputError(
          'job-stack-columns-differ',
          `${one} has a column ${JSON.stringify(lacking)} and ${other} has none of that name.`,
          {
            hint: 'Stacked parties need the same columns: name those that all have under "features".',
          },
        );
      }
    }
    for (const name of features[first]!) {
      const kinds = [first, party].map((owner) => {
        const column = columnOf(schemas, owner, name);
        return isOneHot(column, job.classes) ? 'category' : column.type === 'integer' ? 'number' : column.type;
      });
      if (kinds[0] !== kinds[1]) {
        throw new InputError(
          'job-stack-types-differ',
          `The column ${JSON.stringify(name)} is ${kinds[0]} at ${first} and ${kinds[1]} at ${party}.`,
          {
            hint: 'Stacked parties need the same type of cells.',
          },
        );
      }
    }
    features[party] = [...features[first]!];
  }
}

/** Union of the categories that the parties' schemas give for a column. */
function categoriesOf(schemas: SchemasByParty, owners: readonly string[], name: string): string[] | undefined {
  const lists = owners.map((party) => columnOf(schemas, party, name).categories);
  return lists.some((list) => list === undefined) ? undefined : sortCategories(lists.flatMap((list) => list ?? []));
}

function resolveClasses(
  job: Job,
  schemas: SchemasByParty,
  features: Record<string, string[]>,
): Record<string, readonly string[]> {
  const classes: Record<string, readonly string[]> = { ...job.classes };
  const owners = new Map<string, string[]>();
  for (const [party, names] of Object.entries(features)) {
    for (const name of names) {
      if (isOneHot(columnOf(schemas, party, name), job.classes)) owners.set(name, [...(owners.get(name) ?? []), party]);
    }
  }
  const labelled = Object.entries(job.label);
  if (job.task === 'classification')
    for (const [party, name] of labelled) owners.set(name, [...(owners.get(name) ?? []), party]);
  for (const name of Object.keys(job.classes)) {
    if (!owners.has(name)) {
      throw new InputError(
        'job-unknown-column',
        `The job lists classes of ${JSON.stringify(name)}, which is neither label nor feature${didYouMean(name, [...owners.keys()]) || '.'}`,
        {
          hint: 'Correct the name under "classes".',
        },
      );
    }
  }
  for (const [name, parties] of owners) {
    const found = categoriesOf(schemas, parties, name);
    const listed = classes[name];
    const list = listed ?? found;
    if (list === undefined || list.length === 0) {
      throw new InputError('job-classes-unknown', `The column ${JSON.stringify(name)} has no list of categories.`, {
        hint:
          job.task === 'classification' && labelled.some(([, label]) => label === name)
            ? 'Use task: regression for a number, or list the classes.'
            : 'List them under "classes".',
      });
    }
    const unlisted = found?.find((category) => !list.includes(category));
    if (unlisted !== undefined) {
      throw new InputError(
        'job-class-unlisted',
        `${JSON.stringify(unlisted)} occurs in the column ${JSON.stringify(name)} and is not among its classes in the job.`,
        {
          hint: 'List every class.',
        },
      );
    }
    classes[name] = list;
  }
  if (job.task === 'classification') {
    const list = classes[labelled[0]?.[1] ?? ''] ?? [];
    if (list.length < 2) {
      throw new InputError(
        'label-one-class',
        `The label ${JSON.stringify(labelled[0]?.[1])} has only one class: there is nothing to learn.`,
        {
          hint: 'Bring rows of another class, or choose another label.',
        },
      );
    }
    if (list.length > 2 && job.model !== undefined && 'template' in job.model && job.model.template === 'logistic') {
      throw new InputError(
        'job-logistic-classes',
        `Logistic regression has 2 classes and the label ${JSON.stringify(labelled[0]?.[1])} has ${list.length}.`,
        {
          hint: 'Use the template mlp.',
        },
      );
    }
    if (list.length > 2 && job.train?.metrics.includes('auc') === true) {
      throw new InputError(
        'job-metric-classes',
        `The area under the ROC curve is of 2 classes and the label ${JSON.stringify(labelled[0]?.[1])} has ${list.length}.`,
        {
          hint: 'Take auc out of train.metrics, or use confusion.',
        },
      );
    }
  }
  return classes;
}

/**
 * Whether a party standardises its own columns before sharing. Stacked rows need the other parties' rows for that; where rows
 * are hidden, no party knows which of its own count.
 */
export function standardisation(job: Job): 'locally' | 'onShares' | 'none' {
  if (!preparation(job).standardise) return 'none';
  return job.join.how === 'stack' || hidesRows(job) ? 'onShares' : 'locally';
}

function resolveScale(job: Job, schemas: SchemasByParty, features: Record<string, string[]>): Record<string, number> {
  const given = preparation(job).scale;
  const key = trains(job.task) ? 'train' : 'prepare';
  const powers: Record<string, number> = {};
  const settle = (party: string, name: string): void => {
    const { data, test } = schemasOf(schemas, party);
    const declared = [data, test]
      .flatMap((schema) => schema?.columns.filter((column) => column.name === name) ?? [])
      .map((column) => column.scalePower);
    const own = declared.includes(undefined) ? undefined : Math.max(...(declared as number[]));
    const power = typeof given === 'number' ? given : (given?.[name] ?? own);
    if (power === undefined) {
      throw new InputError(
        'job-scale-unknown',
        `Nothing says how large the column ${JSON.stringify(name)} of ${party} gets.`,
        {
          hint: `Add "scale: { ${name}: POWER }" to ${key}, with |x| <= 2^POWER.`,
        },
      );
    }
    powers[name] = Math.max(powers[name] ?? -Infinity, power);
  };
  if (standardisation(job) !== 'locally') {
    for (const [party, names] of Object.entries(features)) {
      for (const name of names) {
        const column = columnOf(schemas, party, name);
        if (!isOneHot(column, job.classes) && column.type !== 'boolean') settle(party, name);
      }
    }
  }
  if (job.task === 'regression') for (const [party, name] of Object.entries(job.label)) settle(party, name);
  if (typeof given === 'object') {
    const known = [...Object.values(features).flat(), ...Object.values(job.label)];
    const stray = Object.keys(given).find((name) => !known.includes(name));
    if (stray !== undefined) {
      throw new InputError(
        'job-unknown-column',
        `The job scales ${JSON.stringify(stray)}, which is neither feature nor label${didYouMean(stray, known) || '.'}`,
        {
          hint: `Correct the name under ${key}.scale.`,
        },
      );
    }
  }
  return powers;
}

function checkLabelType(job: Job, schemas: SchemasByParty): void {
  for (const [party, name] of Object.entries(job.label)) {
    const { type } = columnOf(schemas, party, name);
    if (job.task === 'regression' && type !== 'number' && type !== 'integer') {
      throw new InputError(
        'job-label-not-number',
        `The label ${JSON.stringify(name)} of ${party} is ${type}, and regression needs a number.`,
        {
          hint: 'Use task: classification, or another label.',
        },
      );
    }
  }
}

/** Key columns are there, can be read as the rules say, and there are rows enough to reach the floor. */
function checkJoinColumns(job: Job, schemas: SchemasByParty): void {
  const join = identifierJoin(job);
  if (join === undefined) return;
  const keys = dataParties(job).map((party) => {
    const key = joinKeyOf(join, party);
    return { party, key, types: key.columns.map(({ column }) => columnOf(schemas, party, column).type) };
  });
  checkKeysAgree(keys);
  const most = Math.min(...dataParties(job).map((party) => schemasOf(schemas, party).data.rows));
  if (join.floor !== undefined && most < join.floor) {
    throw new InputError('join-floor-unreachable', `The parties can have ${most} records in common at most.`, {
      hint: `join.floor is ${join.floor}: agree on another one, or bring more rows.`,
    });
  }
}

/** Test files have the columns of the data, or the job cannot use them. */
function checkTestColumns(job: Job, schemas: SchemasByParty, features: Record<string, string[]>): void {
  for (const party of dataParties(job)) {
    const { test } = schemasOf(schemas, party);
    if (test === undefined) continue;
    const needed = [...features[party]!, ...(job.label[party] === undefined ? [] : [job.label[party]])];
    const lacking = needed.find((name) => !test.columns.some((column) => column.name === name));
    if (lacking !== undefined) {
      throw new InputError(
        'job-test-column-missing',
        `The test file of ${party} has no column ${JSON.stringify(lacking)}.`,
        {
          hint: 'Test files need the columns of the data.',
        },
      );
    }
  }
}

/**
 * The job with every choice written out: features by name, classes of label and one-hot columns, power of two by column.
 * The same whoever computes it from the same schemas.
 * @throws InputError for columns that are missing or of the wrong type, labels with one class, and scales nobody knows.
 */
export function resolveJob(job: Job, schemas: SchemasByParty): Job {
  checkLabelType(job, schemas);
  checkJoinColumns(job, schemas);
  const features = resolveFeatures(job, schemas);
  checkTestColumns(job, schemas, features);
  const classes = resolveClasses(job, schemas, features);
  const scale = resolveScale({ ...job, classes }, schemas, features);
  const train = job.train === undefined ? undefined : { ...job.train, scale };
  const prepare = job.prepare === undefined ? undefined : { ...job.prepare, scale };
  return { ...job, features, classes, train, prepare };
}

/**
 * How many rows the joined table of a job can have: from the floor to as many as the smallest party declares, or exactly the
 * slots of a table that hides who is in it. Undefined where no rows are joined.
 */
export function joinedRowRange(job: Job, schemas: SchemasByParty): { least: number; most: number } | undefined {
  const join = identifierJoin(job);
  if (join === undefined || join.how === 'stack') return undefined;
  const declared = dataParties(job).map((party) => schemasOf(schemas, party).data.rows);
  if (join.how === 'ids') return { least: join.floor ?? 1, most: Math.min(...declared) };
  const slots = declared.reduce((sum, rows) => sum + rows, 0);
  return { least: slots, most: slots };
}

/** The schemas to plan with before the rows are joined: as many rows as the joined table has at most. */
export function largestSchemas(job: Job, schemas: SchemasByParty): SchemasByParty {
  const range = joinedRowRange(job, schemas);
  return range === undefined ? schemas : joinedSchemas(schemas, range.most);
}

/**
 * The schemas once the rows are joined: the same columns, and `rows` rows at every party with data. From here on the rows are
 * aligned, and a plan can be made.
 */
export function joinedSchemas(schemas: SchemasByParty, rows: number): SchemasByParty {
  return Object.fromEntries(Object.entries(schemas).map(([party, { data }]) => [party, { data: { ...data, rows } }]));
}

/** The row numbering and split of a job. Where no model is trained, all rows are for testing (inference) or for training. */
export function jobRows(job: Job, schemas: SchemasByParty): RowLayout {
  const parties = dataParties(job).map((name) => {
    const { data, test } = schemasOf(schemas, name);
    return { name, data: data.rows, test: test?.rows ?? 0 };
  });
  const stacked = job.join.how === 'stack';
  if (trains(job.task)) return rowLayout(parties, stacked, job.train?.test ?? 0, job.train?.seed ?? 0);
  const layout = rowLayout(parties, stacked, 0, 0);
  return job.task === 'inference' ? { ...layout, train: new Uint32Array(), test: layout.train } : layout;
}

/** How one column of a file enters the matrix; `power` where the job settles a scale, so that |x| <= 1 after it. */
export type FeaturePlan =
  | { readonly column: string; readonly encode: 'number'; readonly power: number | undefined }
  | { readonly column: string; readonly encode: 'boolean' }
  | { readonly column: string; readonly encode: 'oneHot'; readonly categories: readonly string[] };

export type LabelPlan =
  | { readonly column: string; readonly encode: 'class'; readonly classes: readonly string[] }
  | { readonly column: string; readonly encode: 'number'; readonly power: number };

/** What one party does with its own columns before anything is shared. */
export interface ColumnPlan {
  readonly features: readonly FeaturePlan[];
  readonly label?: LabelPlan | undefined;
  readonly missing: MissingPolicy;
  readonly standardise: 'locally' | 'onShares' | 'none';
}

/** One party's part of a resolved job. */
export function columnPlan(job: Job, party: string, schemas: SchemasByParty): ColumnPlan {
  const { scale: powers, missing } = preparation(job);
  const scale = typeof powers === 'object' ? powers : {};
  const chosen = job.features[party] ?? [];
  const features = (chosen === '*' ? [] : chosen).map((name): FeaturePlan => {
    const column = columnOf(schemas, party, name);
    const categories = job.classes[name];
    if (categories !== undefined) return { column: name, encode: 'oneHot', categories };
    return column.type === 'boolean'
      ? { column: name, encode: 'boolean' }
      : { column: name, encode: 'number', power: scale[name] };
  });
  const name = job.label[party];
  const label: LabelPlan | undefined =
    name === undefined
      ? undefined
      : job.task === 'regression'
        ? { column: name, encode: 'number', power: scale[name] ?? 0 }
        : { column: name, encode: 'class', classes: job.classes[name] ?? [] };
  return { features, label, missing, standardise: standardisation(job) };
}

/** Names of the matrix columns of a plan; a one-hot column is `column=category`. */
export function matrixColumns(plan: ColumnPlan): string[] {
  return plan.features.flatMap((feature) =>
    feature.encode === 'oneHot'
      ? feature.categories.map((category) => `${feature.column}=${category}`)
      : [feature.column],
  );
}

/** Width of the model's input and number of its outputs for a resolved training job. Columns of all parties in partyOrder. */
export function modelSizes(job: Job, schemas: SchemasByParty): { inputs: number; outputs: number } {
  const parties = job.join.how === 'stack' ? dataParties(job).slice(0, 1) : dataParties(job);
  const columns = parties.map((party) => matrixColumns(columnPlan(job, party, schemas)).length);
  const inputs = columns.reduce((sum, count) => sum + count, flaggedParties(job, parties).length);
  const classes = job.classes[Object.values(job.label)[0] ?? '']?.length ?? 0;
  return { inputs, outputs: outputsFor(job.task === 'regression' ? 'regression' : 'classification', classes) };
}
