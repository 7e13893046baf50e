/**
 * The report of a run as one self-contained page: no scripts, nothing loaded, light and dark. Text and figures come from the
 * run; whatever a party could have written (names, columns) is escaped.
 */
import { bytesText, countText, durationText, percentText } from '../../../shared/units.ts';
import { distinctAssumptions } from './assumptions.ts';
import { html, table } from './html.ts';
import type { Html } from './html.ts';
import { jobCost, layerName } from './job-cost.ts';
import type { ProgramCost } from './job-cost.ts';
import { layerRows } from './layers.ts';
import type { LayerRow } from './layers.ts';
import { styles } from './report-styles.ts';
import { isPercentage, scoreNames } from '../../../shared/metrics.ts';
import type { ScoreName, Scores } from '../../../shared/metrics.ts';
import type { PartyTraffic, ResultTable, RunRecord } from './results.ts';
import { shareNames, timeShares } from './time-shares.ts';
import type { PartyTimeShares, Share } from './time-shares.ts';

/** Longer tables are files of their own. */
const MAX_TABLE_ROWS = 100;

/** The whole page. */
export function reportHtml(run: RunRecord): string {
  const { title, startedAt, metrics } = run;
  const moment = startedAt.toISOString().replace('T', ' ').slice(0, 16);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>${title}: report of a run</title>
        <style>
          ${styles}
        </style>
      </head>
      <body>
        <main>
          <header>
            <p class="kind">Tacit, report of a run</p>
            <h1>${title}</h1>
            <p><time datetime="${startedAt.toISOString()}">${moment} UTC</time></p>
          </header>
          ${summary(run)}
          <section aria-labelledby="learned">
            <h2 id="learned">Who learned what</h2>
            ${learned(run)}
          </section>
          ${metrics === undefined ? html`` : quality(metrics)}
          ${(run.tables ?? []).filter(({ rows }) => rows.length <= MAX_TABLE_ROWS).map(resultTable)}
          <section aria-labelledby="time">
            <h2 id="time">Where the time went</h2>
            ${time(run)}
          </section>
          <section aria-labelledby="links">
            <h2 id="links">What the links carried</h2>
            ${traffic(run.traffic)}
          </section>
          <section aria-labelledby="layers">
            <h2 id="layers">Layers and programs</h2>
            ${layers(run)}
          </section>
          <section aria-labelledby="assumptions">
            <h2 id="assumptions">What the run took as given</h2>
            ${assumptions(run)}
          </section>
          <section aria-labelledby="about">
            <h2 id="about">What was run</h2>
            <dl>
              ${[...run.about, ['plan', run.plan.digest] as const].map(
                ([name, value]) =>
                  html`<div>
                    <dt>${name}</dt>
                    <dd>${value}</dd>
                  </div>`,
              )}
            </dl>
          </section>
        </main>
      </body>
    </html> `.text;
}

/** Scores in large type. */
const headlines: { readonly [Name in ScoreName]?: string } = {
  accuracy: 'accuracy',
  auc: 'area under the ROC curve',
  rmse: 'root mean square error',
  mae: 'mean absolute error',
};

function scoreText(name: ScoreName, score: number | undefined): string {
  if (score === undefined) return '';
  return isPercentage(name) ? percentText(score) : figure(score);
}

/** A few figures in large type. */
function summary({ metrics, seconds, traffic: parties }: RunRecord): Html {
  const most = (pick: (party: PartyTraffic) => number): number => Math.max(0, ...parties.map(pick));
  const tiles: [name: string, value: string, note: string][] = [];
  const baseline = metrics?.baseline;
  for (const [name, heading] of Object.entries(headlines) as [ScoreName, string][]) {
    if (metrics?.[name] === undefined) continue;
    const inClear = scoreText(name, baseline?.[name]);
    tiles.push([heading, scoreText(name, metrics[name]), inClear === '' ? '' : `in the clear ${inClear}`]);
  }
  tiles.push(
    ['online', durationText(seconds.online), `dealer’s material ${durationText(seconds.offline)}`],
    ['sent by a party', bytesText(most((party) => party.bytesSent)), 'at most, evaluation apart'],
    ['rounds', countText(most((party) => party.rounds)), 'exchanges one after the other'],
  );
  return html`<div class="tiles">
    ${tiles.map(
      ([name, value, note]) =>
        html`<div class="tile">
          <p class="name">${name}</p>
          <p class="value">${value}</p>
          <p class="note">${note}</p>
        </div>`,
    )}
  </div>`;
}

function learned({ learned: parties }: RunRecord): Html {
  return html`<div class="parties">
    ${parties.map(
      ({ party, role, learns }) =>
        html`<article>
          <h3>${party}</h3>
          <p class="note">${role}</p>
          <ul>
            ${learns.map((fact) => html`<li>${fact}</li>`)}
          </ul>
        </article>`,
    )}
  </div>`;
}

function quality(metrics: NonNullable<RunRecord['metrics']>): Html {
  const names = scoreNames.filter((name) => metrics[name] !== undefined);
  const rows: (Scores & { readonly name: string })[] = [
    ...(metrics.history ?? []).map(({ epoch, ...scores }) => ({ name: `after epoch ${epoch}`, ...scores })),
    { name: 'on shares, at the end', ...metrics },
    ...(metrics.baseline === undefined ? [] : [{ name: 'in the clear, pooled rows', ...metrics.baseline }]),
  ];
  return html`<section aria-labelledby="quality">
    <h2 id="quality">Quality on the test rows</h2>
    ${table(
      'Scores',
      [
        { heading: 'trained', cell: ({ name }) => name },
        ...names.map((name) => ({
          heading: name,
          isNumber: true as const,
          cell: (row: Scores) => scoreText(name, row[name]),
        })),
      ],
      rows,
    )}
    ${
      metrics.baseline === undefined
        ? html``
        : html`<p class="note">
            Training in the clear needs all rows in one place: only a launcher that simulates the parties has them.
          </p>`
    }
  </section>`;
}

function resultTable({ name, columns, rows }: ResultTable): Html {
  return html`<section>
    <h2>${name}</h2>
    ${table<readonly (string | number)[]>(
      name,
      columns.map((heading, i) => ({
        heading,
        cell: (row) => {
          const cell = row[i] ?? '';
          return typeof cell === 'number' ? figure(cell) : cell;
        },
      })),
      rows,
    )}
  </section>`;
}

function time({ times, seconds }: RunRecord): Html {
  const parties = times.map(timeShares);
  const shares = Object.keys(shareNames) as Share[];
  const longest = Math.max(1e-9, ...parties.map(({ wallMs }) => wallMs));
  return html`${parties.map((party) => timeBar(party, shares, longest))}
    ${table<Share | 'in all'>(
      'Time by activity',
      [
        {
          heading: 'activity',
          cell: (share) =>
            share === 'in all' ? share : html`<span class="swatch ${share}"></span>${shareNames[share]}`,
        },
        ...parties.flatMap(({ id, ms, wallMs }) => {
          const of = (share: Share | 'in all'): number => (share === 'in all' ? wallMs : ms[share]);
          return [
            { heading: id, isNumber: true as const, cell: (share: Share | 'in all') => durationText(of(share) / 1000) },
            {
              heading: 'share',
              isNumber: true as const,
              cell: (share: Share | 'in all') => (wallMs === 0 ? '' : percentText(of(share) / wallMs)),
            },
          ];
        }),
      ],
      [...shares, 'in all'],
    )}
    ${parties.some(({ waitMs }) => waitMs.size > 0) ? waiting(parties) : html``}
    <p class="note">
      Set-up took ${durationText(seconds.setup)}, the dealer’s material ${durationText(seconds.offline)}, the run itself
      ${durationText(seconds.online)}. timings.json holds every execution: open it in Perfetto (ui.perfetto.dev) or
      chrome://tracing.
    </p>`;
}

function timeBar({ id, ms, wallMs }: PartyTimeShares, shares: readonly Share[], longest: number): Html {
  let at = 0;
  const parts = shares.map((share) => {
    const width = (1000 * ms[share]) / longest;
    const part = html`<rect
      class="${share}"
      x="${at.toFixed(2)}"
      y="0"
      width="${width.toFixed(2)}"
      height="28"
    ></rect>`;
    at += width;
    return part;
  });
  return html`<figure class="bar">
    <figcaption>
      <span>${id}</span>
      <span>${durationText(wallMs / 1000)}</span>
    </figcaption>
    <svg viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" aria-label="${id}: see the table below">
      ${parts}
    </svg>
  </figure>`;
}

function waiting(parties: readonly PartyTimeShares[]): Html {
  const rows = parties.flatMap(({ id, waitMs }) => [...waitMs].map(([peer, ms]) => ({ id, peer, ms })));
  return table(
    'Waiting, and for whom',
    [
      { heading: 'party', cell: ({ id }) => id },
      { heading: 'waited for', cell: ({ peer }) => peer },
      { heading: 'time', isNumber: true, cell: ({ ms }) => durationText(ms / 1000) },
    ],
    rows,
  );
}

function traffic(parties: readonly PartyTraffic[]): Html {
  const compared = (counted: number, predicted: number): Html =>
    counted === predicted ? html`as predicted` : html`<strong class="wrong">predicted ${countText(predicted)}</strong>`;
  return html`${table(
      'Payload of messages; evaluation and the dealer apart',
      [
        { heading: 'party', cell: ({ id }) => id },
        { heading: 'sent', isNumber: true, cell: ({ bytesSent }) => html`${countText(bytesSent)} B` },
        { heading: 'plan', cell: ({ bytesSent, predictedBytes }) => compared(bytesSent, predictedBytes) },
        { heading: 'received', isNumber: true, cell: ({ bytesReceived }) => html`${countText(bytesReceived)} B` },
        { heading: 'rounds', isNumber: true, cell: ({ rounds }) => countText(rounds) },
        { heading: 'plan', cell: ({ rounds, predictedRounds }) => compared(rounds, predictedRounds) },
        { heading: 'from dealer', isNumber: true, cell: ({ dealerBytes }) => bytesText(dealerBytes) },
        {
          heading: 'evaluation',
          isNumber: true,
          cell: ({ evalBytes, evalRounds }) => `${bytesText(evalBytes)}, ${countText(evalRounds)} rounds`,
        },
      ],
      parties,
    )}
    <p class="note">
      Without frame headers, handshakes, acknowledgements and resends. Every value that crosses a link is masked, except
      what the job reveals.
    </p>`;
}

function layers(run: RunRecord): Html {
  const rows = layerRows(run);
  return html`${table<LayerRow>(
      'By layer and phase, over the whole run',
      [
        { heading: 'layer', cell: ({ layer }) => layerName(layer) },
        { heading: 'phase', cell: ({ phase }) => phase },
        { heading: 'opened', isNumber: true, cell: ({ bytesOpened }) => bytesText(bytesOpened) },
        { heading: 'rounds', isNumber: true, cell: ({ rounds }) => countText(rounds) },
        { heading: 'multiply-adds', isNumber: true, cell: ({ multiplyAdds }) => countText(multiplyAdds) },
        { heading: 'from dealer', isNumber: true, cell: ({ dealerBytes }) => bytesText(dealerBytes) },
        ...run.times.map(({ id }, i) => ({
          heading: `computing, ${id}`,
          isNumber: true as const,
          cell: ({ computeMs }: LayerRow) => durationText((computeMs[i] ?? 0) / 1000),
        })),
      ],
      rows,
    )}
    <p class="note">
      Bytes and rounds are the plan’s; counted totals equal them. Layers share rounds, so theirs add up to more than the
      run had.
    </p>
    ${table<ProgramCost>(
      'By program',
      [
        { heading: 'program', cell: ({ program }) => program },
        { heading: 'executions', isNumber: true, cell: ({ executions }) => countText(executions) },
        { heading: 'rounds', isNumber: true, cell: ({ rounds }) => countText(rounds) },
        {
          heading: 'sent by a party, at most',
          isNumber: true,
          cell: ({ bytesSent }) => bytesText(Math.max(...bytesSent)),
        },
        {
          heading: 'from dealer, in all',
          isNumber: true,
          cell: ({ dealerBytes }) => bytesText(dealerBytes.reduce((sum, bytes) => sum + bytes, 0)),
        },
      ],
      jobCost(run.plan, run.executions).programs,
    )}`;
}

function assumptions(run: RunRecord): Html {
  const found = distinctAssumptions(run.assumptions);
  const people = html`<p>
    Parties follow the protocol, and the dealer conspires with none of them: together with any compute party it would
    learn everything.
  </p>`;
  if (found.length === 0)
    return html`${people}
      <p>No bound is assumed: all are proved from the bounds of the inputs.</p>`;
  return html`${people}
    <p>Values stay inside these bounds. Outside, results are silently wrong; nothing is revealed by it.</p>
    ${table(
      'Bounds that are assumed, not proved',
      [
        { heading: 'layer', cell: ({ layer }) => layerName(layer) },
        { heading: 'operation', cell: ({ operation }) => operation },
        { heading: 'assumed below', isNumber: true, cell: ({ assumed }) => power(assumed) },
        { heading: 'proved below', isNumber: true, cell: ({ proved }) => power(proved) },
      ],
      found,
    )}
    <p class="note">In units of the ring: the least step of a number, or of a product before it is rounded.</p>`;
}

const power = (bits: number): Html => html`2<sup>${Math.ceil(bits)}</sup>`;

const figure = (value: number): string => new Intl.NumberFormat('en', { maximumSignificantDigits: 4 }).format(value);
