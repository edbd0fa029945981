import {RECEIPT_WINDOW_MAX_MS} from '../core/metering.ts'

/** A gateway that has used this node in so many windows, and has none of them signed, is left. */
const UNSIGNED_WINDOWS_MAX = 3
/** What passes between two looks counts for no more than this: what a process that stood still has not read yet is not late. */
const LOOK_GAP_MAX_MS = 5000

export interface UnsignedTimes {
  /** How often is looked. */
  readonly lookMs: number
  /** The longest window of an honest gateway. */
  readonly windowMs: number
  /** So long after a window's end its proposal may still come, over a slow line or from a gateway with much to do. */
  readonly patienceMs: number
  /** A gateway that was left is tried again after this. */
  readonly leftForMs: number
}

export const UNSIGNED_TIMES: UnsignedTimes = {
  lookMs: 1000,
  windowMs: RECEIPT_WINDOW_MAX_MS,
  patienceMs: 30_000,
  leftForMs: 15 * 60_000
}

interface Watched {
  /** Time that it was connected for; windows are reckoned by it, so that a gateway that is started anew loses nothing. */
  connectedMs: number
  movedBytes: number
  /** When the windows began, by `connectedMs`, in which it used this node since it last had one signed. */
  windows: readonly number[]
}

/** Finds gateways that let functions of this node answer and have no receipt of it signed. */
export class UnsignedWindows {
  readonly #times: UnsignedTimes
  readonly #monotonicMs: () => number
  readonly #bytesOf: (gateway: string) => number
  readonly #watched = new Map<string, Watched>()
  #lookedAtMs: number

  /** `bytesOf`: what has passed between a gateway and functions here, ever. */
  constructor(options: {
    readonly times: UnsignedTimes
    readonly monotonicMs: () => number
    readonly bytesOf: (gateway: string) => number
  }) {
    this.#times = options.times
    this.#monotonicMs = options.monotonicMs
    this.#bytesOf = options.bytesOf
    this.#lookedAtMs = options.monotonicMs()
  }

  /** @returns those of the connected gateways that should be left. */
  look(connected: Iterable<string>): readonly string[] {
    const nowMs = this.#monotonicMs()
    const passedMs = Math.min(LOOK_GAP_MAX_MS, nowMs - this.#lookedAtMs)
    this.#lookedAtMs = nowMs
    return [...connected].filter((gateway) => this.#isLate(gateway, passedMs))
  }

  /** The gateway has had work of this node signed. */
  signed(gateway: string): void {
    const watched = this.#watched.get(gateway)
    if (watched !== undefined) watched.windows = []
  }

  forget(gateway: string): void {
    this.#watched.delete(gateway)
  }

  #isLate(gateway: string, passedMs: number): boolean {
    const {windowMs, patienceMs} = this.#times
    const movedBytes = this.#bytesOf(gateway)
    const watched = this.#watched.get(gateway) ?? {connectedMs: 0, movedBytes, windows: []}
    this.#watched.set(gateway, watched)
    watched.connectedMs += passedMs
    const last = watched.windows.at(-1)
    const isNew = last === undefined || watched.connectedMs - last >= windowMs
    if (movedBytes !== watched.movedBytes && isNew && watched.windows.length < UNSIGNED_WINDOWS_MAX) {
      watched.windows = [...watched.windows, watched.connectedMs]
    }
    watched.movedBytes = movedBytes
    const third = watched.windows[UNSIGNED_WINDOWS_MAX - 1]
    return third !== undefined && watched.connectedMs - third >= windowMs + patienceMs
  }
}
