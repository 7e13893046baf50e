/**
 * Whether the entries of a job make sense together: names, roles, columns, classes, task and precision.
 * Knows nothing of data: what only the columns can tell is checked where the data is opened.
 */
import { checkJoin } from './job-join-checks.ts';
import { keyColumnsOf } from './job-join.ts';
import type { Job, JobText } from './job.ts';
import { dataParties, partyOrder, trains } from './job-roles.ts';
import { checkTask } from './job-task-checks.ts';
import { didYouMean } from './nearest.ts';

const MAX_PARTIES = 32;

/** Takes one thing that is wrong: a code unique to its cause, the path in the job, what is wrong, what to do. */
export type JobReport = (code: string, path: PropertyKey[], message: string, hint?: string) => void;

/** Names that must be parties, wherever the job mentions them. */
function checkNames(job: Job, report: JobReport): void {
  const parties = partyOrder(job);
  const known = (name: string, path: PropertyKey[]) => {
    if (parties.includes(name)) return;
    const isDealer = name === job.dealer;
    report(
      isDealer ? 'job-dealer-has-no-part' : 'job-unknown-party',
      path,
      isDealer
        ? `${JSON.stringify(name)} is the dealer; only a party can stand here`
        : `${JSON.stringify(name)} is not one of the parties${didYouMean(name, parties) || '.'}`,
      `The parties are: ${parties.join(', ')}.`,
    );
  };
  const withData = (name: string, path: PropertyKey[]) => {
    known(name, path);
    if (parties.includes(name) && job.parties[name]?.data === undefined) {
      report(
        'job-party-without-data',
        path,
        `${JSON.stringify(name)} has no data`,
        `Give parties.${name} a "data" entry.`,
      );
    }
  };
  for (const party of Object.keys(job.features)) withData(party, ['features', party]);
  for (const party of Object.keys(job.label)) withData(party, ['label', party]);
  for (const party of Object.keys(job.join.on)) withData(party, ['join', 'on', party]);
  for (const [what, names] of Object.entries(job.reveal)) {
    names.forEach((name, index) => known(name, ['reveal', what, index]));
    names.forEach((name, index) => {
      if (names.indexOf(name) < index)
        report('job-receiver-twice', ['reveal', what, index], `${JSON.stringify(name)} is named twice`);
    });
  }
  if (job.model !== undefined && 'owner' in job.model && job.model.owner !== undefined)
    known(job.model.owner, ['model', 'owner']);
}

function checkRoles(job: Job, report: JobReport): void {
  const parties = partyOrder(job);
  if (parties.length < 2 || parties.length > MAX_PARTIES) {
    report(
      'job-party-count',
      ['parties'],
      `a job has 2 to ${MAX_PARTIES} parties, not ${parties.length}`,
      'The dealer does not count as one.',
    );
  }
  // Names become folders, and some file systems do not tell case apart.
  const folded = new Map<string, string>();
  for (const party of [...parties, job.dealer]) {
    const twin = folded.get(party.toLowerCase());
    if (twin !== undefined && twin !== party) {
      report(
        'job-party-names-alike',
        ['parties', party],
        `${JSON.stringify(party)} and ${JSON.stringify(twin)} differ only by case`,
        'Rename one.',
      );
    }
    folded.set(party.toLowerCase(), party);
  }
  if (parties.includes('none'))
    report('job-party-named-none', ['parties', 'none'], '"none" is reserved: it means no dealer', 'Rename the party.');
  if (parties.includes(job.dealer)) {
    report(
      'job-dealer-is-party',
      ['dealer'],
      `${JSON.stringify(job.dealer)} is also a party: a dealer that computes learns everything`,
      'Name a dealer that is not among the parties.',
    );
  }
  if (dataParties(job).length === 0)
    report('job-without-data', ['parties'], 'no party brings data', 'Give at least one party a "data" entry.');
}

function checkColumns(job: Job, text: JobText, report: JobReport): void {
  const holders = dataParties(job);
  const { how } = job.join;
  if (text.join === undefined && holders.length > 1) {
    report(
      'job-without-join',
      ['join'],
      `${holders.length} parties bring data, and nothing says how their rows belong together`,
      'Add "join: { how: rows }" (same rows in the same order), "stack" (each its own rows) or "ids".',
    );
  }
  for (const [party, chosen] of Object.entries(job.features)) {
    if (chosen === '*') continue;
    chosen.forEach((column, index) => {
      const path = ['features', party, index];
      if (chosen.indexOf(column) < index)
        report('job-feature-twice', path, `column ${JSON.stringify(column)} is listed twice`);
      if (column === job.label[party]) {
        report(
          'job-label-is-feature',
          path,
          `the label ${JSON.stringify(column)} is also a feature`,
          'Take it out of the list.',
        );
      }
      if (keyColumnsOf(job, party).includes(column)) {
        report(
          'job-id-is-feature',
          path,
          `the id column ${JSON.stringify(column)} is also a feature`,
          'Take it out of the list.',
        );
      }
    });
  }
  if (how === 'stack') {
    const lists = new Set(Object.values(job.features).map((chosen) => JSON.stringify(chosen)));
    if (lists.size > 1 || holders.some((party) => job.features[party] === undefined)) {
      report(
        'job-stack-features-differ',
        ['features'],
        'stacked parties need the same features in the same order',
        'Write one list for all: features: [ ... ].',
      );
    }
  }
}

