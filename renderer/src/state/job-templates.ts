/** Texts to begin a job with. Knows nothing of what is done with them. */

export const templates = ['logistic', 'mlp', 'linear'] as const;
export type Template = (typeof templates)[number];

const models: Readonly<Record<Template, string>> = {
  logistic: 'model: { template: logistic }',
  mlp: 'model: { template: mlp, hidden: [32], activation: relu }',
  linear: 'model: { template: linear }',
};

/** A whole job but for the names of data sets and label, which only people know. */
export function templateText(template: Template, ownDataset: string): string {
  const task = template === 'linear' ? 'regression' : 'classification';
  return `name: New job
parties:
  clinic-a:
    data: ${JSON.stringify(ownDataset)}
  clinic-b:
    data: their-data.csv
dealer: registry
join: { how: rows }
features: "*"
label:
  clinic-b: outcome
task: ${task}
${models[template]}
train:
  epochs: 10
  batch: 128
  optimizer: { name: sgd, lr: 0.1, momentum: 0.9 }
  test: 0.2
  seed: 7
reveal:
  model: [clinic-a, clinic-b]
  metrics: [clinic-a, clinic-b]
`;
}
