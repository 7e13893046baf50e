/** `tacit join`: opens an invitation and pins the inviting organisation's key once both people confirm. */
import { readFile } from 'node:fs/promises';
import { parseAddress } from '../../shared/address.ts';
import { InputError } from '../../shared/errors.ts';
import { parseInvite } from '../../shared/invite.ts';
import { joinByInvite } from '../host/peers/join.ts';
import { openHost } from '../host/run/host.ts';
import { defineCommand } from './command.ts';
import { hostOptions, readHostOptions } from './host-options.ts';
import { confirmAtTerminal, reachableAt } from './pairing.ts';

export const join = defineCommand({
  name: 'join',
  summary: 'Open an invitation of another organisation.',
  usage:
    'INVITATION is the link, or a file with the link, the text or the .tacit-invite content. Both people compare words\n' +
    'and confirm; from then on the two know each other by their keys.\n\n' +
    '  tacit join --folder clinic-b --name "Clinic B" --listen 0.0.0.0:7443 --address clinic-b.example:7443 FILE',
  arguments: [{ name: 'INVITATION', description: 'The link, or a file that holds it.' }],
  options: {
    ...hostOptions,
    address: { type: 'string', value: 'ADDRESS', multiple: true, description: 'Where others reach this host.' },
    'dial-only': { type: 'boolean', description: 'Nobody can reach this host: it dials.' },
  },
  async run({ arguments: [given], options, signal, output }) {
    const settings = readHostOptions('join', options);
    const invite = parseInvite(await textOf(given ?? ''));
    for (const address of options.address) parseAddress(address);
    const host = await openHost(settings);
    try {
      const { name, fingerprint } = await joinByInvite(invite, {
        identity: host.identity,
        addresses: options['dial-only'] ? [] : reachableAt(options.address, host.address),
        confirm: confirmAtTerminal(output),
        pin: (peer) => host.links.pin(peer),
        signal,
      });
      output.line(`Paired with ${name}.`);
      return { json: { paired: name, fingerprint } };
    } finally {
      await host.close();
    }
  },
});

async function textOf(given: string): Promise<string> {
  if (given.startsWith('tacit:')) return given;
  try {
    return await readFile(given, 'utf8');
  } catch (cause) {
    throw new InputError('invitation-unreadable', `${given} is neither an invitation link nor a readable file.`, {
      hint: 'Give the link, which begins with tacit://join/, or the file that you got.',
      cause,
    });
  }
}
