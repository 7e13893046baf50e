/**
 * What main and the processes that it forks say to each other. Ports travel beside a message. Both are ours and of one version; the
 * schema catches defects, it is no boundary of trust.
 */
import { z } from 'zod';
import { apiErrorSchema } from '../../shared/api/call.ts';

/** Asked by the host's and the parties' processes, for each engine that wants the graphics card. */
export const gpuRequestSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('start-gpu'), id: z.int() }),
  z.strictObject({ type: z.literal('end-gpu'), id: z.int() }),
]);
export type GpuRequest = z.infer<typeof gpuRequestSchema>;

export const gpuAnswerSchema = z.discriminatedUnion('type', [
  /** With a port: frames for the page that computes, and back. */
  z.strictObject({ type: z.literal('gpu-started'), id: z.int() }),
  /** The page is gone, or never was. */
  z.strictObject({ type: z.literal('gpu-ended'), id: z.int() }),
]);
export type GpuAnswer = z.infer<typeof gpuAnswerSchema>;

export const toHostSchema = z.discriminatedUnion('type', [
  gpuAnswerSchema,
  /** The first: opens the data folder. `guardKey` protects what it keeps of keys. */
  z.strictObject({
    type: z.literal('open'),
    folder: z.string(),
    listen: z.strictObject({ host: z.string(), port: z.int() }),
    guardKey: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  }),
  /** With a port: a client of the API. */
  z.strictObject({ type: z.literal('client') }),
  /** With a port: the process asked for by `start-party` listens to it. */
  z.strictObject({ type: z.literal('party-started'), id: z.int() }),
  z.strictObject({ type: z.literal('party-ended'), id: z.int(), code: z.int() }),
  /** Closes everything and ends. */
  z.strictObject({ type: z.literal('stop') }),
]);
export type ToHost = z.infer<typeof toHostSchema>;

/** To a party of a run on this machine. */
export const toPartySchema = z.discriminatedUnion('type', [
  gpuAnswerSchema,
  /** The first, with a port: to who supervises it. */
  z.strictObject({ type: z.literal('supervisor') }),
]);
export type ToParty = z.infer<typeof toPartySchema>;

export const fromHostSchema = z.discriminatedUnion('type', [
  gpuRequestSchema,
  z.strictObject({ type: z.literal('ready') }),
  /** The folder cannot be opened: starting again would not help. */
  z.strictObject({ type: z.literal('failed'), error: apiErrorSchema }),
  /** A party of a run on this machine, as a process of its own. */
  z.strictObject({
    type: z.literal('start-party'),
    id: z.int(),
    role: z.enum(['compute', 'dealer']),
    folder: z.string(),
    name: z.string(),
    /** Port 0 takes any free one. */
    listen: z.string(),
  }),
  z.strictObject({ type: z.literal('end-party'), id: z.int() }),
]);
export type FromHost = z.infer<typeof fromHostSchema>;
