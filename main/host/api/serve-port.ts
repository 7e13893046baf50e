/** The desktop's carrier of the API: one client at the other end of a message port. Knows nothing of what is called. */
import { clientMessageSchema } from '../../../shared/api/port.ts';
import type { HostMessage, MessageEnd } from '../../../shared/api/port.ts';
import type { Api } from './services.ts';

/** Serves until the port closes. What is no call is left unanswered: it did not come from the interface. */
export function servePort(api: Api, port: MessageEnd): void {
  const tell = (message: HostMessage): void => port.send(message);
  const unsubscribe = api.subscribe((name, body) => tell({ type: 'event', name, body }));
  port.onClose(unsubscribe);
  port.onMessage((value) => {
    const message = clientMessageSchema.safeParse(value);
    if (!message.success) return;
    const { id, name, request } = message.data;
    void api.call(name, request).then((answer) => tell({ type: 'answer', id, answer }));
  });
}
