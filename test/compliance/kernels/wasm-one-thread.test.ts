/** The WebAssembly set on one thread; on two it is in wasm.test.ts, which is quick enough for `npm run check` alone. */
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { kernelsCompliance } from './suite.ts';

kernelsCompliance('wasm, 1 thread', () => wasmKernels({ threads: 1 }));
