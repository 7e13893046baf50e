// Builds the AssemblyScript kernels into engine/kernels/wasm/build; run by npm's `prepare`, so a fresh clone needs no manual step.
import { existsSync } from 'node:fs';
if (!existsSync(new URL('../engine/kernels/wasm/assembly/index.ts', import.meta.url))) process.exit(0);
