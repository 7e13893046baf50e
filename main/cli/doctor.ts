/**
 * `tacit doctor`: what this machine offers, and what was chosen of it and why. Each part is looked at on its own; one that
 * is missing, fails or crashes becomes a row of the report.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { entryFile, samplesFolder } from '../paths.ts';
import { defineCommand } from './command.ts';
import type { ProbeName, ProbeResult } from './doctor-probe.ts';
import { bytesText } from './output.ts';

/** `absent` parts are optional and not here; a `broken` one keeps the program from working. */
export type PartState = 'ok' | 'absent' | 'broken';

export interface Finding {
  readonly part: string;
  readonly state: PartState;
  readonly found: string;
  /** What is used and why, or what to do. */
  readonly chosen: string;
}

const PROBE_LIMIT_MS = 20_000;
/** better-sqlite3 needs Node-API 10. */
const OLDEST_NODE = [22, 14] as const;

/** Runs one probe in its own process, under the runtime that runs this one; never rejects but on `signal`. */
export async function probe(
  name: ProbeName,
  signal: AbortSignal,
  entry: string = entryFile('doctor-probe'),
): Promise<ProbeResult> {
  const child = spawn(process.execPath, [entry, name], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PROBE_LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const stop = (): boolean => child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const ending = await new Promise<string>((resolve) => {
    child.on('error', (error) => resolve(`could not be started (${error.message})`));
    child.on('close', (code, killed) =>
      resolve(killed === null ? `ended with code ${code}` : `was ended by ${killed}`),
    );
  });
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  try {
    return JSON.parse(printed.trim().split('\n').at(-1) ?? '') as ProbeResult;
  } catch {
    return { works: false, found: `the trial ${ending}` };
  }
}

/** Whether `version` (of Node, such as 24.21.0) runs this program. */
export function runtimeFinding(version: string, where: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const recent = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  return {
    part: 'runtime',
    state: recent ? 'ok' : 'broken',
    found: `Node ${version}, ${where}`,
    chosen: recent
      ? 'as started'
      : `too old: start it with npm run tacit, or with Node ${OLDEST_NODE.join('.')} or newer`,
  };
}

function requiredFinding(part: string, result: ProbeResult, purpose: string, repair: string): Finding {
  return {
    part,
    state: result.works ? 'ok' : 'broken',
    found: result.found,
    chosen: result.works ? purpose : repair,
  };
}

function packageInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(`${name}/package.json`);
    return true;
  } catch {
    return false;
  }
}

function plaintextFinding(): Finding {
  const name = '@tensorflow/tfjs-node-gpu';
  const part = 'plaintext GPU';
  if (packageInstalled(name))
    return { part, state: 'ok', found: name, chosen: 'not used yet: the baseline runs on the CPU' };
  return { part, state: 'absent', found: `${name} is not installed`, chosen: 'the baseline runs on the CPU' };
}

/** Looks at everything. */
export async function examine(signal: AbortSignal): Promise<Finding[]> {
  const [kernels, store, tables, gpu] = await Promise.all([
    probe('kernels', signal),
    probe('store', signal),
    probe('tables', signal),
    packageInstalled('webgpu') ? probe('gpu', signal) : { works: false, found: 'the package webgpu is not installed' },
  ]);
  const cores = availableParallelism();
  const samples = existsSync(samplesFolder);
  return [
    runtimeFinding(process.versions.node, `${process.platform} ${process.arch}`),
    {
      part: 'cores',
      state: 'ok',
      found: `${cores}${cpus()[0] === undefined ? '' : `, ${cpus()[0]?.model.trim()}`}`,
      chosen: `${cores === 1 ? 'one thread' : `up to ${cores} threads`}: what the system lets this process use`,
    },
    {
      part: 'memory',
      state: 'ok',
      found: `${bytesText(totalmem())}, ${bytesText(freemem())} free`,
      chosen: 'a run states what it needs before it starts',
    },
    requiredFinding('kernels', kernels, 'compute on shares', 'build them with: npm run prepare'),
    requiredFinding('store', store, 'keeps identity, sessions and correlations', 'install again with: npm ci'),
    requiredFinding('data files', tables, 'reads CSV, TSV, JSON and Parquet', 'install again with: npm ci'),
    {
      part: 'samples',
      state: samples ? 'ok' : 'absent',
      found: samples ? samplesFolder : 'not found',
      chosen: samples ? 'data of the demos' : 'the demos cannot run',
    },
    {
      part: 'GPU',
      state: gpu.works ? 'ok' : 'absent',
      found: gpu.found,
      chosen: gpu.works ? 'not used yet: this version computes on the CPU' : 'the CPU computes',
    },
    plaintextFinding(),
  ];
}

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'Show what this machine offers and what was chosen of it.',
  usage: 'Exits with 1 if a part that the program needs is broken.',
  arguments: [],
  options: {},
  async run({ signal, output }) {
    const findings = await examine(signal);
    output.table(
      [
        { heading: 'part', align: 'left' },
        { heading: 'state', align: 'left' },
        { heading: 'found', align: 'left' },
        { heading: 'chosen, and why', align: 'left' },
      ],
      findings.map((finding) => [finding.part, finding.state, finding.found, finding.chosen]),
    );
    const broken = findings.filter((finding) => finding.state === 'broken').map((finding) => finding.part);
    return {
      json: { healthy: broken.length === 0, findings },
      ...(broken.length === 0 ? {} : { failure: `tacit doctor: broken: ${broken.join(', ')}.` }),
    };
  },
});
