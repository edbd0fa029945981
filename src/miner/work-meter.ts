import {instanceMibMs} from '../core/metering.ts'
import {StandbyMeasure} from './standby-measure.ts'

/** What this node measured of one revision for one gateway and has not signed for yet. */
export interface MeasuredWork {
  readonly mibMs: number
  readonly bytesIn: number
  readonly bytesOut: number
}

interface Account {
  mibMs: number
  bytesIn: number
  bytesOut: number
  /** What the last window left over: a gateway counts contents, this node also headers. */
  leftBytes: number
  /** Time of the windows that were signed for, by lease, so that they can't cover more time than has passed. Windows of two leases may overlap. */
  readonly windowsMs: Map<string, number>
}

interface RunningInstance {
  readonly account: Account
  readonly gateway: string
  readonly revision: string
  readonly memoryBytes: number
  countedUntilMs: number
}

const ACCOUNTS_MAX = 100_000
/** Leases of one revision that this node has had; of an earlier one nobody proposes windows any more. */
const LEASES_MAX = 64

/**
 * Counts instance time and bytes by gateway and revision, by a clock that nobody sets. What is signed for is taken out, so all
 * windows of a gateway together never claim more than was measured, however late or in whatever bursts they are proposed.
 */
export class WorkMeter {
  readonly standby: StandbyMeasure
  readonly #monotonicMs: () => number
  readonly #sinceMs: number
  readonly #accounts = new Map<string, Account>()
  readonly #running = new Map<string, RunningInstance>()
  /** What has passed to and from each gateway since the measuring began. */
  readonly #movedBytes = new Map<string, number>()

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
    this.#sinceMs = monotonicMs()
    this.standby = new StandbyMeasure(monotonicMs)
  }

  /** Time that this process has measured for. */
  get elapsedMs(): number {
    return this.#monotonicMs() - this.#sinceMs
  }

  instanceStarted(work: {
    readonly instance: string
    readonly gateway: string
    readonly revision: string
    readonly memoryBytes: number
  }): void {
    const {instance, gateway, revision, memoryBytes} = work
    this.instanceEnded(instance)
    this.#running.set(instance, {
      account: this.#account(gateway, revision),
      gateway,
      revision,
      memoryBytes,
      countedUntilMs: this.#monotonicMs()
    })
    this.standby.runs(revision, 1)
  }

  instanceEnded(instance: string): void {
    const running = this.#running.get(instance)
    if (running === undefined) return
    this.#count(running)
    this.#running.delete(instance)
    this.standby.runs(running.revision, -1)
  }

  addBytes(instance: string, bytes: {readonly in: number; readonly out: number}): void {
    const running = this.#running.get(instance)
    if (running === undefined) return
    running.account.bytesIn += bytes.in
    running.account.bytesOut += bytes.out
    this.#movedBytes.set(running.gateway, this.movedBytes(running.gateway) + bytes.in + bytes.out)
  }

  /** What has passed between a gateway and functions here since the measuring began. */
  movedBytes(gateway: string): number {
    return this.#movedBytes.get(gateway) ?? 0
  }

  /** Whether something passed that is not signed for yet. */
  get hasUnsignedBytes(): boolean {
    for (const account of this.#accounts.values()) if (account.bytesIn + account.bytesOut > account.leftBytes) return true
    return false
  }

  measured(gateway: string, revision: string): MeasuredWork {
    const account = this.#account(gateway, revision)
    for (const running of this.#running.values()) if (running.account === account) this.#count(running)
    return {mibMs: account.mibMs, bytesIn: account.bytesIn, bytesOut: account.bytesOut}
  }

  /** Time that further windows of this gateway and lease can have lasted since the measuring began. */
  windowsLeftMs(gateway: string, {revision, lease}: {readonly revision: string; readonly lease: string}): number {
    return this.elapsedMs - (this.#account(gateway, revision).windowsMs.get(lease) ?? 0)
  }

  /** Takes out what was signed for. */
  take(
    gateway: string,
    {revision, lease}: {readonly revision: string; readonly lease: string},
    signed: MeasuredWork & {readonly windowMs: number}
  ): void {
    const account = this.#account(gateway, revision)
    account.mibMs = Math.max(0, account.mibMs - signed.mibMs)
    account.bytesIn = Math.max(0, account.bytesIn - signed.bytesIn)
    account.bytesOut = Math.max(0, account.bytesOut - signed.bytesOut)
    account.leftBytes = account.bytesIn + account.bytesOut
    const {windowsMs} = account
    windowsMs.set(lease, (windowsMs.get(lease) ?? 0) + signed.windowMs)
    const [oldest] = windowsMs.keys()
    if (windowsMs.size > LEASES_MAX && oldest !== undefined) windowsMs.delete(oldest)
  }

  /** Forgets revisions whose windows are signed no more. */
  keepOnly(revisions: ReadonlySet<string>): void {
    this.standby.keepOnly(revisions)
    for (const key of this.#accounts.keys()) {
      if (!revisions.has(key.slice(key.indexOf(' ') + 1))) this.#accounts.delete(key)
    }
  }

  #count(running: RunningInstance): void {
    const nowMs = this.#monotonicMs()
    const mibMs = instanceMibMs(running.memoryBytes, nowMs - running.countedUntilMs)
    // Counting often must not round time away: what is less than a unit stays for the next time.
    if (mibMs === 0) return
    running.account.mibMs += mibMs
    running.countedUntilMs = nowMs
  }

  #account(gateway: string, revision: string): Account {
    const key = `${gateway} ${revision}`
    const known = this.#accounts.get(key)
    if (known !== undefined) return known
    const account = {mibMs: 0, bytesIn: 0, bytesOut: 0, leftBytes: 0, windowsMs: new Map<string, number>()}
    if (this.#accounts.size < ACCOUNTS_MAX) this.#accounts.set(key, account)
    return account
  }
}
