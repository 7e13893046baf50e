/** hash_to_field of RFC 9380 section 5.2 with expand_message_xmd over SHA-512 (5.3.1): two elements mod p from a message. */
import { FOUR, add, readLane, scale } from './field';
import { finish, start, update } from './sha2';

/** 48 bytes an element: ceil((255 + 128) / 8). */
const ELEMENT_BYTES: usize = 48;
const zeros = memory.data(128, 16);
const lengthAndZero = memory.data<u8>([0, 96, 0]);
const counter = memory.data<u8>([0]);
const first = memory.data(64, 16);
const uniform = memory.data(128, 16);
const little = memory.data(64, 16);
const low = memory.data(32, 16);
const high = memory.data(32, 16);

/** `tag`: the domain separation tag followed by its length in one byte (DST_prime); tagBytes counts both. */
function expand(message: usize, length: usize, tag: usize, tagBytes: usize): void {
  start<u64>();
  update<u64>(zeros, 128);
  update<u64>(message, length);
  update<u64>(lengthAndZero, 3);
  update<u64>(tag, tagBytes);
  finish<u64>(first);
  for (let i: u8 = 1; i <= 2; i++) {
    const out = uniform + ((<usize>(i - 1)) << 6);
    store<u8>(counter, i);
    start<u64>();
    update<u64>(first, 64);
    update<u64>(counter, 1);
    update<u64>(tag, tagBytes);
    finish<u64>(out);
    // the second block continues from first XOR block 1
    for (let j: usize = 0; j < 64; j += 8) store<u64>(first + j, load<u64>(first + j) ^ load<u64>(out + j));
  }
}

/** The element's 48 bytes, big end first, as low + 2^255 high in a lane of two elements. */
function split(lane: usize, bytes: usize, lowOut: usize, highOut: usize): void {
  for (let i: usize = 0; i < ELEMENT_BYTES; i++) store<u8>(little + i, load<u8>(bytes + ELEMENT_BYTES - 1 - i));
  memory.copy(low, little, 32);
  store<u64>(high, (load<u64>(little, 24) >> 63) | (load<u64>(little, 32) << 1));
  store<u64>(high, (load<u64>(little, 32) >> 63) | (load<u64>(little, 40) << 1), 8);
  store<u64>(high, load<u64>(little, 40) >> 63, 16);
  readLane(lowOut, lane, low);
  readLane(highOut, lane, high);
}

const highs = memory.data(320, 16);

/** Lane `lane` of u0 and u1 from a message; call for each of the four lanes, then reduceHashed. */
export function hashLane(
  u0: usize,
  u1: usize,
  lane: usize,
  message: usize,
  length: usize,
  tag: usize,
  tagBytes: usize,
): void {
  expand(message, length, tag, tagBytes);
  split(lane, uniform, u0, highs);
  split(lane, uniform + ELEMENT_BYTES, u1, highs + FOUR);
}

/** Brings the parts above 2^255 down: 2^255 = 19. */
export function reduceHashed(u0: usize, u1: usize): void {
  scale(highs, highs, 19);
  add(u0, u0, highs);
  scale(highs + FOUR, highs + FOUR, 19);
  add(u1, u1, highs + FOUR);
}
