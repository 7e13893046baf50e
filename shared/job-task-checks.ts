/** Whether a job has the sections that its task needs, and no others. Knows nothing of parties or columns. */
import type { Job, JobText } from './job.ts';
import type { JobReport } from './job-checks.ts';
import { trains } from './job-roles.ts';
import { binaryLosses, regressionLosses } from './losses.ts';
import { extraMetrics, regressionMetrics } from './metrics.ts';
import type { Task } from './job-tasks.ts';

/** Sections that belong to some tasks only. */
const sections: Readonly<
  Record<
    | 'train'
    | 'privacy'
    | 'model'
    | 'prepare'
    | 'aggregates'
    | 'histogram'
    | 'minimumRows'
    | 'clustering'
    | 'decomposition',
    readonly Task[]
  >
> = {
  train: ['classification', 'regression'],
  privacy: ['classification', 'regression'],
  model: ['classification', 'regression', 'inference'],
  prepare: ['inference', 'statistics', 'clustering', 'decomposition'],
  aggregates: ['statistics'],
  histogram: ['statistics'],
  minimumRows: ['statistics'],
  clustering: ['clustering'],
  decomposition: ['decomposition'],
};

/** Reports sections that are missing, that the task does not use, and results that nobody receives. */
export function checkTask(job: Job, text: JobText, report: JobReport): void {
  const { task, model } = job;
  for (const [section, users] of Object.entries(sections) as [keyof typeof sections, readonly Task[]][]) {
    if (text[section] === undefined || users.includes(task)) continue;
    report(`job-${section.toLowerCase()}-unused`, [section], `${task} has no use for ${section}`, 'Take it out.');
  }
  if (trains(task)) {
    if (job.train === undefined)
      report('job-without-train', ['train'], `${task} needs "train"`, 'Add "train: { epochs, batch, optimizer }".');
    if (model === undefined)
      report('job-without-model', ['model'], `${task} needs a model`, 'Add "model: { template: ... }".');
    else checkTemplate(job, report);
    checkLoss(job, report);
    checkMetrics(job, report);
    checkPrivacy(job, report);
    return;
  }
  const receivers = (kind: 'predictions' | 'aggregates' | 'model'): void => {
    if (job.reveal[kind].length > 0) return;
    const what = kind === 'model' ? 'what is found' : `the ${kind}`;
    report('job-reveals-nothing', ['reveal'], `nobody receives ${what}`, `Add "reveal: { ${kind}: [PARTY] }".`);
  };
  switch (task) {
    case 'classification':
    case 'regression':
      return;
    case 'inference':
      if (model === undefined || !('file' in model || 'architecture' in model)) {
        report(
          'job-inference-without-file',
          ['model'],
          'inference needs a trained model',
          'Write "model: { file: model.onnx, owner: PARTY }".',
        );
      }
      return receivers('predictions');
    case 'statistics':
      checkStatistics(job, report);
      return receivers('aggregates');
    case 'clustering':
      if (job.clustering === undefined)
        report(
          'job-without-clustering',
          ['clustering'],
          'clustering needs a number of clusters',
          'Add "clustering: { clusters: 3 }".',
        );
      return receivers('model');
    case 'decomposition':
      if (job.decomposition === undefined)
        report(
          'job-without-decomposition',
          ['decomposition'],
          'decomposition needs a number of components',
          'Add "decomposition: { components: 2 }".',
        );
      return receivers('model');
  }
}

function checkTemplate({ task, model }: Job, report: JobReport): void {
  if (model === undefined || !('template' in model)) return;
  const fits = task === 'regression' ? model.template !== 'logistic' : model.template !== 'linear';
  if (fits) return;
  report(
    'job-template-misfit',
    ['model', 'template'],
    `the template ${model.template} is not for ${task}`,
    task === 'regression' ? 'Use linear or mlp.' : 'Use logistic or mlp.',
  );
}

function checkLoss({ task, train, label, classes }: Job, report: JobReport): void {
  const loss = train?.loss;
  if (loss === undefined) return;
  if (regressionLosses.includes(loss.name) !== (task === 'regression')) {
    report(
      'job-loss-misfit',
      ['train', 'loss'],
      `the loss ${loss.name} is not for ${task}`,
      task === 'regression'
        ? `Use ${regressionLosses.join(', ')}.`
        : 'Use crossEntropy, hinge, squaredHinge or rappor.',
    );
  }
  const count = classes[Object.values(label)[0] ?? '']?.length;
  if (count === undefined) return;
  if (count > 2 && binaryLosses.includes(loss.name)) {
    report(
      'job-loss-classes',
      ['train', 'loss'],
      `the loss ${loss.name} has 2 classes and the label has ${count}`,
      'Use crossEntropy.',
    );
  }
  if ('classWeights' in loss && loss.classWeights !== undefined && loss.classWeights.length !== count) {
    report(
      'job-class-weights',
      ['train', 'loss', 'classWeights'],
      `${loss.classWeights.length} weights for ${count} classes`,
      'Give one for each class, in the order of classes.',
    );
  }
}

