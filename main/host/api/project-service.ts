/** Projects for people: members, grants, proposals, votes, and what each wants of a run. */
import { nodeCrypto } from '../../../engine/random/node-crypto.ts';
import type { ProjectJobDetail, ProjectView } from '../../../shared/api/project-calls.ts';
import type { CheckedRequest } from '../../../shared/api/map.ts';
import type { Job } from '../../../shared/job.ts';
import { projectHead } from '../../../shared/project.ts';
import type { JobState, ProjectState } from '../../../shared/project-state.ts';
import type { GrantedColumn } from '../../../shared/project.ts';
import { agreementFor } from '../../../shared/project-job.ts';
import { InputError, InternalError } from '../../../shared/errors.ts';
import type { Agreement } from '../../../shared/agreement.ts';
import { grantedColumns } from '../datasets/schema.ts';
import { openModel } from '../jobs/open-model.ts';
import type { OpenedModel } from '../jobs/open-model.ts';
import { checkJobText } from '../jobs/job-file.ts';
import { Projects } from '../projects/projects.ts';
import { disclosures } from '../results/disclosures.ts';
import type { ApiContext, Service } from './context.ts';
import { costRunner } from './cost-runner.ts';
import type { CostTask } from './cost-worker.ts';
import type { DatasetService } from './dataset-service.ts';
import { currentSettings } from './host-service.ts';
import { checkModelPath, readDraft } from './job-sources.ts';
import { toDisclosure, toIssueView } from './job-service.ts';
import { jobDetail, jobText, projectView } from './project-views.ts';

type Names =
  | `projects.${'list' | 'create' | 'answer' | 'compareHeads' | 'links'}`
  | `grants.${'list' | 'preview' | 'give' | 'takeBack'}`
  | `proposals.${'check' | 'cost' | 'propose' | 'get' | 'text' | 'vote' | 'withdraw' | 'steer'}`;

export interface ProjectService extends Service<Names> {
  /** Of the open host; an InputError (`first-start-open`) before. */
  readonly projects: () => Projects;
}

interface GrantContent {
  readonly dataset: string;
  readonly name: string;
  readonly rows: number;
  readonly padded?: true;
  readonly columns: GrantedColumn[];
}

const MAX_NAME = 100;
const TELL_AFTER_MS = 50;

