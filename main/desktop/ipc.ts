/**
 * Messages from pages to main. One is heard only from the top frame of a window that was made for the interface, while that
 * frame shows the interface; what it says passes a schema. Anything else is dropped, and said in the log.
 */
import type { IpcMain, IpcMainEvent, IpcMainInvokeEvent, WebContents } from 'electron';
import type { z } from 'zod';
import { isAppAddress } from './app-protocol.ts';

type Sender = Pick<IpcMainEvent | IpcMainInvokeEvent, 'sender' | 'senderFrame'>;

export class TrustedIpc {
  readonly #ipc: Pick<IpcMain, 'on' | 'handle'>;
  readonly #trusted = new Set<number>();
  readonly #onRefused: (what: string) => void;

  constructor(ipc: Pick<IpcMain, 'on' | 'handle'>, onRefused: (what: string) => void) {
    this.#ipc = ipc;
    this.#onRefused = onRefused;
  }

  /** Until the page is destroyed. */
  trust(contents: Pick<WebContents, 'id' | 'once'>): void {
    const { id } = contents;
    this.#trusted.add(id);
    contents.once('destroyed', () => this.#trusted.delete(id));
  }

  /** A message without answer. */
  on(channel: string, listener: (sender: WebContents) => void): void {
    this.#ipc.on(channel, (event) => {
      if (this.#isTrusted(event)) listener(event.sender);
      else this.#onRefused(channel);
    });
  }

  /** A question. Rejects in the page, without detail, where sender or content is refused. */
  handle<Schema extends z.ZodType, Reply>(
    channel: string,
    schema: Schema,
    listener: (value: z.output<Schema>) => Promise<Reply>,
  ): void {
    this.#ipc.handle(channel, async (event, value: unknown) => {
      const content = schema.safeParse(value);
      if (this.#isTrusted(event) && content.success) return listener(content.data);
      this.#onRefused(channel);
      throw new Error('Refused.');
    });
  }

  #isTrusted({ sender, senderFrame }: Sender): boolean {
    return (
      this.#trusted.has(sender.id) &&
      senderFrame !== null &&
      senderFrame === sender.mainFrame &&
      isAppAddress(senderFrame.url)
    );
  }
}
