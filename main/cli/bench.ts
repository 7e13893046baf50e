/** `tacit bench [NAME]`: the benchmarks, ratios first, each figure beside its goal. */
import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { isMet } from '../bench/benchmark.ts';
import type { Figure } from '../bench/benchmark.ts';
import { benchmarks, usualBenchmarks } from '../bench/registry.ts';
import { InputError } from '../../shared/errors.ts';
import { didYouMean } from '../../shared/nearest.ts';
import { bytesText, countText, durationText, percentText } from '../../shared/units.ts';
import { defineCommand } from './command.ts';

export const bench = defineCommand({
  name: 'bench',
  summary: 'Measure this machine, beside the goals.',
  usage:
    `Benchmarks: ${Object.keys(benchmarks).join(', ')}.\n` +
    `By default ${usualBenchmarks.join(', ')}; the others take a graphics card, minutes or gigabytes.\n` +
    'What is compared runs in turn, so ratios hold on a busy machine too; other times are those of an idle one. Figures\n' +
    'marked "exact" come from the plan and are the same everywhere. See docs/benchmarks.md.',
  arguments: [{ name: 'NAME', description: 'one benchmark', optional: true }],
  options: {},
  async run({ arguments: [wanted], output, progress, signal }) {
    const chosen = wanted === undefined ? usualBenchmarks : [known(wanted)];
    const machine = describeMachine();
    output.line(
      `${machine.cores} cores (${machine.processor}), ${bytesText(machine.memoryBytes)}, Node ${machine.node}, ${machine.system}`,
    );
    const results: { name: string; summary: string; figures: (Figure & { met: boolean })[] }[] = [];
    for (const name of chosen) {
      const benchmark = await benchmarks[name]?.();
      if (benchmark === undefined) continue;
      const report = (phase: string): void => progress.report({ phase: `${name}: ${phase}` });
      const figures = await benchmark.run({ signal, report });
      progress.clear();
      results.push({
        name,
        summary: benchmark.summary,
        figures: figures.map((figure) => ({ ...figure, met: isMet(figure) })),
      });
      output.line();
      output.line(`${name}: ${benchmark.summary}`);
      output.table(
        [
          { heading: 'figure', align: 'left' },
          { heading: 'measured', align: 'right' },
          { heading: 'goal', align: 'right' },
          { heading: 'measured / goal', align: 'right' },
          { heading: '', align: 'left' },
        ],
        figures.map((figure) => [
          figure.name,
          valueText(figure.value, figure.unit),
          figure.goal === undefined ? '' : `${figure.goal.sense} ${valueText(figure.goal.value, figure.unit)}`,
          figure.goal === undefined || figure.goal.value <= 0 ? '' : (figure.value / figure.goal.value).toFixed(2),
          [isMet(figure) ? '' : 'missed', figure.exact === true ? 'exact' : '']
            .filter((word) => word !== '')
            .join(', '),
        ]),
      );
    }
    return { json: { machine, benchmarks: results } };
  },
});

function known(name: string): string {
  const names = Object.keys(benchmarks);
  if (names.includes(name)) return name;
  throw new InputError(
    'unknown-benchmark',
    `There is no benchmark ${JSON.stringify(name)}${didYouMean(name, names) || '.'}`,
    {
      hint: `There are: ${names.join(', ')}.`,
    },
  );
}

function describeMachine(): { cores: number; processor: string; memoryBytes: number; node: string; system: string } {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    memoryBytes: totalmem(),
    node: process.versions.node,
    system: `${platform()} ${arch()}`,
  };
}

/** A figure in its unit, three digits. */
export function valueText(value: number, unit: string): string {
  switch (unit) {
    case 'bytes':
      return value < 1000 ? `${three(value)} B` : bytesText(value);
    case 'bytes/s':
      return `${bytesText(value)}/s`;
    case 'seconds':
      return durationText(value);
    case 'times':
      return `${three(value)} x`;
    case 'rounds':
      return countText(value);
    case 'of the test rows':
      return percentText(value);
    default:
      return value >= 1e9
        ? `${three(value / 1e9)} G ${unit}`
        : value >= 1e6
          ? `${three(value / 1e6)} M ${unit}`
          : `${three(value)} ${unit}`;
  }
}

const three = (value: number): string => new Intl.NumberFormat('en', { maximumSignificantDigits: 3 }).format(value);
