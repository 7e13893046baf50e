/** The program `tacit`. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { programRoot } from '../paths.ts';

// Compiled modules are kept beside the program, where only who may change it can write: a process starts in half the time.
// Threads and processes that this one starts read the variable. Where the folder cannot be written, nothing is kept.
process.env['NODE_COMPILE_CACHE'] ??= join(programRoot, '.cache', 'compiled');
enableCompileCache(process.env['NODE_COMPILE_CACHE']);

const [{ commands }, { runProcess }] = await Promise.all([import('./commands.ts'), import('./process.ts')]);
await runProcess(commands);
