/** What a call and an event of the API are: schemas of what goes in and what comes out. Knows no carrier and no call. */
import { z } from 'zod';

/** `reply` names every field that leaves the host: whatever else a handler returns is left out. */
export function call<Request extends z.ZodType, Reply extends z.ZodType>(
  request: Request,
  reply: Reply,
): { readonly request: Request; readonly reply: Reply } {
  return { request, reply };
}

/** A request or a reply without content. */
export const nothing = z.strictObject({});

export const countSchema = z.int().min(0);
/** Milliseconds since 1970. */
export const momentSchema = z.number().min(0);

/** An error as every carrier brings it: see shared/errors.ts. `unexpected` is one that nobody raised on purpose. */
export const apiErrorSchema = z.object({
  kind: z.enum(['input', 'peer', 'machine', 'internal', 'unexpected']),
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  party: z.string().optional(),
});
export type ApiErrorBody = z.infer<typeof apiErrorSchema>;

/** How a carrier answers a call. */
export type Answer<Reply> =
  { readonly ok: true; readonly reply: Reply } | { readonly ok: false; readonly error: ApiErrorBody };
