/**
 * What a person may send to those who help: the state of this host in numbers and codes. No names of organisations, data sets,
 * columns or jobs, no addresses, no paths, no values: peers and jobs are counted off, errors are codes.
 */
import { availableParallelism, freemem, totalmem } from 'node:os';
import type { HostStatus, Settings } from '../../../shared/api/host-calls.ts';
import type { Host } from '../run/host.ts';

/** Audit entries that are counted by kind. */
const RECENT_ENTRIES = 10_000;

export function diagnostics(host: Host, status: HostStatus, settings: Settings): string {
  const { store, links } = host;
  const { audit } = store;
  const head = audit.head();
  const recent = audit.entries(Math.max(0, head.sequence - RECENT_ENTRIES), RECENT_ENTRIES);
  const report = {
    tacitDiagnostics: 1,
    madeAt: new Date().toISOString(),
    program: { version: status.version, protocol: status.protocol, node: status.node, platform: status.platform },
    machine: { cores: availableParallelism(), memoryBytes: totalmem(), freeBytes: freemem() },
    process: { upForSeconds: Math.round(process.uptime()), residentBytes: process.memoryUsage.rss() },
    settings: { theme: settings.theme, threads: settings.threads, ownAddresses: settings.addresses.length },
    peers: store.peers.list().map(({ addresses, revokedAtMs, fingerprint }, i) => {
      const link = links.status(fingerprint);
      return {
        peer: i + 1,
        addresses: addresses.length,
        isRevoked: revokedAtMs !== undefined,
        state: link?.state,
        failedAt: link?.failure?.hop,
        code: link?.failure?.code,
        software: link?.software,
        rttMs: link?.rttMs,
      };
    }),
    datasets: store.datasets.list().length,
    jobs: store.jobs.list().map(({ id, state }, i) => {
      const { made, used, left, burnt, bytesLeft } = store.vault.stock(id);
      return { job: i + 1, state, vault: { made, used, left, burnt, bytesLeft } };
    }),
    audit: { entries: head.sequence, ...audit.verify(), kinds: countBy(recent.map(({ kind }) => kind)) },
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
