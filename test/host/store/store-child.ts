/** Child process of database.test.ts: opens the folder, says so, and waits to be killed. */
import { writeSync } from 'node:fs';
import { openStore } from '../../../main/host/store/store.ts';

const store = openStore(process.argv[2] as string);
store.settings.set('left-behind', 7);
writeSync(1, 'open\n');
setInterval(() => store.folder, 1000);
