/** How a person at a terminal confirms a pairing: both people compare words, then say yes. Knows nothing of invitations. */
import { createInterface } from 'node:readline/promises';
import { InputError } from '../../shared/errors.ts';
import { fingerprintWords } from '../../shared/words.ts';
import type { ConfirmPairing } from '../host/peers/invitation-messages.ts';
import type { Output } from './output.ts';

/** Asks on standard input; anything but yes declines, and so does the end of input. */
export function confirmAtTerminal(output: Output): ConfirmPairing {
  return async ({ name, fingerprint, addresses, words }, signal) => {
    output.line(`${name} has come with the invitation.`);
    output.line(`  words:     ${words.join(' ')}`);
    output.line(`  key:       ${fingerprintWords(fingerprint, 8).join(' ')} ... (${fingerprint.slice(0, 16)}...)`);
    output.line(`  addresses: ${addresses.join(', ') || 'none: it dials'}`);
    output.line(
      `Ask ${name}, over a channel that you trust, for the words it sees. Are they the same? Type yes or no:`,
    );
    const reader = createInterface({ input: process.stdin });
    try {
      return /^y(es)?$/iu.test((await nextLine(reader, signal)).trim());
    } finally {
      reader.close();
    }
  };
}

async function nextLine(reader: ReturnType<typeof createInterface>, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    reader.once('line', resolve);
    reader.once('close', () => resolve(''));
    signal.addEventListener('abort', () => reject(signal.reason as unknown), { once: true });
  });
}

/** Addresses under which others reach this host, as text of an option or where it listens. */
export function reachableAt(given: readonly string[], listening: string): string[] {
  if (given.length > 0) return [...given];
  if (listening.startsWith('0.0.0.0:') || listening.startsWith('[::]:')) {
    throw new InputError('address-missing', 'This host listens everywhere; say under which address others reach it.', {
      hint: 'Add --address HOST:PORT.',
    });
  }
  return [listening];
}
