/** Whether the `join` of a job makes sense, by itself and beside the other entries. Knows nothing of data. */
import { NO_MATCHER, hidesRows, identifierJoin, type IdentifierJoin, type JoinText } from './job-join.ts';
import type { Job, JobText } from './job.ts';
import type { JobReport } from './job-checks.ts';
import { dataParties, partyOrder, trains } from './job-roles.ts';
import { didYouMean } from './nearest.ts';

type JoinEntry = Exclude<keyof JoinText, 'how'>;

const comparing: readonly Job['join']['how'][] = ['ids', 'hidden', 'left', 'stack'];

/** Entries that only some joins have a use for. */
const usedBy: Readonly<Partial<Record<JoinEntry, readonly Job['join']['how'][]>>> = {
  on: ['rows', ...comparing],
  floor: ['ids', 'hidden', 'left'],
  pad: ['ids', 'hidden', 'left'],
  revealCount: ['hidden', 'left'],
  keep: ['left'],
  repeats: ['stack'],
};

function checkEntries(job: Job, text: JoinText, report: JobReport): void {
  const { how } = job.join;
  const entries = Object.keys(text).filter((key): key is JoinEntry => key !== 'how');
  const compares = identifierJoin(job) !== undefined;
  for (const entry of entries) {
    const isOf = usedBy[entry] ?? comparing;
    if (!isOf.includes(how)) {
      report(
        'job-join-unused',
        ['join', entry],
        `a join by ${how} has no "${entry}"`,
        `It belongs to ${isOf.join(', ')}.`,
      );
    } else if (!compares && entry !== 'on') {
      report(
        'job-join-unused',
        ['join', entry],
        `"${entry}" is of use only where identifiers are compared`,
        'Add "on: COLUMN" to look for records that several parties hold.',
      );
    }
  }
}

function checkKey(job: Job, join: IdentifierJoin, report: JobReport): void {
  const holders = dataParties(job);
  const lacking = holders.filter((party) => join.on[party] === undefined);
  if (lacking.length > 0) {
    report(
      'job-join-without-id',
      ['join', 'on'],
      `a join by ${join.how} needs the id column of every party with data, and ${lacking.join(', ')} has none`,
      'Add "on: COLUMN" to join.',
    );
    return;
  }
  const lists = Object.entries(join.on);
  const [[first, columns] = ['', []]] = lists;
  for (const [party, names] of lists) {
    if (names.length !== columns.length) {
      report(
        'job-join-columns-differ',
        ['join', 'on', party],
        `${first} joins on ${columns.length} columns and ${party} on ${names.length}`,
        'All parties need the same key columns in the same order.',
      );
    }
    const twice = names.find((name, index) => names.indexOf(name) < index);
    if (twice !== undefined) {
      report('job-join-column-twice', ['join', 'on'], `the key names ${JSON.stringify(twice)} twice`);
    }
    const label = job.label[party];
    if (label !== undefined && names.includes(label)) {
      report('job-id-is-label', ['label', party], `the label ${JSON.stringify(label)} is also part of the key`);
    }
  }
  if (join.rules.length !== columns.length) {
    report(
      'job-join-rules-count',
      ['join', 'rules'],
      `the key has ${columns.length} columns and there are ${join.rules.length} rules`,
      'Write one rule for all columns, or one for each in their order.',
    );
  }
  for (const [entry, kind] of [
    ['dateOrder', 'date'],
    ['country', 'phone'],
  ] as const) {
    const stray = join.rules.find((rule) => rule[entry] !== undefined && rule.kind !== kind);
    if (stray !== undefined) {
      report(
        'job-join-rule-unused',
        ['join', 'rules'],
        `"${entry}" is not for kind: ${stray.kind}`,
        `Write kind: ${kind}.`,
      );
    }
  }
}

