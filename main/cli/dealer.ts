/** `tacit dealer`: the dealer of other parties' runs, without a window. */
import { defineCommand } from './command.ts';
import { dealerOptions, runHeadless } from './headless.ts';

export const dealer = defineCommand({
  name: 'dealer',
  summary: 'Deal correlated randomness to the parties of a run.',
  usage:
    'The dealer sees no data, no opening and no result; but together with any one compute party it could learn\n' +
    'everything, so it belongs to somebody who sides with none of them (docs/security.md).\n\n' +
    '  tacit dealer --folder registry --name Registry --listen 0.0.0.0:7443 --run agreement.json',
  arguments: [],
  options: dealerOptions,
  run: (context) => {
    const options = { ...context.options, data: [], test: [], model: undefined };
    return runHeadless('dealer', 'dealer', { ...context, options });
  },
});
