/** The shared contracts of peers: invitations in their forms, addresses, frame headers. */
import { fc } from '../../helpers/properties.ts';
import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../shared/address.ts';
import { inviteFile, inviteHasExpired, inviteLink, inviteText, parseInvite } from '../../../shared/invite.ts';
import type { Invite } from '../../../shared/invite.ts';
import {
  CHUNK_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  chunksOf,
  readFrameHeader,
  writeFrameHeader,
} from '../../../shared/wire.ts';
import type { FrameHeader } from '../../../shared/wire.ts';

const invite: Invite = {
  tacitInvite: 1,
  id: 'abcdefghijklmnop',
  secret: 'S'.repeat(43),
  organisation: 'Klinik Süd – Αθήνα',
  fingerprint: '0123456789abcdef'.repeat(4),
  addresses: ['clinic-a.example:7443', '[2001:db8::1]:443'],
  expiresAt: '2030-01-01T00:00:00.000Z',
};

const code = (value: string) => expect.objectContaining({ code: value, kind: 'input' }) as Error;

describe('invitations', () => {
  test('link, text and file say the same', () => {
    for (const text of [inviteLink(invite), inviteText(invite), inviteFile(invite), `  ${inviteLink(invite)}\n`]) {
      expect(parseInvite(text)).toEqual(invite);
    }
    expect(inviteLink(invite)).toMatch(/^tacit:\/\/join\/[A-Za-z0-9_-]+$/);
    expect(inviteText(invite)).toContain(invite.organisation);
  });

  test('text without one, a cut one, a changed one and one of another version are told apart', () => {
    const link = inviteLink(invite);
    expect(() => parseInvite('Dear colleague, see you on Monday')).toThrow(code('invite-not-found'));
    expect(() => parseInvite('x'.repeat(100_000))).toThrow(code('invite-not-found'));
    expect(() => parseInvite(link.slice(0, 60))).toThrow(code('invite-damaged'));
    expect(() => parseInvite('tacit://join/!!!')).toThrow(code('invite-damaged'));
    expect(() => parseInvite('{"tacitInvite": 1, "id": ')).toThrow(code('invite-damaged'));
    expect(() => parseInvite(inviteFile({ ...invite, fingerprint: 'beef' }))).toThrow(code('invite-damaged'));
    expect(() => parseInvite(inviteFile({ ...invite, addresses: ['nowhere'] }))).toThrow(code('invite-damaged'));
    expect(() => parseInvite(inviteFile({ ...invite, tacitInvite: 2 as 1 }))).toThrow(code('invite-version'));
  });

  test('never throws anything but an InputError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.base64String().map((text) => `tacit://join/${text}`),
        ),
        (text) => {
          try {
            parseInvite(text);
          } catch (error) {
            expect(error).toMatchObject({ kind: 'input' });
          }
        },
      ),
    );
  });

  test('expires', () => {
    const end = Date.parse(invite.expiresAt);
    expect(inviteHasExpired(invite, end - 1)).toBe(false);
    expect(inviteHasExpired(invite, end)).toBe(true);
  });
});

describe('addresses', () => {
  test('are read and written the same', () => {
    for (const text of ['clinic-a.example:7443', '192.0.2.1:1', '[2001:db8::1]:65535', 'localhost:80']) {
      expect(formatAddress(parseAddress(text))).toBe(text);
    }
  });

  test('anything else is refused', () => {
    for (const text of [
      '',
      'host',
      'host:',
      ':80',
      'host:0',
      'host:65536',
      '2001:db8::1:80',
      'https://host:80',
      'a b:80',
      'host:80/x',
    ]) {
      expect(() => parseAddress(text)).toThrow(code('address-invalid'));
    }
  });
});

describe('frame headers', () => {
  const header: FrameHeader = {
    type: 'data',
    lane: 'rounds',
    sessionTag: 2 ** 52 - 1,
    sequence: 2 ** 53 - 1,
    acknowledged: 2 ** 40,
    attempt: 0xffff_ffff,
    execution: 0xffff_ffff,
    round: 0x7fff_ffff,
    chunk: 0,
    chunks: 1,
    totalBytes: 5,
  };
  const write = (changes: Partial<FrameHeader>, payloadBytes: number) => {
    const frame = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes);
    writeFrameHeader(frame, { ...header, ...changes });
    return frame;
  };

  test('are read as they were written', () => {
    expect(readFrameHeader(write({}, 5))).toEqual(header);
    const material = { round: -(2 ** 31), lane: 'material' } as const;
    expect(readFrameHeader(write(material, 5))).toEqual({ ...header, ...material });
    for (const type of FRAME_TYPES.filter((each) => each !== 'data')) {
      expect(readFrameHeader(write({ type, totalBytes: 0 }, 0))).toMatchObject({ type });
    }
  });

  test('chunks cover a message exactly', () => {
    expect([0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES].map(chunksOf)).toEqual([1, 1, 1, 2, 3]);
    const last = { totalBytes: CHUNK_BYTES + 3, chunks: 2, chunk: 1 };
    expect(readFrameHeader(write(last, 3))).toMatchObject(last);
    expect(() => readFrameHeader(write({ ...last, chunk: 0 }, 3))).toThrow(code('frame-malformed'));
  });

  test('anything that a correct host does not write is refused', () => {
    const bad = [
      write({}, 4),
      write({ chunks: 2 }, 5),
      write({ chunk: 1 }, 5),
      write({ totalBytes: 2 ** 40 }, 5),
      write({ lane: 'material' }, 5),
      write({ type: 'ack', totalBytes: 0 }, 1),
      new Uint8Array(FRAME_HEADER_BYTES - 1),
    ];
    for (const frame of bad) expect(() => readFrameHeader(frame)).toThrow(code('frame-malformed'));
    const other = write({}, 5);
    other[0] = 9;
    expect(() => readFrameHeader(other)).toThrow(code('frame-version'));
  });

  test('random bytes are an InputError or a header, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (bytes, versioned) => {
        if (versioned && bytes.length > 0) bytes[0] = 1;
        try {
          readFrameHeader(bytes);
        } catch (error) {
          expect(error).toMatchObject({ kind: 'input' });
        }
      }),
    );
  });
});
