/** The rectifier on shares: bytes and rounds by parties and bound, and what fusing it with the truncation saves. */
import type { Tensor } from '../../engine/tensor/tensor.ts';
import { alternately, median } from './benchmark.ts';
import type { Benchmark, Figure } from './benchmark.ts';
import { gadgetRun } from './gadget-run.ts';

const ELEMENTS = 2 ** 16;

const fused = (product: Tensor): Tensor => product.rescaled(16).relu();
/** A truncation whose result is opened anew for the comparison. */
const separate = (product: Tensor): Tensor => product.rescaled(16).addNumber(0).relu();

export const relu: Benchmark = {
  name: 'relu',
  summary: `rectifier with truncation, ${ELEMENTS.toLocaleString('en')} elements`,
  async run({ signal, report }) {
    report('fused and separate');
    const [one, two] = [
      await gadgetRun(fused, { parties: 2, elements: ELEMENTS, bound: 46 }),
      await gadgetRun(separate, { parties: 2, elements: ELEMENTS, bound: 46 }),
    ];
    const opened = ({ cost }: typeof one): number => cost.bytesOpened[0] ?? 0;
    const figures: Figure[] = [];
    try {
      const { ratio } = await alternately(one.execute, two.execute, 7, signal);
      figures.push(
        { name: 'separate / fused, time', value: ratio, unit: 'times' },
        { name: 'separate / fused, bytes opened', value: opened(two) / opened(one), unit: 'times', exact: true },
        { name: 'separate / fused, rounds', value: two.cost.rounds / one.cost.rounds, unit: 'times', exact: true },
      );
    } finally {
      await one.close();
      await two.close();
    }
    for (const [bound, bytes] of [
      [46, 9.2],
      [54, 12.5],
    ] as const) {
      for (const parties of [2, 3, 5]) {
        report(`${parties} parties, k = ${bound}`);
        const run = await gadgetRun(fused, { parties, elements: ELEMENTS, bound });
        const name = `n = ${parties}, k = ${bound}: `;
        try {
          figures.push(
            {
              name: `${name}opened per element and party`,
              value: (run.cost.bytesOpened[0] ?? 0) / ELEMENTS,
              unit: 'bytes',
              goal: { sense: 'at most', value: bytes },
              exact: true,
            },
            {
              name: `${name}rounds`,
              value: run.cost.rounds,
              unit: 'rounds',
              goal: { sense: 'at most', value: 4 },
              exact: true,
            },
            {
              name: `${name}dealt per element, to all`,
              value: run.cost.dealerBytes.reduce((sum, dealt) => sum + dealt, 0) / ELEMENTS,
              unit: 'bytes',
              exact: true,
            },
          );
          const seconds: number[] = [];
          for (let turn = 0; turn < 4; turn++) {
            signal.throwIfAborted();
            const from = performance.now();
            await run.execute();
            if (turn > 0) seconds.push((performance.now() - from) / 1000);
          }
          figures.push({
            name: `${name}all parties and dealer in turn`,
            value: ELEMENTS / median(seconds),
            unit: 'elements/s',
          });
        } finally {
          await run.close();
        }
      }
    }
    return figures;
  },
};
