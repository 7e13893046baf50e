/**
 * Bytes as words, so that two people can compare a fingerprint over the telephone. The list is our own: 256 English words
 * told apart by their first four letters. It never changes, or parties with different versions would read different words.
 */

const WORDS: readonly string[] = `
acid acorn actor agent album alley amber anchor ankle apple april apron arrow artist atlas autumn bacon badge bagel
banjo barn barrel basket beacon bell berry bison blanket border bottle breeze bridge bronze bucket butter cabin
cactus camel candle canoe canyon carpet castle cedar chalk cherry chimney circus clay clover cobalt coffee comet
copper coral cork cotton cradle crayon cricket crystal cymbal daisy dancer desert diamond dinner dolphin donkey
dragon drummer dune eagle easel echo elbow ember engine falcon farmer feather fern ferry fiddle finger flute forest
fossil fountain galaxy garden garlic gazelle ginger giraffe glacier goblet gravel guitar hammer harbor harvest hazel
helmet heron hill hockey honey igloo indigo insect island ivory jacket jaguar jelly jigsaw juniper kayak kernel
kettle kite kitten koala ladder lagoon lamp lantern laurel lemon lentil library lizard lobster locket lumber magnet
mango maple marble meadow melon mirror mitten monkey mosaic moss mountain muffin museum napkin nectar needle nest
nickel noodle nutmeg oasis ocean olive onion opera orbit orchid osprey otter oyster paddle palace panther paper
parrot peanut pebble pelican pencil pepper piano pigeon pillow planet plaza plum pocket pony potato prairie puffin
puzzle quartz quilt rabbit radish raft raven reef ribbon river robin rocket saddle saffron sail salmon sandal satin
scarf shadow shovel silver sketch sloth spider spinach spoon squirrel stable statue sunset swallow table tango
teapot temple tent thunder tiger timber tomato topaz tractor trumpet tulip tunnel turtle umbrella uncle valley
vanilla vase velvet violin volcano voyage waffle wagon walnut walrus willow window winter wizard yacht zebra zigzag
zipper
`
  .trim()
  .split(/\s+/);

/** One word per byte, in order. */
export function wordsOf(bytes: Uint8Array): string[] {
  return Array.from(bytes, (byte) => WORDS[byte]!);
}

/** The first `count` bytes (all 32 by default) of a fingerprint in hexadecimal digits, as words. */
export function fingerprintWords(fingerprint: string, count = fingerprint.length / 2): string[] {
  return Array.from(
    { length: count },
    (_, index) => WORDS[Number.parseInt(fingerprint.slice(2 * index, 2 * index + 2), 16)]!,
  );
}
