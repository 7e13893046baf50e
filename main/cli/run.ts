/** `tacit run`: a job file with all its parties on this machine. */
import { InputError } from '../../shared/errors.ts';
import { runLocally } from '../host/run/local-run.ts';
import { defineCommand } from './command.ts';
import { kernelsOption, parseKernels } from './host-options.ts';
import { localOutcome } from './local-outcome.ts';

export const run = defineCommand({
  name: 'run',
  summary: 'Run a job file with all its parties on this machine.',
  usage:
    'Starts every party of the job and the dealer as a process of its own, each with a data folder of its own in DIR,\n' +
    'linked over TLS on the loopback. Paths in the job are relative to the job file. What a party may see, and nothing\n' +
    'else, lies in DIR/PARTY/results when the run is over. A run that was stopped goes on from its last checkpoint when\n' +
    'it is started again with the same job and DIR.\n\n' +
    '  tacit run job.yaml --local parties',
  arguments: [{ name: 'JOB', description: 'The job file, YAML or JSON.' }],
  options: {
    ...kernelsOption,
    local: { type: 'string', value: 'DIR', description: 'Folder for the data folders of all parties.' },
  },
  async run({ arguments: [job], options, signal, output, progress }) {
    if (options.local === undefined) {
      throw new InputError('option-missing', 'tacit run: --local DIR is missing.', {
        hint: 'Between organisations, each starts: tacit party --run AGREEMENT',
      });
    }
    const result = await runLocally({
      jobFile: job ?? '',
      folder: options.local,
      kernels: parseKernels(options.kernels),
      signal,
      onProgress: (party, update) => progress.report({ party, ...update, unit: update.unit ?? 'steps' }),
    });
    progress.end();
    return localOutcome(result, output);
  },
});
