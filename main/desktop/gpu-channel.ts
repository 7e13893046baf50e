/** Names of the messages that bring a port to the page that computes on the graphics card. */

/** From main to the preload, with a port. */
export const GPU_PORT_CHANNEL = 'tacit:gpu-port';
/** From the preload to the page (renderer/src/gpu/page.ts), with the same port. */
export const GPU_PAGE_PORT = 'tacit-gpu-port';
