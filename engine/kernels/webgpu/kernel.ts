/**
 * What a WGSL kernel is: a body, and the text around it that gives it the memory, its arguments and its thread number.
 * Knows nothing of devices, and of what kernels compute.
 *
 * A memory is one or several pages, storage buffers of a power of two bytes, bound at 0, 1, ...; kernels reach it by
 *   view `words`:  ld(i) and st(i, word), i in words of 8 bytes;
 *   view `halves`: ld32(i) and st32(i, half), i in units of 4 bytes, for planes of bits; and ld(i).
 * Arguments are q[0], q[1], ...; then come a status cell (programs) or the packed bytes of a transfer.
 */
import { wordArithmetic } from './word-arithmetic.ts';

export type View = 'words' | 'halves';

/** Bindings after the arguments: a program's kernels have a status cell, a transfer's the bytes from and to the host. */
export type Use = 'program' | 'transfer';

export interface Kernel {
  /** Two kernels of one key are the same. */
  readonly key: string;
  readonly view: View;
  readonly use: Use;
  /** What stands before everything else in the module. */
  readonly directives?: string;
  /** WGSL with an entry point `main`. */
  readonly code: string;
}

/** Where pages lie: page = index >> shift. */
export interface Paging {
  readonly pages: number;
  readonly pageBytes: number;
}

/** Threads of a workgroup of an element kernel. */
export const GROUP_THREADS = 64;
/** Workgroups that a dispatch may have in one dimension, on every device. */
const GROUPS_OF_DIMENSION = 65535;

/** Workgroups of a dispatch, spread over two dimensions: as few idle ones as possible. */
export function spread(groups: number): readonly [x: number, y: number] {
  const y = Math.ceil(groups / GROUPS_OF_DIMENSION);
  return [y === 0 ? 0 : Math.ceil(groups / y), y];
}

/** Number of the workgroup, inverse of `spread`. */
export const groupNumber = 'wid.y * nw.x + wid.x';

/** Builtins that every entry point has. */
export const entryArguments =
  '@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nw: vec3u, @builtin(local_invocation_index) lid: u32';

/** A kernel with q[0] threads, each with its number `i`; `body` may return early. */
export function elementKernel(key: string, view: View, body: string, functions = ''): Kernel {
  const code = `${functions}
@compute @workgroup_size(${GROUP_THREADS}) fn main(${entryArguments}) {
  let i = (${groupNumber}) * ${GROUP_THREADS}u + lid;
  if (i >= q[0]) { return; }
  ${body}
}`;
  return { key, view, use: 'program', code };
}

/** Arguments of a batch's job, at most. */
export const JOB_ARGUMENTS = 16;

/**
 * A transfer's kernel, which does several jobs in one dispatch. `body` is written for one of them: `i` is the thread's number in
 * the job, q[1], ... the job's arguments. What it gets is q[0] threads, q[1] jobs, then JOB_ARGUMENTS words of each, the first
 * of them the number of the job's first thread.
 */
export function batchKernel(key: string, view: View, body: string, functions = ''): Kernel {
  const code = `${functions}
@compute @workgroup_size(${GROUP_THREADS}) fn main(${entryArguments}) {
  let thread = (${groupNumber}) * ${GROUP_THREADS}u + lid;
  if (thread >= q[0]) { return; }
  var job = 0u;
  var end = q[1];
  while (end - job > 1u) {
    let middle = (job + end) / 2u;
    if (q[2u + ${JOB_ARGUMENTS}u * middle] <= thread) { job = middle; } else { end = middle; }
  }
  let base = 2u + ${JOB_ARGUMENTS}u * job;
  let i = thread - q[base];
  ${body.replaceAll(/\bq\[(\d+)\]/gu, 'q[base + $1u]')}
}`;
  return { key, view, use: 'transfer', code };
}

/** A function by page, or plainly where there is one page. */
function paged(
  paging: Paging,
  unitBytes: number,
  head: string,
  access: (page: number, index: string) => string,
): string {
  if (paging.pages === 1) return `${head} { ${access(0, 'i')} }`;
  const shift = Math.log2(paging.pageBytes / unitBytes);
  const cases = Array.from({ length: paging.pages }, (_, page) =>
    page === paging.pages - 1 ? `default: { ${access(page, 'o')} }` : `case ${page}u: { ${access(page, 'o')} }`,
  );
  return `${head} { let o = i & ${2 ** shift - 1}u; switch (i >> ${shift}u) { ${cases.join(' ')} } }`;
}

function accessors(view: View, paging: Paging): string {
  const [element, unit, type] = view === 'words' ? ['', 8, 'vec2u'] : ['32', 4, 'u32'];
  const load = paged(paging, unit, `fn ld${element}(i: u32) -> ${type}`, (page, o) => `return m${page}[${o}];`);
  const store = paged(paging, unit, `fn st${element}(i: u32, v: ${type})`, (page, o) => `m${page}[${o}] = v;`);
  const words = view === 'words' ? '' : 'fn ld(i: u32) -> vec2u { return vec2u(ld32(2u * i), ld32(2u * i + 1u)); }';
  return [load, store, words].join('\n');
}

/** The whole shader of a kernel for memories of this paging. */
export function shaderCode(kernel: Kernel, paging: Paging): string {
  const element = kernel.view === 'words' ? 'vec2u' : 'u32';
  const bindings = Array.from(
    { length: paging.pages },
    (_, page) => `@group(0) @binding(${page}) var<storage, read_write> m${page}: array<${element}>;`,
  );
  const next = paging.pages;
  bindings.push(`@group(0) @binding(${next}) var<storage, read> q: array<u32>;`);
  if (kernel.use === 'program') {
    bindings.push(`@group(0) @binding(${next + 1}) var<storage, read_write> status: array<atomic<u32>>;`);
  } else {
    bindings.push(`@group(0) @binding(${next + 1}) var<storage, read> arrived: array<u32>;`);
    bindings.push(`@group(0) @binding(${next + 2}) var<storage, read_write> leaving: array<u32>;`);
  }
  return [kernel.directives ?? '', ...bindings, accessors(kernel.view, paging), wordArithmetic, kernel.code].join('\n');
}
