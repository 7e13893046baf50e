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
import { kernelReportText } from '../../shared/kernel-choice.ts';
import type { RunProgress } from '../../shared/progress.ts';
import { fingerprintWords } from '../../shared/words.ts';
import { HostSlot } from '../host/api/host-slot.ts';
import { serveApi } from '../host/api/serve-api.ts';
import { runDealer } from '../host/run/dealer-run.ts';
import { applyHeapFlags } from '../host/run/heap-flags.ts';
import { openHost } from '../host/run/host.ts';
import type { Host } from '../host/run/host.ts';
import { runParty } from '../host/run/party-run.ts';
import { spawningProcess } from '../host/run/party-starter.ts';
import { serveSupervisor } from '../host/run/serve-supervisor.ts';
import { parseInteger } from './arguments.ts';
import type { CommandContext, Outcome } from './command.ts';
import { hostOptions, kernelsOption, parseKernels, readHostOptions } from './host-options.ts';
import type { Output } from './output.ts';

export const dealerOptions = {
  ...hostOptions,
  ...kernelsOption,
  run: { type: 'string', value: 'FILE', description: 'Take part in the run of this agreement, then end.' },
  threads: { type: 'string', value: 'N', description: 'Threads to compute with.', default: '1' },
  'interface-port': {
    type: 'string',
    value: 'PORT',
    description: 'Port of the browser interface; 0 picks one.',
    default: '0',
  },
  supervised: { type: 'boolean', description: 'Serve the process that started this one.' },
} as const;

export const partyOptions = {
  ...dealerOptions,
  data: {
    type: 'string',
    value: 'FILE',
    multiple: true,
    description: 'Your data for the run; several stand side by side.',
  },
  test: { type: 'string', value: 'FILE', multiple: true, description: 'Your test file, where the job has one.' },
  model: { type: 'string', value: 'FILE', description: 'Your model, where the job names one of yours.' },
} as const;

const MAX_THREADS = 64;

export async function runHeadless(
  role: MemberRole,
  command: string,
  context: CommandContext<typeof partyOptions>,
): Promise<Outcome> {
  const { options, signal, output } = context;
  const settings = readHostOptions(command, options);
  const threads = parseInteger('--threads', options.threads, { min: 1, max: MAX_THREADS });
  const kernels = parseKernels(options.kernels);
  applyHeapFlags();
  if (options.supervised) {
    const supervisor = spawningProcess();
    if (supervisor === undefined) {
      throw new InputError('not-supervised', 'There is no supervisor to serve.', { hint: 'Leave --supervised out.' });
    }
    await serveSupervisor(role, settings, supervisor, signal);
    return { json: {} };
  }
  if (options.run === undefined) {
    // Without a name, a person gives one in the interface at the first start.
    const slot =
      options.name === undefined
        ? await HostSlot.forFolder(settings.folder, options.listen === undefined ? undefined : settings.listen)
        : HostSlot.of(await openHost(settings));
    try {
      return await holdLinks(slot, context);
    } finally {
      await slot.host?.close();
    }
  }
  const agreement = await readAgreement(options.run);
  const host = await openHost(settings);
  try {
    introduce(host, output);
    readdress(host, agreement);
    const model = options.model === undefined ? undefined : resolve(options.model);
    const files = {
      data: options.data.map((file) => resolve(file)),
      test: options.test.map((file) => resolve(file)),
      model,
    };
    const onProgress = (progress: RunProgress): void =>
      context.progress.report({ ...progress, unit: progress.unit ?? 'steps' });
    if (role === 'dealer') {
      const { attempt } = await runDealer({ host, agreement, threads, kernels, signal, onProgress });
      return { json: { attempt } };
    }
    const { summary, attempt } = await runParty({ host, agreement, files, threads, kernels, signal, onProgress });
    output.line(`Computed on the ${kernelReportText(summary.kernels)}`);
    for (const file of summary.results) output.line(`Wrote ${file}`);
    return { json: { attempt, ...summary } };
  } finally {
    await host.close();
  }
}

function introduce({ identity: { fingerprint, name }, address, links }: Host, output: Output): void {
  output.line(`${name} listens at ${address}.`);
  output.line(`Key: ${fingerprintWords(fingerprint, 8).join(' ')} ... (${fingerprint.slice(0, 16)}...)`);
  for (const { name: peer, state } of links.statuses()) output.line(`Peer: ${peer}, ${state}`);
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
  slot: HostSlot,
  { options, signal, output }: CommandContext<typeof partyOptions>,
): Promise<Outcome> {
  const port = parseInteger('--interface-port', options['interface-port'], { min: 0, max: 65_535 });
  const api = await serveApi(slot, { port });
  output.line(`Interface, for this machine's browser only: ${api.url}`);
  let unwatch = (): void => undefined;
  const watch = (host: Host): void => {
    introduce(host, output);
    const said = new Map<string, string>();
    unwatch = host.links.watch(({ fingerprint, name, state, failure }) => {
      const line = `${name}: ${state}${failure === undefined ? '' : ` (${failure.message})`}`;
      // Dialling goes on for as long as a peer is away, with the same outcome each time.
      if (said.get(fingerprint) !== line) output.line(line);
      said.set(fingerprint, line);
    });
  };
  if (slot.host === undefined) {
    output.line('This folder has no identity yet: open the interface and say what your organisation is called.');
    slot.opened.then(watch, () => undefined);
  } else watch(slot.host);
  output.line('Links are held until this is stopped (Ctrl-C).');
  await new Promise<void>((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
  unwatch();
  await api.close();
  const peers = slot.host?.links.statuses() ?? [];
  return { json: { peers: peers.map(({ name, state }) => ({ name, state })) } };
}
