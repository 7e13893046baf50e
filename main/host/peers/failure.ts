/**
 * Why there is no link to a peer: the step at which it failed, in a form for people and for programs.
 * Knows nothing of how links are made.
 */
import { PeerError } from '../../../shared/errors.ts';
import { PROTOCOL_VERSION } from '../../../shared/wire.ts';
import type { LinkRefusal } from '../../../shared/wire.ts';

/** The steps of making a link, in order. */
export type Hop = 'dns' | 'tcp' | 'tls' | 'key' | 'version' | 'refused';

export interface LinkFailure {
  readonly hop: Hop;
  /** Also the code of the PeerError. */
  readonly code: string;
  /** Begins with the peer's name. */
  readonly message: string;
  readonly hint: string;
  /** Whether only a person can mend it, so that a job waiting for this peer should end at once. */
  readonly final: boolean;
}

/** A failed attempt at a link; caught by whoever dials. */
export class LinkError extends Error {
  readonly failure: LinkFailure;
  constructor(failure: LinkFailure, cause?: unknown) {
    super(failure.message, cause === undefined ? undefined : { cause });
    this.name = 'LinkError';
    this.failure = failure;
  }
}

export function failureToError(party: string, failure: LinkFailure): PeerError {
  return new PeerError(failure.code, party, failure.message, { hint: failure.hint });
}

/** Codes with which a host refuses a link, in the words of the party that was refused. */
export function refusalFailure(peer: string, refusal: LinkRefusal): LinkFailure {
  const { code, protocol, software } = refusal;
  switch (code) {
    case 'version-mismatch':
      return versionFailure(peer, protocol, software);
    case 'key-revoked':
      return refused(code, `${peer} has revoked this organisation’s key.`, `Ask ${peer} for a new invitation.`, true);
    case 'not-expected':
      return refused(
        code,
        `${peer} expects this organisation in none of its sessions.`,
        `Ask ${peer} to open the session, and compare the list of its parties.`,
        false,
      );
    case 'link-exists':
      return refused(
        code,
        `${peer} has a link to this organisation already.`,
        'Nothing to do: the links are compared.',
        false,
      );
    default:
      return refused(code, `${peer} refused the link: ${code}.`, `Ask ${peer} to look into its log.`, false);
  }
}

export function unknownHereFailure(peer: string): LinkFailure {
  return refused(
    'key-unknown',
    `${peer} does not know this organisation’s key.`,
    `Ask ${peer} for an invitation, or compare fingerprints if the two were paired before.`,
    false,
  );
}

/** The peer sent what no correct host sends. */
export function violationFailure(peer: string, code: string): LinkFailure {
  const message = `${peer} sent something that a correct host does not send (${code}).`;
  return refused(code, message, `Compare the versions here and at ${peer}.`, false);
}

export function versionFailure(peer: string, protocol: number, software: string): LinkFailure {
  const older = protocol < PROTOCOL_VERSION ? peer : 'this organisation';
  return {
    hop: 'version',
    code: 'version-mismatch',
    message: `${peer} runs ${software} with protocol ${protocol}, this organisation speaks protocol ${PROTOCOL_VERSION}.`,
    hint: `Update Tacit at ${older}.`,
    final: true,
  };
}

export function keyFailure(peer: string, address: string, got: string): LinkFailure {
  return {
    hop: 'key',
    code: 'peer-key-mismatch',
    message: `${peer} is pinned with another key than ${address} shows (${got.slice(0, 16)}...).`,
    hint: `Check the address. If ${peer} has a new key on purpose, revoke the old one and pair again by an invitation.`,
    final: true,
  };
}

export function hopFailure(hop: 'dns' | 'tcp' | 'tls', peer: string, address: string): LinkFailure {
  switch (hop) {
    case 'dns':
      return {
        hop,
        code: 'peer-address-unknown',
        message: `${peer} has the address ${address}, whose name is not known here.`,
        hint: 'Check the spelling of the address and this machine’s network.',
        final: false,
      };
    case 'tcp':
      return {
        hop,
        code: 'peer-unreachable',
        message: `${peer} does not answer at ${address}.`,
        hint: `Check that Tacit runs at ${peer} and that no firewall is between.`,
        final: false,
      };
    case 'tls':
      return {
        hop,
        code: 'peer-tls-failed',
        message: `${peer} has no secure link to offer at ${address}.`,
        hint: 'Another program may listen there, or a proxy breaks TLS open: use a direct connection.',
        final: false,
      };
  }
}

function refused(code: string, message: string, hint: string, final: boolean): LinkFailure {
  return { hop: 'refused', code, message, hint, final };
}
