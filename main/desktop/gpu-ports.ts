/**
 * Ports from engines to the page that computes on the graphics card, as a process has them that main forked: main is asked for
 * the page when an engine first says something, so a run on the CPU opens none. Forwards frames, and knows nothing of them.
 */
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { GpuAnswer, GpuRequest } from './host-messages.ts';
import type { ProcessPort } from './process-port.ts';

/** An engine's way to the page. */
interface Way {
  /** Closed when the page is gone: the engine takes that as a lost card. */
  readonly engine: MessagePort;
  page: ProcessPort | undefined;
  /** Frames before the page has its port. */
  readonly early: Uint8Array[];
}

export class GpuPorts {
  readonly #tell: (message: GpuRequest) => void;
  readonly #ways = new Map<number, Way>();
  #count = 0;

  constructor(tell: (message: GpuRequest) => void) {
    this.#tell = tell;
  }

  /** For `gpuPort` of openHost: a new port for an engine. */
  readonly open = (): MessagePort => {
    const { port1: engine, port2: handedOut } = new MessageChannel();
    const id = this.#count++;
    engine.on('message', (frame: Uint8Array) => this.#toPage(id, engine, frame));
    engine.on('close', () => this.#end(id));
    return handedOut;
  };

  /** Main's word; `port` comes with `gpu-started`. */
  onMessage({ type, id }: GpuAnswer, port: ProcessPort | undefined): void {
    const way = this.#ways.get(id);
    // The engine may have ended meanwhile.
    if (type === 'gpu-ended' || way === undefined || port === undefined) {
      port?.close();
      way?.engine.close();
      return;
    }
    way.page = port;
    port.onMessage((frame) => {
      if (frame instanceof Uint8Array) way.engine.postMessage(frame);
      else way.engine.close();
    });
    port.onClose(() => way.engine.close());
    for (const frame of way.early.splice(0)) port.send(frame);
  }

  #toPage(id: number, engine: MessagePort, frame: Uint8Array): void {
    let way = this.#ways.get(id);
    if (way === undefined) {
      way = { engine, page: undefined, early: [] };
      this.#ways.set(id, way);
      this.#tell({ type: 'start-gpu', id });
    }
    if (way.page === undefined) way.early.push(frame);
    else way.page.send(frame);
  }

  #end(id: number): void {
    const way = this.#ways.get(id);
    if (way === undefined) return;
    this.#ways.delete(id);
    way.page?.close();
    this.#tell({ type: 'end-gpu', id });
  }
}
