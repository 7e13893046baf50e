/**
 * `tacit doctor`: what this machine offers, and what was chosen of it and why. Each part is looked at on its own; one that
 * is missing, fails or crashes becomes a row of the report.
 */
import { existsSync } from 'node:fs';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { partProbeText } from '../../shared/kernel-choice.ts';
import type { PartProbe } from '../../shared/kernel-choice.ts';
import { probe } from '../host/probe/probe.ts';
import { samplesFolder } from '../paths.ts';
import { defineCommand } from './command.ts';
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

/** better-sqlite3 needs Node-API 10. */
const OLDEST_NODE = [22, 14] as const;

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

function requiredFinding(part: string, result: PartProbe, purpose: string, repair: string): Finding {
  return {
    part,
    state: result.works ? 'ok' : 'broken',
    found: partProbeText(result),
    chosen: result.works ? purpose : repair,
  };
}

/** Looks at everything. */
async function examine(signal: AbortSignal): Promise<Finding[]> {
  const [kernels, store, tables, gpu, plaintext] = await Promise.all([
    probe('kernels', signal),
    probe('store', signal),
    probe('tables', signal),
    probe('gpu', signal),
    probe('plaintext', signal),
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
      found: partProbeText(gpu),
      chosen: gpu.chosen ?? 'the CPU computes',
    },
    {
      part: 'plaintext baseline',
      state: plaintext.works ? 'ok' : 'absent',
      found: plaintext.found,
      chosen: plaintext.works ? 'the baseline trains on it' : 'the baseline trains on the CPU',
    },
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
