import { writeFileSync } from 'node:fs';
import { sequential } from '../../../main/notebook/sequential.ts';

// Two organisations hold one column each of the same 120 rows; the second one knows the class.
const noise = (i: number): number => Math.sin(i * 12.9898) - Math.cos(i * 78.233);
const rows = Array.from({ length: 120 }, (_, i) => [noise(i), noise(i + 1000)]);
const values = rows.map(([a = 0, b = 0]) => Number(a + b > 0));
const x = ['clinic', 'lab'].map((owner, column) => ({ owner, rows: rows.map((row) => [row[column] ?? 0]) }));

const model = sequential(
  [{ kind: 'dense', units: 8 }, { kind: 'relu' }, { kind: 'dense', units: 1 }, { kind: 'sigmoid' }],
  { inputShape: [2] },
).compile({ optimizer: { name: 'adam', lr: 0.05 } });

const { history, bytesSent, rounds } = await model.fit(
  x,
  { owner: 'lab', values },
  {
    epochs: 6,
    batchSize: 24,
    validationSplit: 0.2,
    seed: 1,
  },
);
console.log(history.at(-1), bytesSent, rounds);

// Somebody else's rows, answered by the model without showing either to the other side.
const few = { owner: 'clinic', rows: rows.slice(0, 3) };
console.log(await model.predict(few), await model.evaluate(few, values.slice(0, 3)));
writeFileSync(process.argv[2] ?? 'model.onnx', model.toOnnx());
