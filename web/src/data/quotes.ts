import {z} from 'zod/mini'
import {incentiveViewSchema, offerViewSchema} from '../../../src/core/protocol/api.ts'
import {redemptionRecordSchema, tickerSchema} from '../../../src/core/protocol/market-data.ts'
import {checksSignatures, network} from './network.ts'

/** Reads of the network, through the function `quotes` of the same origin. */

const ANSWER_TIMEOUT_MS = 20_000
/** The coordinator itself waits 5 s for a sequence. */
const TOLD_WAIT_MAX_MS = 7_000

/** Why there is no answer. `code` is one of the network's, or `offline` where nobody was reached. */
export class ReadTrouble extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

interface Schema<T> {
  parse(value: unknown): T
}

export const boardSchema = z.object({
  sequence: z.int(),
  markets: z.array(
    z.object({
      incentive: incentiveViewSchema,
      ticker: tickerSchema,
      record: redemptionRecordSchema,
      offers: z.array(offerViewSchema),
      offersInAll: z.int()
    })
  ),
  next: z.optional(z.string())
})
export type Board = z.output<typeof boardSchema>
export type BoardMarket = Board['markets'][number]

const errorSchema = z.object({error: z.object({code: z.string(), message: z.string()})})

/** The newest sequence that a command of this page came to, by the coordinator's word: what is read shows at least that. */
let caused = 0
/** The newest that was told beside; nobody signed that. */
let told = 0

export function sawSequence(sequence: number): void {
  caused = Math.max(caused, sequence)
}

export function heardSequence(sequence: number): void {
  told = Math.max(told, sequence)
}

interface ReadOptions {
  readonly signal: AbortSignal
  /** Whether only what the coordinator signed will do: what people decide by, before they sign. */
  readonly isSigned?: boolean
}

/** @throws {ReadTrouble} */
export async function readQuotes<T>(path: string, schema: Schema<T>, {signal, isSigned = false}: ReadOptions): Promise<T> {
  if (told <= caused) return readAfter(caused, {path, schema, signal, isSigned})
  const limit = AbortSignal.timeout(TOLD_WAIT_MAX_MS)
  try {
    return await readAfter(told, {path, schema, signal: AbortSignal.any([signal, limit]), isSigned})
  } catch (error) {
    if (signal.aborted || !(limit.aborted || (error as {readonly code?: unknown}).code === 'timeout')) throw error
    // It did not come in time, and whoever told it may have made it up.
    told = 0
    return readAfter(caused, {path, schema, signal, isSigned})
  }
}

async function readAfter<T>(
  after: number,
  {
    path,
    schema,
    signal,
    isSigned
  }: {readonly path: string; readonly schema: Schema<T>; readonly signal: AbortSignal; readonly isSigned: boolean}
): Promise<T> {
  const headers: Record<string, string> = after > 0 ? {'creo-after': String(after)} : {}
  const value =
    isSigned && (await checksSignatures()) ? await readSigned(path, headers, signal) : await fetchJson(`quotes${path}`, {signal, headers})
  try {
    return schema.parse(value)
  } catch {
    throw new ReadTrouble('bad_gateway', 'What came back could not be read.')
  }
}

async function readSigned(path: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown> {
  try {
    return await (await network()).read(path, {headers, signal})
  } catch (error) {
    const {code, message = ''} = error as {readonly code?: string; readonly message?: string}
    if (signal.aborted || code === undefined) throw error
    throw new ReadTrouble(code === 'unavailable' ? 'offline' : code, message)
  }
}

/** @throws {ReadTrouble} */
export async function fetchJson(path: string, init: RequestInit & {readonly signal: AbortSignal}): Promise<unknown> {
  let answer: Response
  let value: unknown
  try {
    answer = await fetch(new URL(path, document.baseURI), {
      ...init,
      signal: AbortSignal.any([init.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])
    })
    value = await answer.json()
  } catch (cause) {
    if (init.signal.aborted) throw cause
    throw new ReadTrouble('offline', 'Nobody answered.')
  }
  if (answer.ok) return value
  const told = errorSchema.safeParse(value)
  throw told.success
    ? new ReadTrouble(told.data.error.code, told.data.error.message)
    : new ReadTrouble('bad_gateway', `Status ${answer.status}.`)
}
