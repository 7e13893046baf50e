/**
 * The API over a message port: what a window of the desktop app and its host say to each other. The host checks what comes
 * in; a window trusts its host. Knows no call and no kind of port.
 */
import { z } from 'zod';
import type { Answer } from './call.ts';

/** From a client. Calls are numbered by the client; answers come in any order. */
export const clientMessageSchema = z.strictObject({
  type: z.literal('call'),
  id: z.int().min(0),
  name: z.string().max(100),
  request: z.unknown(),
});

/** From the host. */
export type HostMessage =
  | { readonly type: 'answer'; readonly id: number; readonly answer: Answer<unknown> }
  | { readonly type: 'event'; readonly name: string; readonly body: unknown };

/** One end of a channel by structured clone: what ports of Node, of Electron and of a page have in common. */
export interface MessageEnd {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onClose(listener: () => void): void;
}
