/**
 * What parties did to their own columns before they shared them, told at the end to those who receive something that is to be
 * read or used in the columns' own units. Knows nothing of what they receive.
 */
import { z } from 'zod';
import { PeerError } from '../../../shared/errors.ts';
import type { InputStandardisation } from '../../../shared/model.ts';
import { standardisation } from '../../../shared/resolve-job.ts';
import type { SchemasByParty } from '../../../shared/resolve-job.ts';
import { inputParties, publicStandardisation } from '../jobs/tasks/table.ts';
import type { CompiledJob } from '../jobs/tasks/task.ts';
import type { ControlChannel } from './control.ts';

const schema = z.strictObject({ subtract: z.array(z.number()), multiply: z.array(z.number()) });

export interface Telling {
  readonly compiled: CompiledJob;
  readonly schemas: SchemasByParty;
  readonly self: string;
  /** Of this party's columns; undefined where it brings none. */
  readonly own: InputStandardisation | undefined;
  readonly control: ControlChannel;
  /** Of the message in the attempt: after all executions. */
  readonly position: number;
}

/** Of all `inputParties`, in order; where this party is not told, of none but what is public anyway. */
export async function toldStandardisations(telling: Telling): Promise<InputStandardisation[]> {
  const { compiled, schemas, self, own, control, position } = telling;
  const { job, scaleReceivers } = compiled;
  const contributors = inputParties(job, schemas);
  if (standardisation(job) !== 'locally')
    return contributors.map((party) => publicStandardisation(job, party, schemas));
  if (own !== undefined && contributors.includes(self)) {
    const body = { subtract: [...own.subtract], multiply: [...own.multiply] };
    for (const receiver of scaleReceivers) {
      if (receiver !== self) await control.send(receiver, 'standardisation', position, body);
    }
  }
  if (!scaleReceivers.includes(self)) return [];
  const all: InputStandardisation[] = [];
  for (const party of contributors) {
    all.push(party === self && own !== undefined ? own : await receiveFrom(telling, party));
  }
  return all;
}

async function receiveFrom(
  { compiled, schemas, control, position }: Telling,
  party: string,
): Promise<InputStandardisation> {
  const width = publicStandardisation(compiled.job, party, schemas).multiply.length;
  const theirs = await control.receive(party, 'standardisation', position, schema);
  if (theirs.subtract.length !== width || theirs.multiply.length !== width) {
    throw new PeerError('control-malformed', party, `${party} sent a standardisation for another number of columns.`, {
      hint: 'Use the same version of Tacit at all parties.',
    });
  }
  return { subtract: Float64Array.from(theirs.subtract), multiply: Float64Array.from(theirs.multiply) };
}
