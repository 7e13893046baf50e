/** Sessions over real TLS links on this machine against the compliance suite. */
import type { Session } from '../../../main/host/peers/session.ts';
import { openHost, pairAll, sessionOn } from '../../host/peers/hosts.ts';
import { transportCompliance } from './transport-compliance.ts';

transportCompliance('sockets', async (parties, options) => {
  const hosts = await Promise.all(parties.map((party) => openHost(party)));
  pairAll(hosts);
  const transports = new Map<string, Session>(hosts.map((host) => [host.name, sessionOn(host, hosts, options)]));
  await Promise.all([...transports.values()].map((session) => session.ready()));
  return {
    transports,
    close: async () => {
      await Promise.all(hosts.map(({ links }) => links.close()));
    },
  };
});
