/** `tacit invite`: makes an invitation, waits for the one who comes with it, pins its key once both people confirm. */
import { writeFile } from 'node:fs/promises';
import { parseAddress } from '../../shared/address.ts';
import { MachineError } from '../../shared/errors.ts';
import { inviteFile, inviteLink, inviteText } from '../../shared/invite.ts';
import { openHost } from '../host/run/host.ts';
import { parseInteger } from './arguments.ts';
import { defineCommand } from './command.ts';
import { hostOptions, readHostOptions } from './host-options.ts';
import { confirmAtTerminal, reachableAt } from './pairing.ts';

const MINUTE_MS = 60_000;
const LONGEST_MINUTES = 7 * 24 * 60;

export const invite = defineCommand({
  name: 'invite',
  summary: 'Invite another organisation to become a peer.',
  usage:
    'Prints an invitation to send over a channel that both trust, and waits until somebody comes with it (tacit join).\n' +
    'Both people then compare words and confirm; from then on the two know each other by their keys.\n' +
    'An invitation is good for one try.\n\n' +
    '  tacit invite --folder clinic-a --name "Clinic A" --listen 0.0.0.0:7443 --address clinic-a.example:7443',
  arguments: [],
  options: {
    ...hostOptions,
    address: { type: 'string', value: 'ADDRESS', multiple: true, description: 'Where others reach this host.' },
    minutes: { type: 'string', value: 'N', description: 'How long it is good for.', default: '60' },
    out: { type: 'string', value: 'FILE', description: 'Also write the invitation to a .tacit-invite file.' },
  },
  async run({ options, signal, output }) {
    const settings = readHostOptions('invite', options);
    const minutes = parseInteger('--minutes', options.minutes, { min: 1, max: LONGEST_MINUTES });
    for (const address of options.address) parseAddress(address);
    const host = await openHost(settings);
    try {
      const open = host.links.inviter.invite({
        addresses: reachableAt(options.address, host.address),
        validForMs: minutes * MINUTE_MS,
        confirm: confirmAtTerminal(output),
      });
      output.line(inviteText(open.invite));
      if (options.out !== undefined) await writeInvitation(options.out, inviteFile(open.invite));
      signal.addEventListener('abort', () => open.cancel(), { once: true });
      try {
        const { name, fingerprint } = await open.paired;
        output.line(`Paired with ${name}.`);
        return { json: { paired: name, fingerprint, invitation: inviteLink(open.invite) } };
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      }
    } finally {
      await host.close();
    }
  },
});

async function writeInvitation(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { mode: 0o600 });
  } catch (cause) {
    throw new MachineError('invitation-not-written', `The invitation could not be written to ${file}.`, {
      hint: 'Choose another place; the printed link is the same invitation.',
      cause,
    });
  }
}
