/** `tacit plan JOB`: what a job costs and who learns what, before anybody runs it. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { kernelReportText } from '../../shared/kernel-choice.ts';
import type { Job } from '../../shared/job.ts';
import { largestSchemas } from '../../shared/resolve-job.ts';
import { localKernels } from '../host/gpu/local-kernels.ts';
import { compileJob } from '../host/jobs/compile.ts';
import type { CompiledJob } from '../host/jobs/tasks/task.ts';
import { openJobFile } from '../host/jobs/open-job.ts';
import { measureLoopback } from '../host/loopback/measure.ts';
import { distinctAssumptions } from '../host/results/assumptions.ts';
import { disclosures } from '../host/results/disclosures.ts';
import { previewJoin } from '../host/results/join-cost.ts';
import type { JoinCostPreview } from '../host/results/join-cost.ts';
import { jobCost, layerName } from '../host/results/job-cost.ts';
import type { JobCost } from '../host/results/job-cost.ts';
import { oneMachineSeconds, predictTime, rehearse } from '../host/results/rehearsal.ts';
import type { PredictedTime } from '../host/results/rehearsal.ts';
import { parseNumber } from './arguments.ts';
import { defineCommand } from './command.ts';
import { localKernelsOption, parseKernels } from './host-options.ts';
import { bytesText, countText, durationText } from './output.ts';
import type { Column, Output } from './output.ts';

const left = (heading: string): Column => ({ heading, align: 'left' });
const right = (heading: string): Column => ({ heading, align: 'right' });

export const plan = defineCommand({
  name: 'plan',
  summary: 'Show what a job costs and what each party learns, before it runs.',
  usage:
    'Bytes and rounds are exact. Times are measured by rehearsing the job on zeros on this machine, one party alone, with ' +
    'latency and bandwidth added as given; every party and the dealer are taken to have a machine of their own like this one.',
  arguments: [{ name: 'JOB', description: 'the job file, YAML or JSON' }],
  options: {
    'latency-ms': {
      type: 'string',
      value: 'MS',
      description: 'One-way delay between two parties; measured on the loopback interface by default.',
    },
    bandwidth: {
      type: 'string',
      value: 'MB/S',
      description: 'Megabytes a second between two parties, each direction; measured likewise by default.',
    },
    ...localKernelsOption,
  },
  async run({ arguments: [path = ''], options, output, progress, signal }) {
    const given = (name: 'latency-ms' | 'bandwidth', range: { min: number; max: number }): number | undefined => {
      const text = options[name];
      return text === undefined ? undefined : parseNumber(`--${name}`, text, range);
    };
    const latencyMs = given('latency-ms', { min: 0, max: 60_000 });
    const megabytes = given('bandwidth', { min: 0.001, max: 1e6 });
    const preference = parseKernels(options.kernels);
    progress.report({ phase: 'reading the data' });
    const opened = await openJobFile(resolve(path), signal);
    progress.report({ phase: 'planning' });
    const compiled = compileJob(opened.job, largestSchemas(opened.job, opened.schemas), opened.model);
    const executions = [...compiled.script()];
    const cost = jobCost(compiled.plan, executions);
    const threads = availableParallelism();
    const computing = await localKernels({ preference, threads, plan: compiled.plan, executions });
    const rehearsed = await rehearse(compiled.plan, computing.next, signal, (program) =>
      progress.report({ phase: `rehearsing ${program}` }),
    ).finally(() => computing.close());
    const computedOn = computing.report();
    const joining = await previewJoin(opened.job, opened.schemas, threads);
    progress.report({ phase: 'measuring the loopback interface' });
    const loopback = latencyMs === undefined || megabytes === undefined ? await measureLoopback(signal) : undefined;
    const network = {
      latencyMs: latencyMs ?? loopback?.roundMs ?? 0,
      bytesPerSecond: megabytes === undefined ? (loopback?.bytesPerSecond ?? Infinity) : 1e6 * megabytes,
    };
    const time = predictTime(cost, rehearsed, network);
    progress.clear();
    const memory = memoryBytes(compiled);
    if (joining !== undefined) printJoin(output, opened.job, joining);
    print(output, compiled, cost, time, memory);
    output.line();
    output.line(`Own work as on the ${kernelReportText(computedOn)}`);
    return {
      json: {
        job: compiled.job.name,
        digest: compiled.plan.digest,
        parties: cost.parties.map((id, i) => ({
          id,
          predictedBytes: cost.training.bytesSent[i],
          predictedBytesReceived: cost.training.bytesReceived[i],
          predictedBytesOpened: cost.training.bytesOpened[i],
          predictedRounds: cost.training.rounds,
          multiplyAdds: cost.training.multiplyAdds[i],
          dealerBytes: (cost.training.dealerBytes[i] ?? 0) + (cost.evaluation.dealerBytes[i] ?? 0),
          evalBytes: cost.evaluation.bytesSent[i],
          evalRounds: cost.evaluation.rounds,
          memoryBytes: memory.parties[i],
        })),
        dealer: { id: compiled.job.dealer, memoryBytes: memory.dealer },
        programs: cost.programs,
        layers: cost.layers.map((layer) => ({ ...layer, ms: time.layerMs.get(`${layer.layer}\n${layer.phase}`) ?? 0 })),
        network,
        machine: { cores: threads, node: process.versions.node, kernels: computedOn },
        seconds: {
          offline: time.offlineSeconds,
          online: time.onlineSeconds,
          oneMachine: oneMachineSeconds(cost.parties.length, time, threads),
          local: time.localSeconds,
          transfer: time.transferSeconds,
          latency: time.latencySeconds,
        },
        ...(joining === undefined ? {} : { join: joining }),
        assumptions: distinctAssumptions(compiled.assumptions),
        learned: disclosures(compiled.job),
      },
    };
  },
});

function printJoin(output: Output, job: Job, { rows, participants, seconds }: JoinCostPreview): void {
  const most = (pick: 'leastBytes' | 'mostBytes'): number => Math.max(...participants.map((each) => each[pick]));
  const [low, high] = [most('leastBytes'), most('mostBytes')];
  const bytes = low === high ? bytesText(high) : `${bytesText(low)} to ${bytesText(high)}`;
  const table =
    rows === undefined
      ? 'identifiers of the parties are compared first'
      : rows.least === rows.most
        ? `rows are joined first, into a table of ${countText(rows.most)} slots`
        : `rows are joined first, ${countText(rows.least)} to ${countText(rows.most)} of them; what follows is the cost of the most`;
  output.line(`Join by ${job.join.how}: ${table}.`);
  output.line(`It sends at most ${bytes} from each participant and takes about ${durationText(seconds)} of own work.`);
}

/** Peak of the memory that values take; the program itself comes on top. */
function memoryBytes({ plan: { parties, programs } }: CompiledJob): { parties: number[]; dealer: number } {
  const all = [...programs.values()];
  return {
    parties: parties.map((_, i) => Math.max(...all.map((program) => program.parties[i]?.memoryBytes ?? 0))),
    dealer: Math.max(...all.map((program) => program.dealer.memoryBytes)),
  };
}

