import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { wasmKernels } from '../../../engine/kernels/wasm/wasm.ts';
import { kernelsCompliance } from './suite.ts';

// On two threads, and with shapes that are worth sharing: wasm-threads.test.ts.
kernelsCompliance('wasm, 1 thread', () => wasmKernels({ threads: 1 }), { large: false });

describe('the WebAssembly module', () => {
  test('multiplies halves of words by extmul, as the rates assume', () => {
    const text = readFileSync(new URL('../../../engine/kernels/wasm/build/kernels.wat', import.meta.url), 'utf8');
    expect(text).toContain('i64x2.extmul_low_i32x4_u');
    expect(text).toContain('i64x2.extmul_high_i32x4_u');
    // No data segments: every thread instantiates the module on the same memory.
    expect(text).not.toMatch(/^\s*\(data/m);
  });

  test('more memory than a 32-bit address space holds is refused', async () => {
    const kernels = await wasmKernels({ threads: 1 });
    await expect(kernels.allocate(5 * 2 ** 30)).rejects.toThrow(
      expect.objectContaining({ code: 'kernel-memory', kind: 'machine' }),
    );
    await kernels.dispose();
  });

  test('a memory disposed of is no longer served', async () => {
    const kernels = await wasmKernels({ threads: 2 });
    const memory = await kernels.allocate(64);
    memory.dispose();
    memory.dispose();
    const slot = { kind: 'words', offset: 0, length: 1 } as const;
    await expect(memory.pack([{ slot, width: 8 }])).rejects.toThrow(/disposed/);
    await expect(
      kernels.run(memory, [
        {
          op: 'sum',
          out: { kind: 'words', offset: 0, length: 1 },
          input: { kind: 'words', offset: 8, length: 1 },
          outer: 1,
          count: 1,
          inner: 1,
        },
      ]),
    ).rejects.toThrow(/disposed/);
    await kernels.dispose();
  });

  test('a number of threads that makes no sense is refused', async () => {
    for (const threads of [0, 1.5, 1000]) {
      await expect(wasmKernels({ threads })).rejects.toThrow(expect.objectContaining({ kind: 'input' }));
    }
  });
});
