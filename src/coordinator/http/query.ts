import {z} from 'zod'
import {NODE_TABLE_WAIT_MAX_MS} from '../../core/protocol/api.ts'
import {incentiveCodeSchema, nameSchema} from '../../core/protocol/scalars.ts'

const LONG_POLL_MAX_MS = 30_000
const ROWS_MAX = 1000
const ROWS_DEFAULT = 100

const rowsSchema = z.coerce.number().int().min(1).max(ROWS_MAX)
export const limitSchema = rowsSchema.default(ROWS_DEFAULT)
/** Of lists that are short in most networks: as many as an answer has room for. */
export const longLimitSchema = rowsSchema.default(ROWS_MAX)
/** A place in a stream: what was seen already. */
export const afterSchema = z.coerce.number().int().min(-1).default(-1)
/** Of a node for its own table. */
export const nodeTableWaitMsSchema = z.coerce.number().int().min(0).max(NODE_TABLE_WAIT_MAX_MS).default(0)
export const waitMsSchema = z.coerce.number().int().min(0).max(LONG_POLL_MAX_MS).default(0)
export const accountParamsSchema = z.object({account: z.string().min(2).max(40)})
export const incentiveParamsSchema = z.object({org: nameSchema, code: incentiveCodeSchema})
export const appParamsSchema = z.object({org: nameSchema, app: nameSchema})
