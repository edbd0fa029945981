import {z} from 'zod'
import {CreoError} from '../../core/errors.ts'
import {NODE_TABLE_WAIT_MAX_MS} from '../../core/protocol/api.ts'
import {incentiveCodeSchema, nameSchema} from '../../core/protocol/scalars.ts'
import type {PageKey} from '../../ledger/port.ts'

const LONG_POLL_MAX_MS = 30_000
const ROWS_MAX = 1000
const ROWS_DEFAULT = 100
const CURSOR_CHARS_MAX = 500

const rowsSchema = z.coerce.number().int().min(1).max(ROWS_MAX)
export const limitSchema = rowsSchema.default(ROWS_DEFAULT)
/** Of lists that are short in most networks: as many as an answer has room for. */
export const longLimitSchema = rowsSchema.default(ROWS_MAX)
/** `next` of the page before, as it was given. */
export const cursorSchema = z.string().min(1).max(CURSOR_CHARS_MAX).optional()
/** Of a list whose answer has another page. */
export const nextSchema = z.string().optional()

/** What a read takes of a request for a page. @throws {CreoError} `invalid_input` */
export function pageOf({limit, cursor}: {readonly limit: number; readonly cursor?: string | undefined}): {limit: number; after?: PageKey} {
  return {limit, ...(cursor !== undefined && {after: keyOf(cursor)})}
}

/** Whoever got as many rows as were asked for goes on after the last of them; the page after the last one may be empty. */
export function nextOf<R>(rows: readonly R[], limit: number, keyOfRow: (row: R) => PageKey, last = rows.at(-1)): {next?: string} {
  if (last === undefined || rows.length < limit) return {}
  return {next: Buffer.from(JSON.stringify(keyOfRow(last))).toString('base64url')}
}

/** Orders, offers, leases, redemptions and revisions are named by their place. */
export function placeInName({id}: {readonly id: string}): PageKey {
  return [Number(id.slice(id.indexOf('_') + 1))]
}

function keyOf(cursor: string): PageKey {
  try {
    return z.array(z.union([z.int(), z.string()])).parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch (cause) {
    throw new CreoError('invalid_input', 'The cursor is not one that was given here.', {
      hint: 'Send `next` of the page before, or no cursor for the first page.',
      cause
    })
  }
}

/** A place in a stream: what was seen already. */
export const afterSchema = z.coerce.number().int().min(-1).default(-1)
/** Of a reader that can do with what changed since `after`. */
export const deltasSchema = z
  .literal('true')
  .transform(() => true)
  .optional()
/** Of a node for its own table. */
export const nodeTableWaitMsSchema = z.coerce.number().int().min(0).max(NODE_TABLE_WAIT_MAX_MS).default(0)
export const waitMsSchema = z.coerce.number().int().min(0).max(LONG_POLL_MAX_MS).default(0)
export const accountParamsSchema = z.object({account: z.string().min(2).max(40)})
export const incentiveParamsSchema = z.object({org: nameSchema, code: incentiveCodeSchema})
export const appParamsSchema = z.object({org: nameSchema, app: nameSchema})
