/** The program `tacit`. */
import { commands } from './commands.ts';
import { runProcess } from './process.ts';

await runProcess(commands);
