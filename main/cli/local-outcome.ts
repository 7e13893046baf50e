/** The closing table and the closing JSON of `tacit run` and `tacit demo`: what was reached, what it cost, where it lies. */
import type { PartySummary } from '../host/run/engine-messages.ts';
import type { LocalRun } from '../host/run/local-run.ts';
import type { Scores } from '../host/results/results.ts';
import type { Outcome } from './command.ts';
import { bytesText, countText, durationText, percentText } from './output.ts';
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

function quality(scores: Scores | undefined): string[] {
  if (scores === undefined) return ['not revealed', ''];
  const first = scores.accuracy === undefined ? countText(scores.rmse ?? 0) : percentText(scores.accuracy);
  return [first, scores.loss === undefined ? '' : countText(scores.loss)];
}

export function localOutcome(run: LocalRun, output: Output): Outcome {
  const { compiled, parties, baseline, attempt } = run;
  const metrics = parties.find((party) => party.metrics !== undefined)?.metrics;
  const seconds = phaseSeconds(parties);
  const measure = compiled.job.task === 'regression' ? 'rmse' : 'accuracy';

  output.line();
  output.table(
    [left('on the test rows'), right(measure), right('loss')],
    [
      ['together, on shares', ...quality(metrics)],
      ['in the clear (simulation by this launcher)', ...quality(baseline?.scores)],
    ],
  );
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
      ['online: training and reveal', durationText(seconds.online)],
      ['evaluation on shares', durationText(seconds.evaluation)],
      ...(baseline === undefined ? [] : [['in the clear, for comparison', durationText(baseline.seconds)]]),
    ],
  );
  output.line();
  if (attempt > 1) output.line(`Finished in attempt ${attempt}.`);
  for (const [party, folder] of Object.entries(run.resultFolders)) output.line(`Results of ${party}: ${folder}`);

  const [first] = parties;
  return {
    json: {
      parties: parties.map(({ traffic }) => {
        const { id, bytesSent, bytesReceived, rounds, predictedBytes, predictedRounds } = traffic;
        return { id, bytesSent, bytesReceived, rounds, predictedBytes, predictedRounds };
      }),
      evalRounds: first?.traffic.evalRounds ?? 0,
      evalBytes: first?.traffic.evalBytes ?? 0,
      dealerBytes: parties.reduce((sum, { traffic }) => sum + traffic.dealerBytes, 0),
      seconds,
      ...(metrics === undefined
        ? {}
        : { metrics: { ...metrics, ...(baseline === undefined ? {} : { baseline: baseline.scores }) } }),
      testRows: compiled.layout.test.length,
      attempt,
      results: run.resultFolders,
    },
  };
}
