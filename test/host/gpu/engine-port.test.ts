/** A host without a GPU of its own gives its engine a port to the page that has one. */
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { serveKernels } from '../../../engine/kernels/remote/serve.ts';
import type { OpenedGpu } from '../../../engine/kernels/webgpu/device.ts';
import { framePort } from '../../../main/host/gpu/frame-port.ts';
import { Engine } from '../../../main/host/run/engine.ts';
import { requires } from '../../helpers/requires.ts';
import { openSoftwareGpu } from '../../helpers/software-gpu.ts';
import { agreeOnSmallJob, writeSmallJob } from '../../parties/small-job.ts';
import { temporaryFolder, temporaryStore } from '../store/temporary.ts';

requires('chromium', 'libvulkan1')('an engine with a port', () => {
  test('computes where the port leads', async () => {
    const { port1, port2 } = new MessageChannel();
    const opened: OpenedGpu[] = [];
    serveKernels(framePort(port1), async () => {
      opened.push(await openSoftwareGpu());
      return opened[0]!;
    });
    const agreement = await agreeOnSmallJob(await writeSmallJob(temporaryFolder()), {});
    const { folder } = temporaryStore();
    const setup = { agreement, self: 'a', folder, results: join(folder, 'results'), threads: 1 } as const;
    const engine = new Engine('party-engine', { ...setup, kernels: 'webgpu' }, () => undefined, port2);
    onTestFinished(() => engine.close());
    expect(await engine.compiled()).toMatchObject({ planDigest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(opened.length).toBe(1);
    await engine.close();
    await opened[0]!.device.lost;
  }, 120_000);
});
