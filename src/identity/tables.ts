import type {z} from 'zod'
import {CreoError} from '../core/errors.ts'
import {
  type SignedTable,
  type SignedTableDelta,
  signedTableDeltaSchema,
  signedTableSchema,
  tableDeltaSigningText,
  tableSigningText
} from '../core/protocol/tables.ts'
import {type KeyPair, sha256Hex, signText, verifyText} from './keys.ts'

export interface TableToSign {
  readonly network: string
  /** Ledger sequence that the table reflects. */
  readonly version: number
  /** The table in its wire form (z.encode). */
  readonly body: unknown
  readonly key: KeyPair
}

/** Signs a table as the coordinator. */
export function signTable({network, version, body, key}: TableToSign): SignedTable {
  const text = JSON.stringify(body)
  const head = {v: 'creo-table-v1', network, version} as const
  return {...head, body: text, signature: signText(key, tableSigningText(head, sha256Hex(text)))}
}

/** Signs what changed in a table since an earlier version, as the coordinator. */
export function signTableDelta({network, since, version, body, key}: TableToSign & {readonly since: number}): SignedTableDelta {
  const text = JSON.stringify(body)
  const head = {v: 'creo-table-delta-v1', network, since, version} as const
  return {...head, body: text, signature: signText(key, tableDeltaSigningText(head, sha256Hex(text)))}
}

/** Whose tables are opened. */
export interface TableTrust {
  readonly network: string
  readonly coordinatorKey: string
}

/**
 * Opens a table from the wire or from disk.
 * @throws {CreoError} `bad_signature` when it is not this coordinator's or of another network; `invalid_input` when it is no such table.
 */
export function openTable<S extends z.ZodType>(signed: unknown, schema: S, trust: TableTrust): z.output<S> {
  const table = parsedOr(signedTableSchema, signed)
  assertSigned(table, tableSigningText(table, sha256Hex(table.body)), trust)
  return parsedOr(schema, jsonOf(table.body))
}

/** Opens what changed in a table. @throws {CreoError} as `openTable`. */
export function openTableDelta<S extends z.ZodType>(signed: unknown, schema: S, trust: TableTrust): z.output<S> {
  const delta = parsedOr(signedTableDeltaSchema, signed)
  assertSigned(delta, tableDeltaSigningText(delta, sha256Hex(delta.body)), trust)
  return parsedOr(schema, jsonOf(delta.body))
}

function assertSigned(signed: SignedTable | SignedTableDelta, text: string, {network, coordinatorKey}: TableTrust): void {
  const hint = 'Check the coordinator URL and the network id.'
  if (signed.network !== network) throw new CreoError('bad_signature', 'The table is of another network.', {hint})
  if (!verifyText(coordinatorKey, text, signed.signature))
    throw new CreoError('bad_signature', 'The table is not signed by the coordinator.', {hint})
}

function parsedOr<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (!parsed.success)
    throw new CreoError('invalid_input', 'The table is not one that this version of creo knows.', {
      hint: 'Upgrade creo.',
      cause: parsed.error
    })
  return parsed.data
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CreoError('invalid_input', 'The table is not JSON.', {cause})
  }
}
