/** What both ends of a link agree on before the first message: paths and the longest messages there. */
import { CHUNK_BYTES, FRAME_HEADER_BYTES } from '../../../shared/wire.ts';

export const LINK_PATH = '/tacit/link/';
export const INVITATION_PATH = '/tacit/invitation/';

/** A frame, with room for the little that engine.io adds. */
export const MAX_LINK_MESSAGE_BYTES = CHUNK_BYTES + FRAME_HEADER_BYTES + 1024;
/** All that an unpinned key may send at once. */
export const MAX_INVITATION_MESSAGE_BYTES = 4096;
