/** Texts to begin a job with. Knows nothing of what is done with them. */
import type { GrantView, ProjectView } from '../../../shared/api/project-calls.ts';
import type { GrantedColumn } from '../../../shared/project.ts';

export const templates = ['logistic', 'mlp', 'linear'] as const;
export type Template = (typeof templates)[number];

const models: Readonly<Record<Template, string>> = {
  logistic: 'model: { template: logistic }',
  mlp: 'model: { template: mlp, hidden: [32], activation: relu }',
  linear: 'model: { template: linear }',
};

/** A job for the members of a project that have granted data: who plays which part, what is joined and predicted. */
export function projectText(template: Template, { members }: ProjectView, grants: readonly GrantView[]): string {
  const first = (party: string): GrantView | undefined => grants.find((grant) => grant.party === party);
  const named = (party: string, use: GrantedColumn['use']): string | undefined =>
    first(party)?.columns.find((column) => column.use === use)?.name;
  const bringing = members.filter(({ party, roles }) => roles.includes('data') && first(party) !== undefined);
  const parties = bringing.map(({ party }) => party);
  const dealer = members.find(({ party, roles }) => roles.includes('dealer') && !parties.includes(party));
  const labelled = parties.find((party) => named(party, 'label') !== undefined);
  const receivers = bringing.filter(({ roles }) => roles.includes('receiver')).map(({ party }) => party);
  const keys = parties.map((party) => named(party, 'id'));
  const join = keys.every((key) => key !== undefined)
    ? `{ how: ids, on: { ${parties.map((party, index) => `${party}: ${JSON.stringify(keys[index])}`).join(', ')} } }`
    : '{ how: rows }';
  const label = `${labelled ?? parties[0] ?? 'party'}: ${JSON.stringify(named(labelled ?? '', 'label') ?? 'outcome')}`;
  return jobText(template, {
    parties: parties.map((party) => `  ${party}:\n    data: ${JSON.stringify(first(party)?.name)}\n`).join(''),
    dealer: dealer?.party ?? 'dealer',
    join,
    label,
    receivers: receivers.join(', '),
  });
}

/** A whole job but for the names of data sets and label, which only people know. */
export function templateText(template: Template, ownDataset: string): string {
  return jobText(template, {
    parties: `  clinic-a:\n    data: ${JSON.stringify(ownDataset)}\n  clinic-b:\n    data: their-data.csv\n`,
    dealer: 'registry',
    join: '{ how: rows }',
    label: 'clinic-b: outcome',
    receivers: 'clinic-a, clinic-b',
  });
}

interface Roles {
  readonly parties: string;
  readonly dealer: string;
  readonly join: string;
  readonly label: string;
  readonly receivers: string;
}

function jobText(template: Template, { parties, dealer, join, label, receivers }: Roles): string {
  const task = template === 'linear' ? 'regression' : 'classification';
  return `name: New job
parties:
${parties}dealer: ${dealer}
join: ${join}
features: "*"
label:
  ${label}
task: ${task}
${models[template]}
train:
  epochs: 10
  batch: 128
  optimizer: { name: sgd, lr: 0.1, momentum: 0.9 }
  test: 0.2
  seed: 7
reveal:
  model: [${receivers}]
  metrics: [${receivers}]
`;
}
