/** The WebAssembly set on two threads, with shapes that they share. On one thread, as `npm run check` tries it: wasm.test.ts. */
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { kernelsCompliance } from './suite.ts';

kernelsCompliance('wasm, 2 threads', () => wasmKernels({ threads: 2 }));