function print(
  output: Output,
  compiled: CompiledJob,
  cost: JobCost,
  time: PredictedTime,
  memory: ReturnType<typeof memoryBytes>,
): void {
  const { job, about, plan: joint } = compiled;
  const assumptions = distinctAssumptions(compiled.assumptions);
  output.line(
    `${job.name}: ${job.task}, ${about.map(([name, value]) => `${name} ${value}`).join(', ')}, ` +
      `${cost.parties.length} compute parties, dealer ${job.dealer}`,
  );
  output.line(`plan ${joint.digest}`);
  output.line();
  output.table(
    [
      left('layer'),
      left('phase'),
      right('sent'),
      right('opened'),
      right('rounds'),
      right('multiply-adds'),
      right('from dealer'),
      right('compute'),
    ],
    cost.layers.map((layer) => [
      layerName(layer.layer),
      layer.phase,
      bytesText(layer.bytesSent),
      bytesText(layer.bytesOpened),
      countText(layer.rounds),
      countText(layer.multiplyAdds),
      bytesText(layer.dealerBytes),
      durationText((time.layerMs.get(`${layer.layer}\n${layer.phase}`) ?? 0) / 1000),
    ]),
  );
  output.line('Layers share rounds, so theirs add up to more than the job has.');
  output.line();
  output.table(
    [left('program'), right('executions'), right('rounds'), right('sent by each party'), right('from dealer, in all')],
    cost.programs.map((program) => [
      program.program,
      countText(program.executions),
      countText(program.rounds),
      bytesText(Math.max(...program.bytesSent)),
      bytesText(program.dealerBytes.reduce((sum, bytes) => sum + bytes, 0)),
    ]),
  );
  output.line();
  output.table(
    [
      left('party'),
      right('sends'),
      right('receives'),
      right('rounds'),
      right('from dealer'),
      right('evaluation'),
      right('memory'),
    ],
    [
      ...cost.parties.map((party, i) => [
        party,
        bytesText(cost.training.bytesSent[i] ?? 0),
        bytesText(cost.training.bytesReceived[i] ?? 0),
        countText(cost.training.rounds),
        bytesText((cost.training.dealerBytes[i] ?? 0) + (cost.evaluation.dealerBytes[i] ?? 0)),
        `${bytesText(cost.evaluation.bytesSent[i] ?? 0)}, ${countText(cost.evaluation.rounds)} rounds`,
        bytesText(memory.parties[i] ?? 0),
      ]),
      [`${job.dealer} (dealer)`, '', '', '', '', '', bytesText(memory.dealer)],
    ],
  );
  output.line();
  output.line(
    `About ${durationText(time.onlineSeconds)} online: own work ${durationText(time.localSeconds)}, ` +
      `transfer ${durationText(time.transferSeconds)}, latency ${durationText(time.latencySeconds)}. ` +
      `The dealer works ${durationText(time.offlineSeconds)}, meanwhile or beforehand. ` +
      `With everybody on this machine about ${durationText(oneMachineSeconds(cost.parties.length, time, availableParallelism()))}.`,
  );
  output.line();
  for (const { party, role, learns } of disclosures(job)) {
    output.line(`${party} (${role}) learns`);
    for (const fact of learns) output.line(`  - ${fact}`);
  }
  output.line();
  output.line(
    assumptions.length === 0 ? 'No bound is assumed: all are proved.' : 'Bounds that are assumed, not proved:',
  );
  for (const { layer, operation, proved, assumed } of assumptions) {
    output.line(
      `  - ${layer}, ${operation}: below 2^${Math.ceil(assumed)} ring units (proved: 2^${Math.ceil(proved)})`,
    );
  }
}
