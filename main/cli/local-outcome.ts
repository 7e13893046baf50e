/** The closing table and the closing JSON of `tacit run` and `tacit demo`: what was reached, what it cost, where it lies. */
import { kernelReportText } from '../../shared/kernel-choice.ts';
import { isPercentage, scoreNames } from '../../shared/metrics.ts';
import type { ScoreName, Scores } from '../../shared/metrics.ts';
import type { JoinSummary, PartySummary } from '../host/run/engine-messages.ts';
import type { LocalRun } from '../host/run/local-run.ts';
import type { Outcome } from './command.ts';
import { bytesText, countText, durationText, figureText, percentText } from './output.ts';
import type { Column, Output } from './output.ts';

const left = (heading: string): Column => ({ heading, align: 'left' });
const right = (heading: string): Column => ({ heading, align: 'right' });

type PhaseSeconds = PartySummary['seconds'];

/** Parties wait for each other, so the longest of each phase counts. */
function phaseSeconds(parties: readonly PartySummary[]): PhaseSeconds {
  const longest = (phase: keyof PhaseSeconds): number => Math.max(0, ...parties.map(({ seconds }) => seconds[phase]));
  return {
    setup: longest('setup'),
    offline: longest('offline'),
    online: longest('online'),
    evaluation: longest('evaluation'),
  };
}

function quality(scores: Scores | undefined, names: readonly ScoreName[]): string[] {
  return names.map((name, i) => {
    const score = scores?.[name];
    if (score === undefined) return scores === undefined && i === 0 ? 'not revealed' : '';
    return isPercentage(name) ? percentText(score) : countText(score);
  });
}

/** What the join came to, and what it took: bytes of the party that sent most, seconds of the longest. */
function joinFigures(parties: readonly PartySummary[]): JoinSummary & { bytesSent: number; seconds: number } {
  const joins = parties.flatMap(({ join }) => join ?? []);
  const { rows, matches, repeats } = joins[0] ?? {};
  const largest = (pick: 'bytesSent' | 'seconds'): number => Math.max(0, ...joins.map(({ cost }) => cost?.[pick] ?? 0));
  return { rows, matches, repeats, bytesSent: largest('bytesSent'), seconds: largest('seconds') };
}

function joinText(how: string, parties: readonly PartySummary[]): string {
  const { rows, matches, repeats, bytesSent, seconds } = joinFigures(parties);
  const cost = bytesSent === 0 ? '' : `; ${bytesText(bytesSent)} from each party, ${durationText(seconds)}`;
  if (repeats !== undefined) return `Records held by several parties: ${countText(repeats)}${cost}.`;
  return `Joined by ${how}: ${matches === undefined ? `${countText(rows ?? 0)} slots` : `${countText(matches)} records in common`}${cost}.`;
}

export function localOutcome(run: LocalRun, output: Output): Outcome {
  const { compiled, parties, baseline, withoutBaseline, attempt } = run;
  const metrics = parties.find((party) => party.metrics !== undefined)?.metrics;
  const seconds = phaseSeconds(parties);
  const join = parties.find((party) => party.join !== undefined)?.join;
  const revealed = scoreNames.filter((name) => (metrics ?? baseline?.scores)?.[name] !== undefined);

  output.line();
  if (join !== undefined) output.line(joinText(compiled.job.join.how, parties));
  if (compiled.training !== undefined) {
    output.table(
      [left('on the test rows'), ...revealed.map(right)],
      [
        ['together, on shares', ...quality(metrics, revealed)],
        ...(withoutBaseline === undefined
          ? [['in the clear (simulation by this launcher)', ...quality(baseline?.scores, revealed)]]
          : []),
      ],
    );
    if (withoutBaseline !== undefined) output.line(`No comparison in the clear. ${withoutBaseline}`);
  }
  const tables = parties.find((party) => party.tables.length > 0)?.tables ?? [];
  for (const { name, columns, rows } of tables) {
    output.line();
    output.line(`${name}:`);
    output.table(
      columns.map((heading, i) => (i === 0 ? left(heading) : right(heading))),
      rows.map((row) => row.map((cell) => (typeof cell === 'number' ? figureText(cell) : cell))),
    );
  }
  output.line();
  output.table(
    [
      left('party'),
      right('sent'),
      right('predicted'),
      right('received'),
      right('rounds'),
      right('predicted'),
      right('from dealer'),
    ],
    parties.map(({ traffic }) => [
      traffic.id,
      bytesText(traffic.bytesSent),
      bytesText(traffic.predictedBytes),
      bytesText(traffic.bytesReceived),
      countText(traffic.rounds),
      countText(traffic.predictedRounds),
      bytesText(traffic.dealerBytes),
    ]),
  );
  output.line();
  output.table(
    [left('phase'), right('time')],
    [
      ['setup: processes, data, plan, keys', durationText(seconds.setup)],
      ['offline: waiting for the dealer', durationText(seconds.offline)],
      [`online: ${compiled.activity} and reveal`, durationText(seconds.online)],
      ['evaluation on shares', durationText(seconds.evaluation)],
      ...(baseline === undefined ? [] : [['in the clear, for comparison', durationText(baseline.seconds)]]),
    ],
  );
  output.line();
  const computed = Map.groupBy(parties, ({ kernels }) => kernelReportText(kernels));
  for (const [how, some] of computed)
    output.line(`${some.map(({ traffic }) => traffic.id).join(', ')} computed on the ${how}`);
  if (baseline !== undefined) output.line(`In the clear: ${baseline.backend}.`);
  if (attempt > 1) output.line(`Finished in attempt ${attempt}.`);
  for (const [party, folder] of Object.entries(run.resultFolders)) output.line(`Results of ${party}: ${folder}`);

  const [first] = parties;
  return {
    json: {
      parties: parties.map(({ traffic, kernels }) => {
        const { id, bytesSent, bytesReceived, rounds, predictedBytes, predictedRounds } = traffic;
        return { id, bytesSent, bytesReceived, rounds, predictedBytes, predictedRounds, kernels };
      }),
      evalRounds: first?.traffic.evalRounds ?? 0,
      evalBytes: first?.traffic.evalBytes ?? 0,
      dealerBytes: parties.reduce((sum, { traffic }) => sum + traffic.dealerBytes, 0),
      seconds,
      ...(metrics === undefined
        ? {}
        : { metrics: { ...metrics, ...(baseline === undefined ? {} : { baseline: baseline.scores }) } }),
      ...(tables.length === 0 ? {} : { tables }),
      testRows: compiled.layout.test.length,
      ...(join === undefined ? {} : { join: joinFigures(parties) }),
      attempt,
      results: run.resultFolders,
    },
  };
}
