/**
 * What `tacit party` and `tacit dealer` do: open a host, then serve a supervisor, take part in the run of an agreement, or
 * hold the links until stopped.
 */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nodeCrypto } from '../../engine/random/node-crypto.ts';
import { parseAgreement } from '../../shared/agreement.ts';
import type { Agreement, MemberRole } from '../../shared/agreement.ts';
import { InputError } from '../../shared/errors.ts';
import { fingerprintWords } from '../../shared/words.ts';
import { serveApi } from '../host/api/serve-api.ts';
import { runDealer } from '../host/run/dealer-run.ts';
import { applyHeapFlags } from '../host/run/heap-flags.ts';
import { openHost } from '../host/run/host.ts';
import type { Host } from '../host/run/host.ts';
import { runParty } from '../host/run/party-run.ts';
import { serveSupervisor } from '../host/run/serve-supervisor.ts';
import { parseInteger } from './arguments.ts';
import type { CommandContext, Outcome } from './command.ts';
import { hostOptions, readHostOptions } from './host-options.ts';

export const headlessOptions = {
  ...hostOptions,
  run: { type: 'string', value: 'FILE', description: 'Take part in the run of this agreement, then end.' },
  data: {
    type: 'string',
    value: 'FILE',
    multiple: true,
    description: 'Your data for the run; several stand side by side.',
  },
  test: { type: 'string', value: 'FILE', multiple: true, description: 'Your test file, where the job has one.' },
  threads: { type: 'string', value: 'N', description: 'Threads to compute with.', default: '1' },
  'interface-port': {
    type: 'string',
    value: 'PORT',
    description: 'Port of the browser interface; 0 picks one.',
    default: '0',
  },
  supervised: { type: 'boolean', description: 'Serve the process that started this one.' },
} as const;

const MAX_THREADS = 64;

export async function runHeadless(
  role: MemberRole,
  command: string,
  context: CommandContext<typeof headlessOptions>,
): Promise<Outcome> {
  const { options, signal, output } = context;
  const settings = readHostOptions(command, options);
  const threads = parseInteger('--threads', options.threads, { min: 1, max: MAX_THREADS });
  applyHeapFlags();
  if (options.supervised) {
    await serveSupervisor(role, settings, signal);
    return { json: {} };
  }
  const agreement = options.run === undefined ? undefined : await readAgreement(options.run);
  const host = await openHost(settings);
  try {
    const { fingerprint, name } = host.identity;
    output.line(`${name} listens at ${host.address}.`);
    output.line(`Key: ${fingerprintWords(fingerprint, 8).join(' ')} ... (${fingerprint.slice(0, 16)}...)`);
    for (const { name: peer, state } of host.links.statuses()) output.line(`Peer: ${peer}, ${state}`);
    if (agreement === undefined) return await holdLinks(host, context);
    readdress(host, agreement);
    const files = { data: options.data.map((file) => resolve(file)), test: options.test.map((file) => resolve(file)) };
    const onProgress = (progress: { phase: string; done?: number; total?: number }): void =>
      context.progress.report({ ...progress, unit: 'steps' });
    if (role === 'dealer') {
      const { attempt } = await runDealer({ host, agreement, threads, signal, onProgress });
      return { json: { attempt } };
    }
    const { summary, attempt } = await runParty({ host, agreement, files, threads, signal, onProgress });
    for (const file of summary.results) output.line(`Wrote ${file}`);
    return { json: { attempt, ...summary } };
  } finally {
    await host.close();
  }
}

/** Hosts move: paired members are dialled where the agreement says. It pairs nobody. */
function readdress({ links, store }: Host, { members }: Agreement): void {
  for (const { fingerprint, addresses } of Object.values(members)) {
    const peer = store.peers.get(fingerprint);
    if (peer !== undefined && peer.revokedAtMs === undefined && addresses.length > 0) {
      links.pin({ fingerprint, name: peer.name, addresses });
    }
  }
}

async function readAgreement(file: string): Promise<Agreement> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new InputError('agreement-unreadable', `The agreement ${file} is not there or is no JSON.`, {
      hint: 'Check the path.',
      cause,
    });
  }
  return parseAgreement(value, file, nodeCrypto.sha256);
}

async function holdLinks(
  host: Host,
  { options, signal, output }: CommandContext<typeof headlessOptions>,
): Promise<Outcome> {
  const port = parseInteger('--interface-port', options['interface-port'], { min: 0, max: 65_535 });
  const api = await serveApi(host, { port });
  output.line(`Interface, for this machine's browser only: ${api.url}`);
  output.line('Links are held until this is stopped (Ctrl-C).');
  const unwatch = host.links.watch(({ name, state, failure }) =>
    output.line(`${name}: ${state}${failure === undefined ? '' : ` (${failure.message})`}`),
  );
  await new Promise<void>((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
  unwatch();
  await api.close();
  return { json: { peers: host.links.statuses().map(({ name, state }) => ({ name, state })) } };
}
