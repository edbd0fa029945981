import {setTimeout as wait} from 'node:timers/promises'
import {z} from 'zod'
import {readFileIfThere, writeFileDurably} from '../config/durable-file.ts'
import {isCreoError} from '../core/errors.ts'
import {type RoutesTable, routesTableSchema, type SignedTable, signedTableSchema} from '../core/protocol/tables.ts'
import {openTable} from '../identity/tables.ts'
import type {Log} from '../telemetry/log.ts'

const POLL_WAIT_MS = 25_000
const RETRY_FIRST_MS = 250
const RETRY_MAX_MS = 10_000
const TABLE_FILE_MAX = 160 * 2 ** 20

/** Where newer tables come from: the coordinator's client. */
export interface RoutesSource {
  /** Undefined when nothing newer than `after` came up within `waitMs`. */
  routesTable(after: number, waitMs: number, signal: AbortSignal): Promise<{readonly signed: SignedTable} | undefined>
}

export interface RoutesStoreOptions {
  readonly path: string
  readonly network: string
  readonly coordinatorKey: string
  readonly log: Log
  /** Called with each newer table, once it is on disk. */
  onTable(table: RoutesTable): void
}

interface NewerTable {
  readonly version: number
  readonly table: RoutesTable
}

/** The newest signed routes table, on disk so that everything is served with the coordinator gone. */
export class RoutesStore {
  readonly #options: RoutesStoreOptions
  #version = -1

  constructor(options: RoutesStoreOptions) {
    this.#options = options
  }

  get version(): number {
    return this.#version
  }

  /** Takes up the table that an earlier process stored. One that cannot be read is left aside: the coordinator has it too. */
  async load(): Promise<void> {
    const bytes = await readFileIfThere(this.#options.path, TABLE_FILE_MAX)
    if (bytes === undefined) return
    const stored = this.#read(bytes)
    if (stored !== undefined) this.#use(stored)
  }

  /** Asks for newer tables until the signal fires. What cannot be fetched is asked for again; rejects with what `onTable` throws. */
  async follow(source: RoutesSource, signal: AbortSignal): Promise<void> {
    let retryMs = RETRY_FIRST_MS
    while (!signal.aborted) {
      let newer: NewerTable | undefined
      try {
        newer = await this.#fetch(source, signal)
        retryMs = RETRY_FIRST_MS
      } catch (error) {
        if (signal.aborted) return
        this.#options.log.info({code: isCreoError(error) ? error.code : String(error), retryMs}, 'no newer table')
        await wait(retryMs, undefined, {signal}).catch(() => undefined)
        retryMs = Math.min(RETRY_MAX_MS, retryMs * 2)
      }
      if (newer !== undefined) this.#use(newer)
    }
  }

  /** A newer table, on disk; undefined when none came up. @throws {CreoError} `bad_signature`, `invalid_input`, and what the source throws. */
  async #fetch(source: RoutesSource, signal: AbortSignal): Promise<NewerTable | undefined> {
    const answer = await source.routesTable(Math.max(0, this.#version), POLL_WAIT_MS, signal)
    if (answer === undefined) return undefined
    const {signed} = answer
    const table = this.#open(signed)
    if (signed.version <= this.#version) return undefined
    await writeFileDurably(this.#options.path, JSON.stringify(signed))
    return {version: signed.version, table}
  }

  #read(bytes: Buffer): NewerTable | undefined {
    try {
      const signed = signedTableSchema.parse(JSON.parse(bytes.toString()))
      return {version: signed.version, table: this.#open(signed)}
    } catch (error) {
      if (!isCreoError(error) && !(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error
      this.#options.log.warn({err: error}, 'the stored table cannot be used')
      return undefined
    }
  }

  #open(signed: SignedTable): RoutesTable {
    const {network, coordinatorKey} = this.#options
    return openTable(signed, routesTableSchema, {network, coordinatorKey})
  }

  #use({version, table}: NewerTable): void {
    this.#version = version
    this.#options.onTable(table)
  }
}
