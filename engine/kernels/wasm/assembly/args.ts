/** Access to argument records: i32 words; and the loops that several kernels share. */

@inline
export function arg(record: usize, index: i32): u32 {
  return load<u32>(record + ((<usize>index) << 2));
}

@inline
export function arg64(record: usize, index: i32): u64 {
  return load<u64>(record + ((<usize>index) << 2));
}

@inline
export function least(a: u32, b: u32): u32 {
  return a < b ? a : b;
}

/** Copies `count` words. Short runs are frequent, so this avoids the call that memory.copy costs. */
@inline
export function copyWords(to: usize, from: usize, count: u32): void {
  if (count >= 256) {
    memory.copy(to, from, (<usize>count) << 3);
    return;
  }
  const pairs = to + ((<usize>count >> 1) << 4);
  while (to < pairs) {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  }
  if (count & 1) store<u64>(to, load<u64>(from));
}

/** Writes one word `count` times. */
@inline
export function fillWords(to: usize, value: u64, count: u32): void {
  const pair = i64x2.splat(value);
  const pairs = to + ((<usize>count >> 1) << 4);
  while (to < pairs) {
    v128.store(to, pair);
    to += 16;
  }
  if (count & 1) store<u64>(to, value);
}
