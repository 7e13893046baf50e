/**
 * What crosses a link between two hosts: the version, the header of binary frames, and the shapes of control messages.
 * Knows nothing of sockets or of what the payload means. Both ends refuse whatever does not parse.
 */
import { z } from 'zod';
import { InputError } from './errors.ts';
import { digestSchema, displayNameSchema, fingerprintSchema, reasonCodeSchema, sessionIdSchema } from './ids.ts';

/** Hosts speak to each other only with equal numbers; raised with every change of this file that the other end sees. */
export const PROTOCOL_VERSION = 2;

/** Payload of every chunk of a message but its last. */
export const CHUNK_BYTES = 1024 * 1024;
/** Longest message; a longer length in a header is refused before memory is set aside for it. */
const MAX_MESSAGE_BYTES = 2 ** 31;
export const FRAME_HEADER_BYTES = 56;
/** Of one lane, on their way to a peer that has not acknowledged them: whoever sends more does not keep to the protocol. */
export const MAX_BYTES_IN_FLIGHT = 32 * 1024 * 1024;
/** Frames on their way at most, however small; keeps what a peer must remember of them bounded too. */
export const MAX_FRAMES_IN_FLIGHT = 2048;

/** data: a chunk of a message. end: no further data in this lane. ack: nothing but the acknowledgement. ping, pong: link. */
export const FRAME_TYPES = ['data', 'end', 'ack', 'ping', 'pong'] as const;
export type FrameType = (typeof FRAME_TYPES)[number];

/** Independent, ordered streams of a session; see the engine's Lane. */
const FRAME_LANES = ['rounds', 'material'] as const;
export type FrameLane = (typeof FRAME_LANES)[number];

/** All numbers are non-negative integers; `round` alone may be negative. */
export interface FrameHeader {
  readonly type: FrameType;
  readonly lane: FrameLane;
  /** 52-bit name of session and attempt on this link; 0 for ping and pong. */
  readonly sessionTag: number;
  /** Position of this frame (data, end) in its lane, from 0; for ping and pong the number of the ping. */
  readonly sequence: number;
  /** The sender of this frame has taken in all frames of the other direction's lane below this position. */
  readonly acknowledged: number;
  readonly attempt: number;
  readonly execution: number;
  readonly round: number;
  readonly chunk: number;
  readonly chunks: number;
  /** Bytes of the whole message. */
  readonly totalBytes: number;
}

/** Chunks of a message of this length; an empty message has one. */
export function chunksOf(totalBytes: number): number {
  return Math.max(1, Math.ceil(totalBytes / CHUNK_BYTES));
}

/** Writes the header, little-endian, into the first FRAME_HEADER_BYTES of `target`. */
export function writeFrameHeader(target: Uint8Array, header: FrameHeader): void {
  const view = new DataView(target.buffer, target.byteOffset, FRAME_HEADER_BYTES);
  view.setUint8(0, PROTOCOL_VERSION);
  view.setUint8(1, FRAME_TYPES.indexOf(header.type));
  view.setUint8(2, FRAME_LANES.indexOf(header.lane));
  view.setUint8(3, 0);
  setWide(view, 4, header.sessionTag);
  setWide(view, 12, header.sequence);
  setWide(view, 20, header.acknowledged);
  view.setUint32(28, header.attempt, true);
  view.setUint32(32, header.execution, true);
  view.setInt32(36, header.round, true);
  view.setUint32(40, header.chunk, true);
  view.setUint32(44, header.chunks, true);
  setWide(view, 48, header.totalBytes);
}

/** Rewrites the acknowledgement of a frame that is sent again. */
export function writeAcknowledged(target: Uint8Array, acknowledged: number): void {
  setWide(new DataView(target.buffer, target.byteOffset, FRAME_HEADER_BYTES), 20, acknowledged);
}

/**
 * Reads and checks a frame's header against its length. Anything that a correct host would not send is an InputError:
 * `frame-version` for another version of the protocol, else `frame-malformed`.
 */
export function readFrameHeader(frame: Uint8Array): FrameHeader {
  if (frame.byteLength < FRAME_HEADER_BYTES) throw malformed(`${frame.byteLength} bytes are no frame`);
  const view = new DataView(frame.buffer, frame.byteOffset, FRAME_HEADER_BYTES);
  const version = view.getUint8(0);
  if (version !== PROTOCOL_VERSION) {
    throw new InputError('frame-version', `A frame has protocol version ${version}, not ${PROTOCOL_VERSION}.`);
  }
  const type = FRAME_TYPES[view.getUint8(1)];
  const lane = FRAME_LANES[view.getUint8(2)];
  if (type === undefined || lane === undefined || view.getUint8(3) !== 0) throw malformed('its type is unknown');
  const header: FrameHeader = {
    type,
    lane,
    sessionTag: getWide(view, 4),
    sequence: getWide(view, 12),
    acknowledged: getWide(view, 20),
    attempt: view.getUint32(28, true),
    execution: view.getUint32(32, true),
    round: view.getInt32(36, true),
    chunk: view.getUint32(40, true),
    chunks: view.getUint32(44, true),
    totalBytes: getWide(view, 48),
  };
  checkLengths(header, frame.byteLength - FRAME_HEADER_BYTES);
  return header;
}