function checkMatcher(job: Job, join: IdentifierJoin, report: JobReport): void {
  const { how, form, matcher } = join;
  const holders = dataParties(job);
  const path = ['join', 'matcher'];
  const known = [...partyOrder(job), job.dealer, NO_MATCHER];
  if (!known.includes(matcher)) {
    report(
      'job-unknown-party',
      path,
      `${JSON.stringify(matcher)} takes no part in the job${didYouMean(matcher, known) || '.'}`,
      `Name the dealer or a party without data, or "${NO_MATCHER}" for two parties by themselves.`,
    );
    return;
  }
  const why =
    how === 'hidden' || how === 'left'
      ? `a join by ${how} keeps from everybody who has which records`
      : form === 'keyed'
        ? 'whoever compares keyed tags and has the key could test a whole dictionary'
        : undefined;
  if (why !== undefined && (matcher === NO_MATCHER || holders.includes(matcher))) {
    report(
      'job-join-matcher-has-rows',
      path,
      matcher === NO_MATCHER
        ? `${why}, so it needs a matcher`
        : `${JSON.stringify(matcher)} brings rows to the join and cannot be its matcher: ${why}`,
      'Name the dealer, or a party without data.',
    );
  } else if (matcher === NO_MATCHER && holders.length > 2) {
    report(
      'job-join-needs-matcher',
      path,
      `${holders.length} parties need somebody who compares`,
      'Name the dealer, or a party without data.',
    );
  }
}

function checkKept(job: Job, { how, keep }: IdentifierJoin, report: JobReport): void {
  if (how !== 'left') return;
  if (keep === undefined) {
    report(
      'job-join-without-keep',
      ['join', 'keep'],
      'a join by left keeps the rows of one party',
      'Add "keep: PARTY".',
    );
    return;
  }
  if (!dataParties(job).includes(keep)) {
    report(
      'job-unknown-party',
      ['join', 'keep'],
      `${JSON.stringify(keep)} is not a party with data${didYouMean(keep, dataParties(job)) || '.'}`,
    );
  }
  const labelled = Object.keys(job.label).find((party) => party !== keep);
  if (labelled !== undefined) {
    report(
      'job-left-label',
      ['label', labelled],
      `the rows of ${keep} are kept, and ${labelled} has no label for those that it lacks`,
      'Keep the rows of the party with the label.',
    );
  }
}

/** What can be computed on slots without telling who has a row there. */
function checkHidden({ task, reveal }: Job, { how, keep }: IdentifierJoin, report: JobReport): void {
  if (trains(task) || task === 'statistics') return;
  if (task !== 'inference') {
    report(
      'job-join-hides-rows',
      ['join', 'how'],
      `a join by ${how} serves training and statistics, and this is ${task}`,
      'Join by ids.',
    );
    return;
  }
  if (how === 'hidden') {
    report(
      'job-join-hides-rows',
      ['join', 'how'],
      'predictions would tell who receives them which records all parties have, and a join by hidden keeps that from everybody',
      'Join by ids, or by left with the predictions for the party whose rows are kept.',
    );
    return;
  }
  const other = reveal.predictions.findIndex((party) => party !== keep);
  if (other >= 0)
    report(
      'job-left-predictions',
      ['reveal', 'predictions', other],
      `the predictions are of the rows of ${keep ?? 'the party that is kept'}, and ${reveal.predictions[other] ?? ''} would learn from them which records that party has`,
      'Name only the party whose rows are kept.',
    );
}

/** Reports what contradicts itself in `join`; `text` is what was written. */
export function checkJoin(job: Job, text: JobText, report: JobReport): void {
  if (text.join === undefined) return;
  checkEntries(job, text.join, report);
  const join = identifierJoin(job);
  if (join === undefined) return;
  const holders = dataParties(job);
  if (holders.length < 2) {
    report('job-join-one-party', ['join'], 'there is nothing to join: fewer than two parties bring data');
    return;
  }
  checkKey(job, join, report);
  checkMatcher(job, join, report);
  checkKept(job, join, report);
  if (hidesRows(job)) checkHidden(job, join, report);
  if (join.how === 'stack') {
    if (join.duplicates === 'aggregate') {
      report(
        'job-join-unused',
        ['join', 'duplicates'],
        'stacked rows are compared, not aggregated',
        'Use first or refuse.',
      );
    }
    return;
  }
  const tested = holders.find((party) => job.parties[party]?.test !== undefined);
  if (tested !== undefined) {
    report(
      'job-join-with-test-files',
      ['parties', tested, 'test'],
      `rows that are joined by ${join.how} have no test files`,
      'Set aside a fraction of the joined rows: train.test.',
    );
  }
}
