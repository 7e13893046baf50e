/** Slow lines to parties in processes of their own (see slow-links.ts), as a test lays and mends them. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { programRoot } from '../../main/paths.ts';
import { PAUSE_MS } from './slow-links.ts';
import type { SlowParty } from './slow-party.ts';

export class SlowLines {
  readonly #parties: readonly SlowParty[];

  /** From which execution on what arrives at a party is slow, by the party's name; the folder takes files of their own. */
  constructor(folder: string, from: Readonly<Record<string, number>>, pauseMs = PAUSE_MS) {
    this.#parties = Object.entries(from).map(([name, first]) => {
      const [isSlow, noticed] = ['slow', 'noticed'].map((what) => join(folder, `line-${name}.${what}`)) as [
        string,
        string,
      ];
      return { name, from: first, pauseMs, isSlow, noticed };
    });
    for (const { isSlow, noticed } of this.#parties) for (const file of [isSlow, noticed]) writeFileSync(file, '');
  }

  /** For the processes concerned, or the one that starts them. */
  get environment(): Readonly<Record<string, string>> {
    const program = pathToFileURL(join(programRoot, 'test/helpers/slow-party.ts'));
    return { NODE_OPTIONS: `--import ${program.href}`, TACIT_TEST_SLOW: JSON.stringify(this.#parties) };
  }

  /** Resolves once a process of the party has come to what is slow, with its number: the first, or a later one where some were killed. */
  async slowed(name: string, process = 1): Promise<number> {
    const { noticed } = this.#party(name);
    const pids = (): string[] => readFileSync(noticed, 'utf8').split('\n').slice(0, -1);
    await expect.poll(() => pids().length).toBeGreaterThanOrEqual(process);
    return Number(pids()[process - 1]);
  }

  mend(name: string): void {
    rmSync(this.#party(name).isSlow);
  }

  #party(name: string): SlowParty {
    const party = this.#parties.find((one) => one.name === name);
    if (party === undefined) throw new RangeError(`no slow line to ${name}`);
    return party;
  }
}