function checkMetrics({ task, train, privacy, label, classes, reveal }: Job, report: JobReport): void {
  const path = ['train', 'metrics'];
  const metrics = train?.metrics ?? [];
  if (metrics.length > 0 && reveal.metrics.length === 0)
    report('job-metrics-unseen', path, 'nobody receives the metrics', 'Name a party under reveal.metrics.');
  for (const [i, metric] of metrics.entries()) {
    const fits = regressionMetrics.includes(metric) === (task === 'regression');
    if (!fits) {
      const others = extraMetrics.filter((one) => regressionMetrics.includes(one) === (task === 'regression'));
      report('job-metric-misfit', [...path, i], `${metric} is not for ${task}`, `Use ${others.join(' or ')}.`);
    }
    if (metrics.indexOf(metric) < i)
      report('job-metric-twice', [...path, i], `${metric} is listed twice`, 'Take one out.');
    if (metric === 'auc' && (classes[Object.values(label)[0] ?? '']?.length ?? 2) > 2)
      report('job-metric-classes', [...path, i], 'auc is of two classes', 'Use confusion.');
  }
  if (metrics.length === 0) return;
  const why =
    privacy?.split !== undefined
      ? 'in a split model'
      : privacy?.labels !== undefined
        ? 'of labels that are flipped at random'
        : undefined;
  if (why !== undefined)
    report(
      'job-metrics-privacy',
      path,
      `${why} only accuracy, or the error, and the loss are measured`,
      'Take it out.',
    );
}

function checkPrivacy(job: Job, report: JobReport): void {
  const { privacy, join, train, task, label, classes } = job;
  checkSplit(job, report);
  checkModelNoise(job, report);
  const count = classes[Object.values(label)[0] ?? '']?.length ?? 2;
  if (privacy?.labels !== undefined && (task !== 'classification' || count !== 2)) {
    report('job-privacy-labels', ['privacy', 'labels'], 'labels are flipped between two classes only', 'Take it out.');
  }
  if (privacy?.gradients === undefined) return;
  if (join.how === 'hidden' || join.how === 'left') {
    report(
      'job-privacy-join',
      ['privacy', 'gradients'],
      `noise on gradients needs to know which rows count, and the join ${join.how} hides them`,
      'Join by ids.',
    );
  }
  if (train?.clip !== undefined) {
    report('job-privacy-clip', ['train', 'clip'], 'rows are cut by privacy.gradients already', 'Take train.clip out.');
  }
}

function checkSplit({ privacy, join, label, reveal }: Job, report: JobReport): void {
  const split = privacy?.split;
  if (split === undefined) return;
  const path = ['privacy', 'split'];
  if (privacy?.gradients !== undefined) {
    report(
      'job-split-gradients',
      ['privacy', 'gradients'],
      'in a split model the sums of gradients are revealed, with the noise that privacy.split asks for',
      'Take privacy.gradients out.',
    );
  }
  if (split.noise > 0 && split.norm === undefined) {
    report(
      'job-split-unbounded',
      [...path, 'norm'],
      'noise guarantees nothing where a label may change a sum by any amount',
      'Add "norm: 1": rows whose label could change more are scaled down.',
    );
  }
  if (join.how === 'stack' || join.how === 'hidden' || join.how === 'left') {
    report(
      'job-split-join',
      path,
      `a split model needs rows side by side that all parties know, not the join ${join.how}`,
      'Join by ids or rows.',
    );
  }
  if (Object.keys(label).length > 1)
    report('job-split-labels', path, 'a split model has its label at one party', 'Name one party under label.');
  if (reveal.model.length === 0) {
    report(
      'job-split-model',
      ['reveal', 'model'],
      'who has the features knows the model in any case',
      'Name that party under reveal.model.',
    );
  }
}

function checkModelNoise({ privacy, reveal }: Job, report: JobReport): void {
  if (privacy?.model === undefined) return;
  const path = ['privacy', 'model'];
  const other = privacy.gradients !== undefined ? 'gradients' : privacy.split !== undefined ? 'split' : undefined;
  if (other !== undefined) {
    report(
      'job-model-noise-twice',
      path,
      `noise is added in every step already, by privacy.${other}`,
      `Take one of privacy.model and privacy.${other} out.`,
    );
  }
  if (reveal.model.length === 0)
    report(
      'job-model-noise-unseen',
      path,
      'nobody receives the model that noise is added to',
      'Name a party under reveal.model.',
    );
}

function checkStatistics({ aggregates, histogram }: Job, report: JobReport): void {
  if (aggregates === undefined)
    report(
      'job-without-aggregates',
      ['aggregates'],
      'statistics need "aggregates"',
      'Add "aggregates: [count, mean]".',
    );
  else if (aggregates.includes('histogram') !== (histogram !== undefined)) {
    report(
      'job-histogram-edges',
      ['histogram'],
      'a histogram needs both its place among the aggregates and its edges',
      'Add "aggregates: [histogram]" and "histogram: { COLUMN: [EDGE, ...] }".',
    );
  }
}