export function projectService(
  context: ApiContext,
  datasets: Pick<DatasetService, 'openRegistered'>,
  onRun: (session: string) => void,
  onUnexpected: (error: unknown) => void,
): ProjectService {
  const costs = costRunner(context);
  /** Compiles what is about to be proposed; apart from costs, so that neither ends the other. */
  const proofs = costRunner(context);
  let open: Projects | undefined;

  const projects = (): Projects => {
    context.host();
    if (open === undefined) throw new InternalError('projects-not-open', 'Projects are not open yet.');
    return open;
  };
  const view = (id: string): ProjectView => projectView(context.host(), projects(), projects().journals.get(id));
  const jobOf = (project: ProjectState, job: string): JobState => {
    const found = project.jobs.find((one) => one.id === job);
    if (found !== undefined) return found;
    throw new InputError('job-unknown', 'There is no such job in this project.', {
      hint: 'Look at the list of its jobs.',
    });
  };
  const detail = (id: string, job: string): ProjectJobDetail => {
    const project = projects().journals.get(id);
    return jobDetail(context.host(), projects(), project, jobOf(project, job));
  };

  /** Changes that come together are told once. */
  const changed = new Set<string>();
  const publish = (id: string): void => {
    if (changed.size === 0) setTimeout(publishAll, TELL_AFTER_MS);
    changed.add(id);
  };
  const publishAll = (): void => {
    const ids = [...changed];
    changed.clear();
    if (open === undefined || context.signal.aborted) return;
    for (const id of ids) context.publish('projects.changed', view(id));
  };

  /** The model file that a job names: on this machine, and this organisation's own unless its weights are public. */
  const modelOf = (id: string, job: Job): OpenedModel | undefined => {
    if (job.model === undefined || !('file' in job.model)) return undefined;
    const { owner } = job.model;
    if (owner !== undefined && owner !== projects().journals.selfIn(id)) {
      throw new InputError('model-not-yours', `Only ${owner} can propose a job with a model of ${owner}.`, {
        hint: `Ask ${owner} to propose it.`,
      });
    }
    checkModelPath(job);
    return openModel(job, '/');
  };

  const agreementOf = (id: string, text: string): Agreement => {
    const job = readDraft(text);
    const model = modelOf(id, job)?.published;
    return agreementFor(projects().journals.get(id), job, TRIAL, nodeCrypto.sha256, model);
  };
  const costTask = ({ job, schemas, model }: Agreement): CostTask => {
    const { threads, kernels } = currentSettings(context);
    return { job, schemas, model, threads, kernels };
  };

  const grantContent = async (request: CheckedRequest<'grants.preview'>): Promise<GrantContent> => {
    const registered = context.host().store.datasets.get(request.dataset);
    if (registered.confirmedAtMs === undefined) {
      throw new InputError('dataset-not-confirmed', `Nobody has confirmed the columns of ${registered.name} yet.`, {
        hint: 'Open the data set, look at its columns and confirm them.',
      });
    }
    const withheld = Object.keys(request.uses).find((name) => registered.uses[name] === 'never');
    if (withheld !== undefined) {
      throw new InputError('column-withheld', `The column ${JSON.stringify(withheld)} is never shared.`, {
        hint: 'Leave it out, or change its use on the page of the data set.',
      });
    }
    const dataset = await datasets.openRegistered(registered);
    const columns = grantedColumns(dataset, request);
    if (columns.length === 0) {
      throw new InputError('grant-empty', 'The grant names no column.', { hint: 'Choose at least one column.' });
    }
    const { rows = registered.rows } = request;
    if (rows < registered.rows) {
      throw new InputError('grant-rows-too-few', `${registered.name} has more than ${rows} rows.`, {
        hint: 'Show the number that there is, or a larger one.',
      });
    }
    const padded = rows > registered.rows ? ({ padded: true } as const) : {};
    return { dataset: registered.id, name: registered.name.slice(0, MAX_NAME), rows, ...padded, columns };
  };

  /** A yes rests on data that is here and as it was granted. */
  const checkOwnData = async (id: string, job: string): Promise<void> => {
    const { journals } = projects();
    const agreement = journals.get(id).jobs.find((one) => one.id === job)?.current.agreement;
    const { data, test } = agreement?.job.parties[journals.selfIn(id)] ?? {};
    for (const source of [data, test]) {
      if (source === undefined || Array.isArray(source)) continue;
      await datasets.openRegistered(context.host().store.datasets.get(source.id));
    }
  };

  return {
    projects,
    handlers: {
      'projects.list': () =>
        projects()
          .journals.list()
          .map(({ id }) => view(id)),
      'projects.create': (request) => view(projects().create(request).id),
      'projects.answer': ({ id, answer, reason }) => {
        projects().answer(id, answer, reason);
        return view(id);
      },
      'projects.compareHeads': async ({ id }) => {
        const { journals, exchange } = projects();
        const members = await exchange.compareHeads(journals.get(id));
        return { head: projectHead(journals.heads(id), nodeCrypto.sha256), members };
      },
      'projects.links': ({ id }) => projects().memberLinks.of(id),
      'grants.list': ({ id }) => [...projects().journals.get(id).grants],
      'grants.preview': grantContent,
      'grants.give': async (request) => {
        projects().grant(request.id, await grantContent(request));
        return view(request.id);
      },
      'grants.takeBack': ({ id, dataset }) => {
        projects().ungrant(id, dataset);
        return view(id);
      },
      'proposals.check': ({ id, text }) => {
        const checked = checkJobText(text);
        if (!checked.ok) return { issues: checked.issues.map(toIssueView), learned: [] };
        try {
          return { issues: [], learned: disclosures(agreementOf(id, text).job).map(toDisclosure) };
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          const { code, message, hint } = error;
          return { issues: [{ code, line: 1, place: '', message, hint }], learned: [] };
        }
      },
      'proposals.cost': (request) => {
        const { journals } = projects();
        const agreement =
          'text' in request
            ? agreementOf(request.id, request.text)
            : journals.get(request.id).jobs.find(({ id }) => id === request.job)?.current.agreement;
        if (agreement === undefined) throw new InputError('job-unknown', 'There is no such job in this project.');
        return costs.cost(costTask(agreement));
      },
      'proposals.propose': async ({ id, draft }) => {
        const { drafts } = context.host().store;
        const { text, job: edits } = drafts.get(draft);
        await proofs.cost({ ...costTask(agreementOf(id, text)), kernels: 'wasm' });
        const job = readDraft(text);
        const proposed = projects().propose(id, job, edits, modelOf(id, job));
        drafts.proposed(draft, proposed);
        return detail(id, proposed);
      },
      'proposals.get': ({ id, job }) => detail(id, job),
      'proposals.text': ({ id, job }) => jobText(jobOf(projects().journals.get(id), job)),
      'proposals.vote': async ({ id, job, digest, vote, reason }) => {
        if (vote === 'yes') await checkOwnData(id, job);
        projects().vote(id, job, digest, vote, reason);
        return detail(id, job);
      },
      'proposals.withdraw': ({ id, job, reason }) => {
        projects().withdraw(id, job, reason);
        return detail(id, job);
      },
      'proposals.steer': ({ id, job, wish, reason }) => {
        projects().steer(id, job, wish, reason);
        return detail(id, job);
      },
    },
    begin: (host) => {
      open = new Projects({
        host,
        means: () => {
          const { threads, kernels } = currentSettings(context);
          return { threads, kernels };
        },
        record: context.record,
        onProject: publish,
        onRun,
        onLinks: (project) => {
          if (open === undefined || context.signal.aborted) return;
          context.publish('memberLinks.changed', { project, links: open.memberLinks.of(project) });
        },
        onUnexpected,
      });
    },
    close: async () => {
      await Promise.all([open?.close(), costs.close(), proofs.close()]);
    },
  };
}

/** Names of a job that is not proposed yet. */
const TRIAL = { id: '00000000-0000000000000000', version: 1 };
