/** Jobs before they run: drafts, issues of a text, cost, who learns what. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Answer } from '../../../shared/api/call.ts';
import type { CostPreview, Draft } from '../../../shared/api/job-calls.ts';
import { InternalError } from '../../../shared/errors.ts';
import { pathText } from '../../../shared/issues.ts';
import { entryFile } from '../../paths.ts';
import { checkJobText } from '../jobs/job-file.ts';
import { disclosures } from '../results/disclosures.ts';
import type { StoredDraft } from '../store/drafts.ts';
import type { ApiContext, Service } from './context.ts';
import { fromApiError } from './errors.ts';
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
  /** One at a time: a newer text makes the older one's cost worthless. */
  let working: Worker | undefined;

  const cost = async (jobFile: string): Promise<CostPreview> => {
    await working?.terminate();
    const worker = new Worker(entryFile('cost-worker'), {
      workerData: { jobFile, threads: currentSettings(context).threads },
    });
    working = worker;
    try {
      const answer = await new Promise<Answer<CostPreview>>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', () => reject(new InternalError('cost-superseded', 'A newer text was asked for.')));
      });
      if (answer.ok) return answer.reply;
      throw fromApiError(answer.error);
    } finally {
      await worker.terminate();
      if (working === worker) working = undefined;
    }
  };

  return {
    handlers: {
      'drafts.list': () => context.host().store.drafts.list().map(draftView),
      'drafts.save': ({ id, text }) => draftView(context.host().store.drafts.save(id ?? randomUUID(), text)),
      'drafts.remove': ({ id }) => {
        context.host().store.drafts.remove(id);
        return {};
      },
      'jobs.check': ({ text }) => {
        const checked = checkJobText(text);
        if (checked.ok) return { issues: [], learned: disclosures(checked.job).map(toDisclosure) };
        return {
          issues: checked.issues.map(({ code, line, path, message, hint }) => ({
            code,
            line,
            place: pathText(path),
            message,
            hint,
          })),
          learned: [],
        };
      },
      'jobs.cost': async ({ text }) => {
        const job = withLocalFiles(readDraft(text), context.host().store.datasets.list());
        const folder = await mkdtemp(join(tmpdir(), 'tacit-cost-'));
        try {
          const jobFile = join(folder, 'job.json');
          await writeFile(jobFile, JSON.stringify(job), { mode: 0o600 });
          return await cost(jobFile);
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      },
    },
    close: async () => {
      await working?.terminate();
    },
  };
}

const toDisclosure = ({ party, role, learns }: ReturnType<typeof disclosures>[number]) => ({
  party,
  role,
  learns: [...learns],
});
