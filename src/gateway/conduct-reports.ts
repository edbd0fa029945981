import {isCreoError} from '../core/errors.ts'
import {CONDUCT_REPORT_MS, type ConductReport} from '../core/protocol/conduct.ts'
import type {Log} from '../telemetry/log.ts'
import type {NodeConduct} from './conduct.ts'

const REPORT_TIMEOUT_MS = 30_000
/** The coordinator does not take this one, now or ever: what it says is lost. */
const REFUSED_CODES: ReadonlySet<string> = new Set(['invalid_input', 'payload_too_large', 'not_found', 'forbidden', 'unauthorized'])

/** Where reports go: the coordinator's client. */
export interface ConductSink {
  /** @throws {CreoError} */
  reportConduct(report: ConductReport, signal: AbortSignal): Promise<void>
}

export interface ConductReportsOptions {
  readonly gateway: string
  readonly conduct: NodeConduct
  readonly sink: ConductSink
  readonly now: () => number
  readonly log: Log
  readonly everyMs?: number | undefined
}

/**
 * Tells the coordinator now and then what was seen of nodes, and nothing when nothing was. What could not be said is said again before anything newer;
 * what this process counted and has not said is lost with it: no money hangs on it.
 */
export class ConductReports {
  readonly #options: ConductReportsOptions
  readonly #stop = new AbortController()
  readonly #timer: NodeJS.Timeout
  #waiting: ConductReport | undefined
  #sending: Promise<void> | undefined

  constructor(options: ConductReportsOptions) {
    this.#options = options
    this.#timer = setInterval(() => this.#tell(), options.everyMs ?? CONDUCT_REPORT_MS)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#stop.abort()
    await this.#sending
  }

  #tell(): void {
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined
    })
  }

  async #send(): Promise<void> {
    const {gateway, conduct, sink, now, log} = this.#options
    if (this.#waiting === undefined) {
      const nodes = conduct.take()
      if (nodes.length === 0) return
      this.#waiting = {gateway, untilMs: Math.round(now()), nodes}
    }
    try {
      await sink.reportConduct(this.#waiting, AbortSignal.any([this.#stop.signal, AbortSignal.timeout(REPORT_TIMEOUT_MS)]))
      this.#waiting = undefined
    } catch (error) {
      const code = isCreoError(error) ? error.code : 'internal'
      if (REFUSED_CODES.has(code)) this.#waiting = undefined
      if (!this.#stop.signal.aborted) log.info({code}, 'what was seen of nodes could not be told')
    }
  }
}
