import {setTimeout as wait} from 'node:timers/promises'
import {KeptTable} from '../client/kept-table.ts'
import {isCreoError} from '../core/errors.ts'
import {
  type RoutesTable,
  type RoutesTableDelta,
  routesTableDeltaSchema,
  routesTableSchema,
  type TableNews
} from '../core/protocol/tables.ts'
import {changedRoutesTable} from '../core/table-deltas.ts'
import type {Log} from '../telemetry/log.ts'

const POLL_WAIT_MS = 25_000
const RETRY_FIRST_MS = 250
const RETRY_MAX_MS = 10_000

/** Where newer tables come from: the coordinator's client. */
export interface RoutesSource {
  /** Undefined when nothing newer than `after` came up within `waitMs`; with `deltas`, what changed since then will do. */
  routesTable(
    after: number,
    waitMs: number,
    signal: AbortSignal,
    options: {readonly deltas: boolean}
  ): Promise<{readonly signed: TableNews} | undefined>
}

export interface RoutesStoreOptions {
  readonly path: string
  readonly network: string
  readonly coordinatorKey: string
  readonly log: Log
  /** Called with each newer table, once it is on disk. */
  onTable(table: RoutesTable): void
}

/** The newest signed routes table, on disk so that everything is served with the coordinator gone. */
export class RoutesStore {
  readonly #options: RoutesStoreOptions
  readonly #kept: KeptTable<RoutesTable, RoutesTableDelta>

  constructor(options: RoutesStoreOptions) {
    this.#options = options
    const form = {schema: routesTableSchema, deltaSchema: routesTableDeltaSchema, changed: changedRoutesTable}
    this.#kept = new KeptTable({...options, form})
  }

  get version(): number {
    return this.#kept.version
  }

  /** Takes up the table that an earlier process stored. One that cannot be read is left aside: the coordinator has it too. */
  async load(): Promise<void> {
    try {
      await this.#kept.load()
    } catch (error) {
      if (!isCreoError(error)) throw error
      this.#options.log.warn({err: error}, 'the stored table cannot be used')
    }
    this.#use()
  }

  /** Asks for newer tables until the signal fires. What cannot be fetched is asked for again; rejects with what `onTable` throws. */
  async follow(source: RoutesSource, signal: AbortSignal): Promise<void> {
    let retryMs = RETRY_FIRST_MS
    while (!signal.aborted) {
      let isNewer = false
      try {
        isNewer = await this.#fetch(source, signal)
        retryMs = RETRY_FIRST_MS
      } catch (error) {
        if (signal.aborted) return
        this.#options.log.info({code: isCreoError(error) ? error.code : String(error), retryMs}, 'no newer table')
        await wait(retryMs, undefined, {signal}).catch(() => undefined)
        retryMs = Math.min(RETRY_MAX_MS, retryMs * 2)
      }
      if (isNewer) this.#use()
    }
  }

  /** Whether a newer table came up, which is on disk then. @throws {CreoError} `bad_signature`, `invalid_input`, and what the source throws. */
  async #fetch(source: RoutesSource, signal: AbortSignal): Promise<boolean> {
    const {version, takesDeltas: deltas} = this.#kept
    const answer = await source.routesTable(Math.max(0, version), POLL_WAIT_MS, signal, {deltas})
    return answer !== undefined && (await this.#kept.accept(answer.signed)) === 'newer'
  }

  #use(): void {
    if (this.#kept.table !== undefined) this.#options.onTable(this.#kept.table)
  }
}
