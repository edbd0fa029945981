import {createInterface} from 'node:readline'
import {setTimeout as delay} from 'node:timers/promises'
import type {RuntimeTools} from 'creo/runtime'
import {type ContainerdService, NAMESPACE} from './containerd-service.ts'
import type {Host} from './host.ts'

export interface ExitListener {
  /** The instance's first process ended. */
  onExit(id: string, exitCode: number): void
  /** Events may have been missed: look at every instance. */
  onReconnected(): Promise<void>
}

const EXIT = /\s\/tasks\/exit\s+(\{.*\})$/
const UPDATE = /\s\/namespaces\/update\s/
const RETRY_MS = 200
const TICK_MS = 100
const TICKS_MAX = 100

/** containerd's events about ended containers, by one `ctr events` for as long as this runtime is open. */
export class ExitEvents {
  readonly #tools: RuntimeTools
  readonly #host: Host
  readonly #service: ContainerdService
  readonly #listener: ExitListener
  readonly #lifetime = new AbortController()
  #subscribed: Promise<void> | undefined
  #running: Promise<void> | undefined

  constructor(options: {
    readonly tools: RuntimeTools
    readonly host: Host
    readonly service: ContainerdService
    readonly listener: ExitListener
  }) {
    this.#tools = options.tools
    this.#host = options.host
    this.#service = options.service
    this.#listener = options.listener
  }

  /** Resolves once no exit is missed any more. */
  open(): Promise<void> {
    this.#subscribed ??= this.#subscribe()
    return this.#subscribed
  }

  #subscribe(): Promise<void> {
    const subscribed = Promise.withResolvers<void>()
    this.#running = this.#run(subscribed.resolve).catch((error: unknown) => {
      this.#subscribed = undefined
      subscribed.reject(error)
      if (!this.#lifetime.signal.aborted) this.#tools.log('error', 'exits of instances are not seen any more', {error: String(error)})
    })
    return subscribed.promise
  }

  async close(): Promise<void> {
    this.#lifetime.abort()
    await this.#running
  }

  /** Again whenever containerd has ended under it. */
  async #run(onSubscribed: () => void): Promise<void> {
    const {signal} = this.#lifetime
    for (let first = true; !signal.aborted; first = false) {
      await this.#service.ensure()
      await this.#listen(async () => {
        onSubscribed()
        if (!first) await this.#listener.onReconnected()
      })
      await delay(RETRY_MS, undefined, {signal, ref: false}).catch(() => undefined)
    }
  }

  /** Until the stream ends. ctr does not say when it is subscribed: so we change a label until we see that in the stream. */
  async #listen(onSubscribed: () => Promise<void>): Promise<void> {
    const {signal} = this.#lifetime
    const stream = this.#tools.execa(this.#host.ctrPath, [...this.#service.ctrArguments, 'events'], {
      stdin: 'ignore',
      buffer: false,
      reject: false,
      cancelSignal: signal
    })
    const seen = new AbortController()
    const ticking = this.#tick(AbortSignal.any([signal, seen.signal])).catch((error: unknown) =>
      this.#tools.log('debug', 'containerd was not asked for events', {error: String(error)})
    )
    let reconciled: Promise<void> = Promise.resolve()
    for await (const line of createInterface({input: stream.stdout})) {
      if (!seen.signal.aborted && UPDATE.test(line)) {
        seen.abort()
        reconciled = onSubscribed().catch((error: unknown) =>
          this.#tools.log('warn', 'instances could not be looked at', {error: String(error)})
        )
      }
      this.#hear(line)
    }
    seen.abort()
    await Promise.all([stream, ticking, reconciled])
  }

  #hear(line: string): void {
    const text = EXIT.exec(line)?.[1]
    if (text === undefined) return
    const {
      container_id: container,
      id,
      exit_status: exitCode = 0
    } = JSON.parse(text) as {
      container_id: string
      id: string
      exit_status?: number
    }
    if (container === id) this.#listener.onExit(id, exitCode)
  }

  async #tick(signal: AbortSignal): Promise<void> {
    for (let tick = 0; tick < TICKS_MAX && !signal.aborted; tick++) {
      await this.#service.call(['namespaces', 'label', NAMESPACE, `creo.tick=${tick}`], AbortSignal.timeout(TICKS_MAX * TICK_MS))
      await delay(TICK_MS, undefined, {signal}).catch(() => undefined)
    }
  }
}
