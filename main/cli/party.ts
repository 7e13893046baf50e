/** `tacit party`: one party without a window. */
import { defineCommand } from './command.ts';
import { partyOptions, runHeadless } from './headless.ts';

export const party = defineCommand({
  name: 'party',
  summary: 'Be a party without a window: hold links, take part in a run.',
  usage:
    'Opens the data folder, listens, and keeps the links to paired peers up (see: tacit invite, tacit join); serves the browser\n' +
    'interface on this machine (npm run build:renderer makes it) and prints its address. In a new folder, without --name,\n' +
    'the first start is finished there: name, address, or a backup.\n' +
    'With --run FILE it takes part in the run that the agreement describes, and ends with it; what this party may\n' +
    'see lies in results/ of its folder.\n\n' +
    '  tacit party --folder clinic-a --name "Clinic A" --listen 0.0.0.0:7443 --run agreement.json --data a.csv',
  arguments: [],
  options: partyOptions,
  run: (context) => runHeadless('compute', 'party', context),
});
