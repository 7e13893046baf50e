/**
 * What each participant learns from a join, in words for people, before it is run. Follows from the terms alone. Source of the
 * leakage: the protocol files beside this one; semi-honest participants.
 */
import type { JoinTerms } from './terms.ts';

export interface JoinDisclosure {
  readonly participant: string;
  /** Sentences without a subject: "the declared sizes". */
  readonly learns: readonly string[];
}

/** The parties in order, then a matcher without rows. */
export function joinDisclosures(terms: JoinTerms): JoinDisclosure[] {
  const { parties, matcher } = terms;
  const outside = matcher !== undefined && !parties.includes(matcher);
  return [
    ...parties.map((participant) => ({ participant, learns: partyLearns(terms, participant) })),
    ...(outside ? [{ participant: matcher, learns: matcherLearns(terms) }] : []),
  ];
}

function partyLearns(terms: JoinTerms, party: string): string[] {
  const { parties, matcher, purpose, floor } = terms;
  const others = parties.filter((other) => other !== party);
  const learns = ['how many identifiers each party declares, padding included'];
  if (purpose === 'repeats') learns.push('how many identifiers more than one party holds, and not which');
  if (purpose === 'ids') {
    learns.push(
      `which of its own rows ${all(others)} ${others.length === 1 ? 'has' : 'have'} too, if there are at least ${floor}`,
    );
    if (matcher === undefined) learns.push('how many rows are common to both, even if they are fewer');
    else if (matcher !== party) learns.push(`if they are fewer than ${floor}: only that`);
  }
  if (purpose === 'hidden') {
    learns.push('nothing about who else has a row: a table with a slot for every declared identifier hides it');
    learns.push(`whether there are at least ${floor} records to compute on`);
    if (terms.revealsSize === true) learns.push(`how many rows all parties have, if there are at least ${floor}`);
  }
  if (matcher === party) {
    learns.push('for each of its own rows which other parties hold it, and how many rows every group of others shares');
  }
  return learns;
}

function matcherLearns({ form, parties }: JoinTerms): string[] {
  const regions = parties.length === 2 ? 'how many of them match' : 'how many identifiers each group of parties shares';
  return [
    `how many identifiers each party declares, padding included, and ${regions}; no identifier, and no row`,
    form === 'keyedHash'
      ? 'together with any one party: whether an identifier of its choice, or each one of a dictionary, is in a list'
      : 'together with any one party: whether an identifier that the party itself brings to the join is in another list',
  ];
}

function all(names: readonly string[]): string {
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
