/// <reference types="@webgpu/types" />
/**
 * A plain tiled matrix product in 32-bit floating point, to put ring products beside: the same tiling, one multiply-add where the
 * ring has six or more. WebGPU has no 64-bit floating point. Knows nothing of rings.
 */

const SIDE = 16;
const PER_THREAD = 4;
const TILE = SIDE * PER_THREAD;
const STORAGE = 0x80;
const RUNS = 4;

function shader(n: number): string {
  const cells = Array.from({ length: PER_THREAD * PER_THREAD }, (_, cell) => [
    Math.floor(cell / PER_THREAD),
    cell % PER_THREAD,
  ]);
  return `
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
var<workgroup> tileA: array<f32, ${TILE * SIDE}>;
var<workgroup> tileB: array<f32, ${TILE * SIDE}>;
@compute @workgroup_size(${SIDE}, ${SIDE}) fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let lid = id.y * ${SIDE}u + id.x;
  ${cells.map(([i, j]) => `var s${i}_${j} = 0.0;`).join(' ')}
  for (var k0 = 0u; k0 < ${n}u; k0 += ${SIDE}u) {
    for (var e = lid; e < ${TILE * SIDE}u; e += ${SIDE * SIDE}u) {
      tileA[(e % ${SIDE}u) * ${TILE}u + e / ${SIDE}u] = a[(wid.y * ${TILE}u + e / ${SIDE}u) * ${n}u + k0 + e % ${SIDE}u];
      tileB[e] = b[(k0 + e / ${TILE}u) * ${n}u + wid.x * ${TILE}u + e % ${TILE}u];
    }
    workgroupBarrier();
    for (var k = 0u; k < ${SIDE}u; k++) {
      ${Array.from({ length: PER_THREAD }, (_, i) => `let a${i} = tileA[k * ${TILE}u + id.y + ${SIDE * i}u]; let b${i} = tileB[k * ${TILE}u + id.x + ${SIDE * i}u];`).join(' ')}
      ${cells.map(([i, j]) => `s${i}_${j} = fma(a${i}, b${j}, s${i}_${j});`).join(' ')}
    }
    workgroupBarrier();
  }
  ${cells.map(([i, j]) => `c[(wid.y * ${TILE}u + id.y + ${SIDE * i!}u) * ${n}u + wid.x * ${TILE}u + id.x + ${SIDE * j!}u] = s${i}_${j};`).join(' ')}
}`;
}

/** Multiply-adds a second of n x n x n; n is a multiple of 64. */
export async function floatProductRate(device: GPUDevice, n: number): Promise<number> {
  const module = device.createShaderModule({ code: shader(n) });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const buffers = [0, 1, 2].map(() => device.createBuffer({ size: 4 * n * n, usage: STORAGE }));
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  let bestMs = Infinity;
  for (let run = 0; run < RUNS; run++) {
    const startMs = performance.now();
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(n / TILE, n / TILE);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  for (const buffer of buffers) buffer.destroy();
  return n ** 3 / (bestMs / 1000);
}
