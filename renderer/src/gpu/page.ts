/**
 * The hidden page that computes on the graphics card (docs/gpu-page.md): gives every message port that its preload script posts
 * to this window to a worker of its own, which has a device of its own. It shows nothing and talks to nobody else.
 */

const PORT = 'tacit-gpu-port';

window.addEventListener('message', (event: MessageEvent<unknown>) => {
  const [port] = event.ports;
  if (event.source !== window || event.data !== PORT || port === undefined) return;
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  worker.postMessage(PORT, [port]);
  worker.addEventListener('message', () => worker.terminate());
  // The port ends with it: the host takes that as a lost card.
  worker.addEventListener('error', () => worker.terminate());
});
