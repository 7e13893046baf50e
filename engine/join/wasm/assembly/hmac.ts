/** HMAC-SHA256 (RFC 2104) of many messages under one key: the key's two blocks are compressed once. */
import { blockLength, digestLength, erase, finish, resume, saveState, start, update } from './sha2';

const KEY_BYTES: usize = 32;
const keyBlock = memory.data(64, 16);
const inner = memory.data(32, 16);
const outer = memory.data(32, 16);

/** The state after the key's block. */
function startKey(key: usize, pad: u8, out: usize): void {
  memory.fill(keyBlock, pad, blockLength<u32>());
  for (let i: usize = 0; i < KEY_BYTES; i++) store<u8>(keyBlock + i, load<u8>(key + i) ^ pad);
  start<u32>();
  update<u32>(keyBlock, blockLength<u32>());
  saveState<u32>(out);
}

/** Hashes a message after the key's block. */
function finishFrom(keyState: usize, data: usize, length: usize, out: usize): void {
  resume<u32>(keyState, blockLength<u32>());
  update<u32>(data, length);
  finish<u32>(out);
}

/**
 * HMAC of each message under a key of 32 bytes, 32 bytes each. Message i is the bytes between the 32-bit numbers offsets[i] and
 * offsets[i + 1] from `messages`.
 */
export function hmacSha256(out: usize, count: usize, messages: usize, offsets: usize, key: usize): void {
  startKey(key, 0x36, inner);
  startKey(key, 0x5c, outer);
  for (let i: usize = 0; i < count; i++) {
    const from = <usize>load<u32>(offsets + (i << 2));
    const to = <usize>load<u32>(offsets + (i << 2), 4);
    const digest = out + i * digestLength<u32>();
    finishFrom(inner, messages + from, to - from, digest);
    finishFrom(outer, digest, digestLength<u32>(), digest);
  }
  memory.fill(inner, 0, 32);
  memory.fill(outer, 0, 32);
  memory.fill(keyBlock, 0, 64);
  erase();
}
