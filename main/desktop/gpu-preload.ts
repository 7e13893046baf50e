/**
 * Runs before the page that computes on the graphics card (docs/gpu-page.md): hands the page the ports that main sends once it
 * has loaded, and nothing else. The page gets no bridge.
 */
import { ipcRenderer } from 'electron';
import { GPU_PAGE_PORT, GPU_PORT_CHANNEL } from './gpu-channel.ts';

/** What is used of the page's window; Node's types, by which the shell is compiled, have none. */
declare const window: { postMessage(message: string, target: string, ports: readonly unknown[]): void };

// The preload and the page are worlds apart in one window: its messages are the way between them.
ipcRenderer.on(GPU_PORT_CHANNEL, ({ ports }) => window.postMessage(GPU_PAGE_PORT, '*', ports));