function checkLengths(header: FrameHeader, payloadBytes: number): void {
  if (header.type !== 'data') {
    if (payloadBytes !== 0 || header.totalBytes !== 0) throw malformed(`a frame of type ${header.type} has a payload`);
    return;
  }
  const { chunk, chunks, totalBytes } = header;
  if (totalBytes > MAX_MESSAGE_BYTES || chunks !== chunksOf(totalBytes) || chunk >= chunks) {
    throw malformed(`chunk ${chunk} of ${chunks} does not fit a message of ${totalBytes} bytes`);
  }
  const expected = chunk + 1 < chunks ? CHUNK_BYTES : totalBytes - chunk * CHUNK_BYTES;
  if (payloadBytes !== expected) throw malformed(`chunk ${chunk} has ${payloadBytes} bytes, not ${expected}`);
  if (header.round < 0 !== (header.lane === 'material')) throw malformed(`round ${header.round} is in the wrong lane`);
}

function malformed(what: string): InputError {
  return new InputError('frame-malformed', `A frame is malformed: ${what}.`);
}

function setWide(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

function getWide(view: DataView, offset: number): number {
  const value = view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
  if (!Number.isSafeInteger(value)) throw malformed('a number is too large');
  return value;
}

const versionSchema = z.int().min(1).max(65_535);
const softwareSchema = z.string().regex(/^[\x20-\x7e]{1,64}$/, 'A software version has 1 to 64 printable characters.');
const position = z.int().min(0);

/** First message of either side of a link, once TLS has proved the keys. */
export const linkHelloSchema = z.object({
  protocol: versionSchema,
  software: softwareSchema,
  fingerprint: fingerprintSchema,
});
export type LinkHello = z.infer<typeof linkHelloSchema>;

/** Why a host does not take a link; `protocol` is the refusing host's, so that the other can say who must update. */
export const linkRefusalSchema = z.object({
  code: reasonCodeSchema,
  protocol: versionSchema,
  software: softwareSchema,
});
export type LinkRefusal = z.infer<typeof linkRefusalSchema>;

/** First message about a session on each connection of a link, both ways; frames of the session follow only after both. */
const sessionHelloSchema = z.object({
  session: sessionIdSchema,
  attempt: z.int().min(0).max(0xffff_ffff),
  /** Random for each opening, so that a peer that lost its state is told from one that lost its connection. */
  instance: z.string().regex(/^[0-9a-f]{32}$/),
  /** What the sender calls itself in the job, and its role there. */
  party: displayNameSchema,
  role: z.string().min(1).max(100),
  jobDigest: digestSchema,
  planDigest: digestSchema,
  /** How many frames of each lane the sender has taken in; the other side goes on from there. */
  received: z.object({ rounds: position, material: position }),
  /** Whether this answers a hello, so that no answer is due. */
  answer: z.boolean(),
});
export type SessionHello = z.infer<typeof sessionHelloSchema>;

/** The sender takes no further part in this session; `code` says why. Also the answer to any hello or frame for it. */
const sessionEndSchema = z.object({
  session: sessionIdSchema,
  attempt: z.int().min(0).max(0xffff_ffff),
  code: reasonCodeSchema,
});

/** Answer to a hello for a session that is not open here (yet). */
const sessionAbsentSchema = z.object({ session: sessionIdSchema, attempt: z.int().min(0).max(0xffff_ffff) });

/** Characters of one part of a question or an answer: escaped as JSON it still fits a message of a link. */
export const TALK_PART_CHARACTERS = 128 * 1024;
/** Longest question or answer. */
export const MAX_TALK_PARTS = 64;

/**
 * A part of a question that the sender asks the other host's services, or of the answer to one; parts come in order. The
 * whole is JSON, whose meaning links do not know.
 */
const talkSchema = z.object({
  what: z.enum(['question', 'answer']),
  /** The asking host counts its questions on a connection from 1. */
  number: z.int().min(1),
  part: z.int().min(0),
  parts: z.int().min(1).max(MAX_TALK_PARTS),
  text: z.string().max(TALK_PART_CHARACTERS),
});
export type TalkPart = z.infer<typeof talkSchema>;

/** What an answer holds: what was asked for, or a constant that says why not. */
export const talkAnswerSchema = z.union([
  z.object({ reply: z.unknown() }).refine((answer) => 'reply' in answer),
  z.object({ refused: reasonCodeSchema }),
]);

/** Control messages of a link by name. */
export const controlSchemas = {
  'session-hello': sessionHelloSchema,
  'session-end': sessionEndSchema,
  'session-absent': sessionAbsentSchema,
  talk: talkSchema,
} as const;
export type ControlName = keyof typeof controlSchemas;
export type Control = {
  [Name in ControlName]: { readonly name: Name; readonly body: z.infer<(typeof controlSchemas)[Name]> };
}[ControlName];
