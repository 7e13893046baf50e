/** Jobs before they run: drafts, issues of a text, cost, who learns what. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Draft, JobIssue } from '../../../shared/api/job-calls.ts';
import { pathText } from '../../../shared/issues.ts';
import { checkJobText } from '../jobs/job-file.ts';
import type { TextIssue } from '../jobs/job-file.ts';
import { disclosures } from '../results/disclosures.ts';
import type { StoredDraft } from '../store/drafts.ts';
import type { ApiContext, Service } from './context.ts';
import { costRunner } from './cost-runner.ts';
import { currentSettings } from './host-service.ts';
import { readDraft, withLocalFiles } from './job-sources.ts';

const UNNAMED = 'Untitled job';

/** The name in a text, even where the rest is wrong. */
function draftName(text: string): string {
  const checked = checkJobText(text);
  if (checked.ok) return checked.job.name;
  const name = /^\s*"?name"?\s*:\s*["']?([^"'\n#,]{1,100})/mu.exec(text)?.[1]?.trim();
  return name === undefined || name === '' ? UNNAMED : name;
}

const draftView = (draft: StoredDraft): Draft => ({ ...draft, name: draftName(draft.text) });

type Names = `drafts.${'list' | 'save' | 'remove'}` | `jobs.${'check' | 'cost'}`;

export function jobService(context: ApiContext): Service<Names> {
  const costs = costRunner(context);

  return {
    handlers: {
      'drafts.list': () => context.host().store.drafts.list().map(draftView),
      'drafts.save': ({ id, text, project }) =>
        draftView(context.host().store.drafts.save(id ?? randomUUID(), text, project)),
      'drafts.remove': ({ id }) => {
        context.host().store.drafts.remove(id);
        return {};
      },
      'jobs.check': ({ text }) => {
        const checked = checkJobText(text);
        if (checked.ok) return { issues: [], learned: disclosures(checked.job).map(toDisclosure) };
        return { issues: checked.issues.map(toIssueView), learned: [] };
      },
      'jobs.cost': async ({ text }) => {
        const job = withLocalFiles(readDraft(text), context.host().store.datasets.list());
        const folder = await mkdtemp(join(tmpdir(), 'tacit-cost-'));
        try {
          const jobFile = join(folder, 'job.json');
          await writeFile(jobFile, JSON.stringify(job), { mode: 0o600 });
          const { threads, kernels } = currentSettings(context);
          return await costs.cost({ jobFile, threads, kernels });
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      },
    },
    close: costs.close,
  };
}

export const toIssueView = ({ code, line, path, message, hint }: TextIssue): JobIssue => ({
  code,
  line,
  place: pathText(path),
  message,
  hint,
});

export const toDisclosure = ({ party, role, learns }: ReturnType<typeof disclosures>[number]) => ({
  party,
  role,
  learns: [...learns],
});
