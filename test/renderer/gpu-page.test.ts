/** The page that computes on the graphics card, in Chromium on its software driver, for kernels in this process. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import type { FramePort } from '../../engine/kernels/remote/frames.ts';
import { RemoteGpu, RemoteKernels, openRemoteGpu } from '../../engine/kernels/remote/remote.ts';
import { selfTest } from '../../engine/kernels/self-test.ts';
import { wasmKernels } from '../../engine/kernels/wasm/wasm.ts';
import { pageHeaders, servePage } from '../../main/host/api/page-files.ts';
import { chooseKernels } from '../../main/host/gpu/choose-kernels.ts';
import { remoteGpuSource } from '../../main/host/gpu/gpu-kernels.ts';
import { GpuSettings } from '../../main/host/gpu/gpu-settings.ts';
import { partyWork } from '../../main/host/gpu/plan-work.ts';
import { rendererFolder } from '../../main/paths.ts';
import { kernelsCompliance } from '../compliance/kernels/suite.ts';
import { longSuite, requires } from '../helpers/requires.ts';
import { expectTwins, twinPlan } from '../helpers/training-twins.ts';
import { temporaryStore } from '../host/store/temporary.ts';
import { buildInterface } from './browser.ts';

const description = {
  inputShape: [12],
  layers: [
    { kind: 'dense', name: 'first', inputs: 12, outputs: 9, useBias: true },
    { kind: 'relu', name: 'relu' },
    { kind: 'dense', name: 'second', inputs: 9, outputs: 3, useBias: true },
    { kind: 'softmax', name: 'softmax' },
  ],
} as const;
const job = { description, classes: 3, rows: 16, batch: 8, steps: 4 };

/** Loads the page as the desktop's hidden window does, and hands it a port whose other end is here, over the browser's debugger. */
async function openGpuPage(browser: Browser, url: string): Promise<{ port: FramePort; page: Page }> {
  const page = await browser.newPage();
  let onFrame: (frame: Uint8Array) => void = () => undefined;
  let onClose: () => void = () => undefined;
  await page.exposeFunction('fromPage', (frame: string) => onFrame(new Uint8Array(Buffer.from(frame, 'base64'))));
  await page.goto(url);
  await page.evaluate(`
    const { port1, port2 } = new MessageChannel();
    globalThis.toPage = (frame) => {
      const bytes = Uint8Array.fromBase64(frame);
      port1.postMessage(bytes, [bytes.buffer]);
    };
    port1.onmessage = ({ data }) => void fromPage(data.toBase64());
    window.postMessage('tacit-gpu-port', '*', [port2]);
  `);
  page.on('close', () => onClose());
  let sent = Promise.resolve();
  const port: FramePort = {
    send: (frame) => {
      const text = Buffer.from(frame.buffer).toString('base64');
      sent = sent
        .then(() => page.evaluate((given) => (globalThis as unknown as Bridge).toPage(given), text))
        .catch(() => {});
    },
    onFrame: (listener) => (onFrame = listener),
    onClose: (listener) => (onClose = listener),
    close: () => void page.close(),
  };
  return { port, page };
}

interface Bridge {
  toPage(frame: string): void;
}

const server = createServer((request, response) => {
  for (const [name, value] of Object.entries(pageHeaders)) response.setHeader(name, value);
  servePage(rendererFolder, new URL(request.url ?? '/', 'http://127.0.0.1').pathname, response);
});
let browser: Browser;
let url = '';

/** Builds and serves the page, and opens the browser, for the suite that calls it. */
function useBrowser(): void {
  beforeAll(async () => {
    await buildInterface();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/gpu.html`;
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-sync',
        '--enable-unsafe-webgpu',
        '--use-webgpu-adapter=swiftshader',
      ],
    });
  });

  afterAll(async () => {
    await browser.close();
    server.close();
  });
}

requires('chromium')('the GPU page in Chromium', () => {
  useBrowser();

  test('finds the software driver, and passes the self-test', async () => {
    const { port } = await openGpuPage(browser, url);
    const remote = new RemoteGpu(port);
    expect(await openRemoteGpu(remote)).toMatchObject({ isSoftware: true });
    await selfTest(new RemoteKernels(remote, 'imad9_2x2'));
    remote.close();
  });

  test('is chosen where it is asked for, trains as the CPU does, and is replaced when its window is closed', async () => {
    const { port, page } = await openGpuPage(browser, url);
    const plan = twinPlan(job);
    const executions = [...plan.programs.keys()].map((program) => ({ program }));
    const notices: string[] = [];
    const chosen = await chooseKernels({
      preference: 'webgpu',
      threads: 1,
      work: partyWork(plan, 0, executions),
      settings: new GpuSettings(temporaryStore().settings),
      openGpu: () => remoteGpuSource(port),
      onLost: (text) => notices.push(text),
      onRefused: (text) => notices.push(text),
    });
    expect(chosen.report()).toMatchObject({ kernels: 'webgpu', adapter: expect.stringMatching(/swiftshader/i) });
    const cpu = await wasmKernels({ threads: 1 });
    await expectTwins(job, [cpu, chosen.kernels], async (_planned, execution, execute) => {
      const running = execute();
      if (execution === 4) await page.close();
      await running;
    });
    expect(notices).toEqual([expect.stringContaining('is gone')]);
    expect(chosen.report().kernels).toBe('wasm');
    await cpu.dispose();
  });
});

longSuite('chromium')('the GPU page at length', () => {
  useBrowser();

  kernelsCompliance('page', async () => {
    const { port } = await openGpuPage(browser, url);
    const remote = new RemoteGpu(port);
    await openRemoteGpu(remote);
    return new RemoteKernels(remote, 'imad9_2x2');
  });
});
