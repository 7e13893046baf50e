/**
 * WGSL functions on ring words: a word of Z_2^64 is a vec2u (low half, high half), because WGSL has no 64-bit integers and no
 * wide multiplication. Knows nothing of memories or instructions.
 */
export const wordArithmetic = /* wgsl */ `
fn add(a: vec2u, b: vec2u) -> vec2u {
  let low = a.x + b.x;
  return vec2u(low, a.y + b.y + select(0u, 1u, low < a.x));
}
fn negate(a: vec2u) -> vec2u {
  return vec2u(~a.x + 1u, ~a.y + select(0u, 1u, a.x == 0u));
}
fn sub(a: vec2u, b: vec2u) -> vec2u {
  return vec2u(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}
// All 64 bits of a product of halves, from products of 16 bits.
fn wide(a: u32, b: u32) -> vec2u {
  let a0 = a & 0xffffu;
  let a1 = a >> 16u;
  let b0 = b & 0xffffu;
  let b1 = b >> 16u;
  let low = a0 * b0;
  let middle = a1 * b0 + (low >> 16u);
  let other = a0 * b1 + (middle & 0xffffu);
  return vec2u((other << 16u) | (low & 0xffffu), a1 * b1 + (middle >> 16u) + (other >> 16u));
}
fn mul(a: vec2u, b: vec2u) -> vec2u {
  let low = wide(a.x, b.x);
  return vec2u(low.x, low.y + a.x * b.y + a.y * b.x);
}
// Logical shifts by 0 to 64.
fn shiftRight(a: vec2u, by: u32) -> vec2u {
  if (by == 0u) { return a; }
  if (by >= 64u) { return vec2u(0u); }
  if (by >= 32u) { return vec2u(a.y >> (by - 32u), 0u); }
  return vec2u((a.x >> by) | (a.y << (32u - by)), a.y >> by);
}
fn shiftLeft(a: vec2u, by: u32) -> vec2u {
  if (by == 0u) { return a; }
  if (by >= 64u) { return vec2u(0u); }
  if (by >= 32u) { return vec2u(0u, a.x << (by - 32u)); }
  return vec2u(a.x << by, (a.y << by) | (a.x >> (32u - by)));
}
`;
