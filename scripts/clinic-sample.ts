/** Makes assets/samples/wdbc-clinic-{a,b}.csv from wdbc.csv: `node scripts/clinic-sample.ts`. */
import { join } from 'node:path';
import { writeClinics } from '../main/host/datasets/clinic-sample.ts';
import { openDataset } from '../main/host/datasets/dataset.ts';
import { samplesFolder } from '../main/paths.ts';

const sample = await openDataset([join(samplesFolder, 'wdbc.csv')]);
await writeClinics(
  sample,
  ['a', 'b'].map((clinic) => join(samplesFolder, `wdbc-clinic-${clinic}.csv`)),
);