function checkLabel(job: Job, report: JobReport): void {
  const labelled = Object.keys(job.label);
  if (trains(job.task) && labelled.length === 0) {
    report('job-without-label', ['label'], `${job.task} needs a label`, 'Add "label: { PARTY: COLUMN }".');
  }
  if (!trains(job.task) && labelled.length > 0)
    report('job-label-unused', ['label'], `${job.task} uses no label`, 'Take it out.');
  if (labelled.length === 0) return;
  if (job.join.how === 'stack') {
    if (
      new Set(Object.values(job.label)).size > 1 ||
      dataParties(job).some((party) => job.label[party] === undefined)
    ) {
      report(
        'job-stack-label-differs',
        ['label'],
        'stacked parties need the same label column each',
        'Write "label: COLUMN".',
      );
    }
  } else if (labelled.length > 1) {
    report(
      'job-label-twice',
      ['label'],
      `${labelled.length} parties have the label; only stacked rows have one each`,
      'Name one party: "label: { PARTY: COLUMN }".',
    );
  }
}

function checkClasses(job: Job, text: JobText, report: JobReport): void {
  if (Array.isArray(text.classes) && Object.keys(job.label).length === 0) {
    report(
      'job-classes-of-nothing',
      ['classes'],
      'a plain list belongs to the label, and the job has none',
      'Write a list for each column: { COLUMN: [ ... ] }.',
    );
  }
  const given: Record<string, string[]> = Array.isArray(text.classes)
    ? { [Object.values(job.label)[0] ?? '']: text.classes }
    : (text.classes ?? {});
  for (const [column, list] of Object.entries(given)) {
    if (new Set(list).size < list.length)
      report('job-class-twice', ['classes'], `a class of ${JSON.stringify(column)} is listed twice`);
  }
  const labelColumn = Object.values(job.label)[0];
  const labelClasses = labelColumn === undefined ? undefined : job.classes[labelColumn];
  if (labelClasses === undefined) return;
  if (job.task === 'regression')
    report(
      'job-regression-with-classes',
      ['classes'],
      'regression has a number as its label, not classes',
      'Use task: classification, or take the classes out.',
    );
  else checkClassCount(job, labelClasses.length, report);
}

function checkClassCount(job: Job, classes: number, report: JobReport): void {
  if (classes < 2)
    report(
      'job-one-class',
      ['classes'],
      'the label has one class only: there is nothing to learn',
      'List two classes or more.',
    );
  if (classes > 2 && job.model !== undefined && 'template' in job.model && job.model.template === 'logistic') {
    report(
      'job-logistic-classes',
      ['model', 'template'],
      `logistic regression has 2 classes and the label has ${classes}`,
      'Use the template mlp.',
    );
  }
}

function checkTest(job: Job, text: JobText, report: JobReport): void {
  const holders = dataParties(job);
  const named = partyOrder(job).filter((party) => job.parties[party]?.test !== undefined);
  if (named.length === 0) return;
  if (!trains(job.task))
    report('job-test-unused', ['parties', named[0]!, 'test'], `${job.task} has no test rows`, 'Take "test" out.');
  if ((text.train?.test ?? 0) > 0) {
    report(
      'job-two-test-sets',
      ['train', 'test'],
      'a test fraction and a test file exclude each other',
      'Keep one of them.',
    );
  }
  // Stacked parties may bring test rows or not; aligned rows must be aligned in the test files as well.
  const lacking = job.join.how === 'stack' ? [] : holders.filter((party) => !named.includes(party));
  const dataless = named.filter((party) => !holders.includes(party));
  for (const party of [...lacking, ...dataless]) {
    report(
      'job-test-file-missing',
      ['parties', party],
      `${JSON.stringify(party)} needs both "data" and "test" here`,
      'A named test file goes with data, at every party with data.',
    );
  }
}

function checkPrecision(job: Job, report: JobReport): void {
  const { fractionBits, bound } = job.precision;
  if (bound < 2 * fractionBits + 8) {
    report(
      'job-bound-too-small',
      ['precision', 'bound'],
      `a bound of ${bound} bits leaves values below 2^${bound - 2 * fractionBits} with ${fractionBits} fraction bits`,
      `Use a bound of ${2 * fractionBits + 8} or more (at most 61), or fewer fraction bits.`,
    );
  }
}

/** Reports everything in a job that contradicts itself; `text` is what was written, `job` the same with defaults. */
export function checkJobSense(job: Job, text: JobText, report: JobReport): void {
  checkRoles(job, report);
  checkNames(job, report);
  checkColumns(job, text, report);
  checkJoin(job, text, report);
  checkLabel(job, report);
  checkClasses(job, text, report);
  checkTask(job, text, report);
  checkTest(job, text, report);
  checkPrecision(job, report);
}
