/** Options that all commands share which open a party's host, and how they are read. Knows no particular command. */
import { resolve } from 'node:path';
import { parseAddress } from '../../shared/address.ts';
import type { Address } from '../../shared/address.ts';
import { InputError } from '../../shared/errors.ts';
import { displayNameSchema } from '../../shared/ids.ts';
import type { HostOptions } from '../host/run/host.ts';
import { kernelPreferences } from '../../shared/kernel-choice.ts';
import type { KernelPreference } from '../../shared/kernel-choice.ts';
import { parseChoice } from './arguments.ts';

export const hostOptions = {
  folder: { type: 'string', value: 'DIR', description: "The party's data folder; made where it is missing." },
  name: { type: 'string', value: 'NAME', description: 'What a new identity is called; "party" by default.' },
  listen: {
    type: 'string',
    value: 'ADDRESS',
    description: 'Where to listen for peers; port 0, as in the default 127.0.0.1:0, takes a free one and keeps to it.',
  },
} as const;

/** What local work runs on; of every command that trains. */
export const kernelsOption = {
  kernels: {
    type: 'string',
    value: 'KERNELS',
    description: `What to compute with: ${kernelPreferences.join(', ')}. auto takes the graphics card where it is quicker.`,
    default: 'auto',
  },
} as const;

/** Of commands that compute in this process: they look for the card, and try it, every time. */
export const localKernelsOption = {
  kernels: {
    ...kernelsOption.kernels,
    description: `${kernelsOption.kernels.description} A card is measured anew each time.`,
    default: 'wasm',
  },
} as const;

/** @throws InputError `bad-choice`. */
export function parseKernels(text: string): KernelPreference {
  return parseChoice('--kernels', text, kernelPreferences);
}

/** @throws InputError `option-missing`, `bad-name`, `address-invalid`. */
export function readHostOptions(
  command: string,
  values: {
    readonly folder: string | undefined;
    readonly name: string | undefined;
    readonly listen: string | undefined;
  },
): HostOptions {
  if (values.folder === undefined) {
    throw new InputError('option-missing', `tacit ${command}: --folder DIR is missing.`, {
      hint: 'Every party keeps its identity and its work in a data folder of its own.',
    });
  }
  const name = displayNameSchema.safeParse(values.name ?? 'party');
  if (!name.success) {
    throw new InputError('bad-name', `tacit ${command}: --name: ${name.error.issues[0]?.message ?? 'is not a name.'}`, {
      hint: 'Choose another name.',
    });
  }
  return { folder: resolve(values.folder), name: name.data, listen: parseListen(values.listen ?? '127.0.0.1:0') };
}

function parseListen(text: string): Address {
  if (!text.endsWith(':0')) return parseAddress(text);
  return { ...parseAddress(`${text.slice(0, -1)}1`), port: 0 };
}
