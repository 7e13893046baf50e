/** Names of the messages between the preload and main. Payloads: shared/api/bridge.ts. */
export const channels = {
  /** From the page: it is there, and wants a port and what is to be shown. */
  hello: 'tacit:hello',
  /** To the page, with a port to the host. */
  port: 'tacit:port',
  /** To the page: a DesktopState. */
  state: 'tacit:state',
  /** To the page: a DesktopCommand. */
  command: 'tacit:command',
  /** From the page: a passphrase; answered. */
  unlock: 'tacit:unlock',
} as const;
