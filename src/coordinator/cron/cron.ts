import {createHash, sign} from 'node:crypto'
import {isCreoError} from '../../core/errors.ts'
import {firingText, type ScheduleView} from '../../core/protocol/cron.ts'
import {type KeyPair, sha256Hex} from '../../identity/keys.ts'
import type {GatewayView, Ledger} from '../../ledger/port.ts'
import type {Log} from '../../telemetry/log.ts'
import type {GatewayCalls} from '../gateway-calls.ts'
import {CronStore, type Fired} from './cron-store.ts'
import {DueTimes, type Schedule, schedulesInForce} from './schedules.ts'

/** Calls that are handed to gateways at a time. */
const HANDING_MAX = 32
/** Calls that gateways are asked about at a time. */
const ASKED_AT_A_TIME = 16
/** A call that no gateway has taken is tried again after so long, twice as long each time. */
const RETRY_FIRST_MS = 1000
const RETRY_MAX_MS = 60_000
/** A gateway that does not answer is asked after the others for so long. */
const PASSED_OVER_MS = 60_000
/** One that none took within a day is given up. */
const GIVEN_UP_MS = 24 * 3600 * 1000
const ID_LENGTH = 32
/** Commands after which other schedules may be in force: deploys, moved traffic, and what is done to an app as a whole. */
const CHANGING = /^(revision\.deploy|traffic\.set|app\..*)$/

interface InForce {
  readonly schedule: Schedule
  /** Undefined for one that no calendar understands. */
  readonly times: DueTimes | undefined
  nextMs: number | undefined
}

export interface CronTools {
  readonly path: string
  readonly ledger: Ledger
  readonly key: KeyPair
  readonly calls: Pick<GatewayCalls, 'hand' | 'find'>
  readonly log: Log
}

/** Fires what the apps' schedules say: each time becomes one call, with an id of its own, that is handed to a gateway's queue. */
export class Cron {
  readonly #tools: CronTools
  readonly #store: CronStore
  readonly #inForce = new Map<string, InForce>()
  readonly #handing = new Map<string, Promise<void>>()
  readonly #retries = new Map<string, {readonly atMs: number; readonly waitMs: number}>()
  readonly #unsubscribe: () => void
  /** Gateways that did not answer, and until when they come last. */
  readonly #passedOver = new Map<string, number>()
  /** The last schedule whose call began to be handed over: the next turn is for those behind it. */
  #lastKey = ''
  #isStale = true

  constructor(tools: CronTools) {
    this.#tools = tools
    this.#store = new CronStore(tools.path)
    this.#unsubscribe = tools.ledger.onCommitted(({types}) => {
      this.#isStale ||= [...types].some((type) => CHANGING.test(type))
    })
  }

  /** Fires what is due, and has gateways take what waits. It does not wait for them. */
  tick(signal: AbortSignal): void {
    const nowMs = this.#tools.ledger.nowMs()
    if (this.#isStale) this.#reread(nowMs)
    this.#fire(nowMs)
    for (const fired of inTurn(this.#store.waiting(), this.#lastKey)) {
      if (this.#handing.size >= HANDING_MAX) return
      if (this.#handing.has(fired.key) || (this.#retries.get(fired.key)?.atMs ?? 0) > nowMs) continue
      const schedule = this.#inForce.get(fired.key)?.schedule
      if (schedule === undefined) continue
      this.#lastKey = fired.key
      const handing = this.#handOver(schedule, fired, signal)
        .catch((error: unknown) => this.#tools.log.error({err: error, call: fired.call}, 'the call of a schedule waits'))
        .finally(() => this.#handing.delete(fired.key))
      this.#handing.set(fired.key, handing)
    }
  }

  /** The schedules of an app, with what came of their last times as gateways say. */
  async list({org, app}: {readonly org: string; readonly app: string}, signal: AbortSignal): Promise<ScheduleView[]> {
    const nowMs = this.#tools.ledger.nowMs()
    if (this.#isStale) this.#reread(nowMs)
    const own = [...this.#inForce.values()].filter(({schedule}) => schedule.org === org && schedule.app === app)
    const silent = new Set<string>()
    const shown: ScheduleView[] = []
    for (let at = 0; at < own.length; at += ASKED_AT_A_TIME) {
      const some = own.slice(at, at + ASKED_AT_A_TIME).map(async ({schedule, nextMs}) => {
        const {key, org: _org, app: _app, ...rest} = schedule
        return {...rest, nextAtMs: nextMs ?? null, last: await this.#last(this.#store.find(key), silent, signal)}
      })
      shown.push(...(await Promise.all(some)))
    }
    return shown
  }

  /** Call it once the signal of the ticks has fired. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await Promise.all(this.#handing.values())
    this.#store.close()
  }

  #reread(nowMs: number): void {
    this.#isStale = false
    const schedules = schedulesInForce(this.#tools.ledger.reads)
    this.#store.keep(new Set(schedules.map(({key}) => key)), nowMs)
    const before = new Map(this.#inForce)
    this.#inForce.clear()
    for (const schedule of schedules) this.#inForce.set(schedule.key, before.get(schedule.key) ?? this.#begin(schedule))
    for (const key of this.#retries.keys()) if (!this.#inForce.has(key)) this.#retries.delete(key)
  }

  #begin(schedule: Schedule): InForce {
    const {sinceMs = 0, firedMs} = this.#store.find(schedule.key) ?? {}
    try {
      const times = new DueTimes(schedule)
      return {schedule, times, nextMs: times.after(firedMs ?? sinceMs)}
    } catch (error) {
      this.#tools.log.warn({err: error, org: schedule.org, app: schedule.app, function: schedule.function}, 'a schedule never comes due')
      return {schedule, times: undefined, nextMs: undefined}
    }
  }

  /** Of times that were missed only the last is made up for. A call that still waits for a gateway gives way to the newer one. */
  #fire(nowMs: number): void {
    const due: {readonly entry: InForce; readonly times: DueTimes; readonly fired: Fired}[] = []
    for (const entry of this.#inForce.values()) {
      const {schedule, times, nextMs} = entry
      const before = this.#store.find(schedule.key)
      if (nextMs === undefined || nextMs > nowMs || times === undefined || before === undefined) continue
      const atMs = times.lastUntil(nowMs, before.firedMs ?? before.sinceMs) ?? nextMs
      const fired = {...before, firedMs: atMs, call: this.#callId(schedule, atMs), state: 'waiting', gateway: null} as const
      due.push({entry, times, fired})
    }
    this.#store.save(due.map(({fired}) => fired))
    for (const {entry, times} of due) {
      entry.nextMs = times.after(nowMs)
      this.#retries.delete(entry.schedule.key)
    }
  }

  /** Unknown to who knows the schedule alone, since the id is the right to end the call. */
  #callId(schedule: Schedule, atMs: number): string {
    const {ledger, key} = this.#tools
    const signature = sign(null, Buffer.from(firingText({network: ledger.networkId, ...schedule, atMs})), key.privateKey)
    return `call_${createHash('sha256').update(signature).digest('base64url').slice(0, ID_LENGTH)}`
  }

  /** Asks gateways in turn, in the same order but for those that lately did not answer: one that has the call already says so. */
  async #handOver(schedule: Schedule, fired: Fired, signal: AbortSignal): Promise<void> {
    const {calls, ledger, log} = this.#tools
    if (fired.firedMs === null || fired.call === null) return
    const {org, app, function: name, method, path} = schedule
    const call = {id: fired.call, org, app, function: name, method, path, scheduledAtMs: fired.firedMs}
    let said = 'the network has no gateway'
    for (const gateway of this.#inOrder(fired.key)) {
      try {
        await calls.hand(gateway, call, signal)
        this.#passedOver.delete(gateway.id)
        this.#settle(fired, {state: 'handed', gateway: gateway.id})
        return
      } catch (error) {
        if (signal.aborted) return
        said = isCreoError(error) ? error.message : String(error)
        // A full share of one app's says nothing of other calls.
        if (isCreoError(error) && error.code === 'unavailable') this.#passedOver.set(gateway.id, ledger.nowMs() + PASSED_OVER_MS)
        log.info({gateway: gateway.id, call: call.id, said}, 'the gateway does not take the call')
      }
    }
    this.#refused(fired, said)
  }

  #inOrder(key: string): readonly GatewayView[] {
    const {reads} = this.#tools.ledger
    const nowMs = this.#tools.ledger.nowMs()
    for (const [id, untilMs] of this.#passedOver) if (untilMs <= nowMs) this.#passedOver.delete(id)
    const gateways = inOrder(reads.gateways(), key)
    return [...gateways.filter(({id}) => !this.#passedOver.has(id)), ...gateways.filter(({id}) => this.#passedOver.has(id))]
  }

  #refused(fired: Fired, said: string): void {
    const nowMs = this.#tools.ledger.nowMs()
    if (nowMs - (fired.firedMs ?? nowMs) > GIVEN_UP_MS) {
      this.#tools.log.warn({call: fired.call, said}, 'no gateway took the call of a schedule within a day')
      this.#settle(fired, {state: 'given_up'})
      return
    }
    const waitMs = Math.min(RETRY_MAX_MS, 2 * (this.#retries.get(fired.key)?.waitMs ?? RETRY_FIRST_MS / 2))
    if (this.#store.find(fired.key)?.call === fired.call) this.#retries.set(fired.key, {atMs: nowMs + waitMs, waitMs})
  }

  /** A newer call of the schedule may have taken its place meanwhile. */
  #settle(fired: Fired, how: Pick<Fired, 'state'> & {readonly gateway?: string}): void {
    if (this.#store.find(fired.key)?.call !== fired.call) return
    this.#retries.delete(fired.key)
    this.#store.save([{...fired, ...how}])
  }

  /** A gateway that was `silent` once is not waited for again. */
  async #last(fired: Fired | undefined, silent: Set<string>, signal: AbortSignal): Promise<ScheduleView['last']> {
    if (fired?.call == null || fired.firedMs === null) return null
    const {call, firedMs: scheduledAtMs, state, gateway: id} = fired
    if (state === 'waiting' || state === 'given_up') return {scheduledAtMs, call, state}
    const gateway = this.#tools.ledger.reads.gateways().find((one) => one.id === id)
    if (gateway === undefined || silent.has(gateway.id)) return {scheduledAtMs, call, state: 'unknown'}
    const found = await this.#tools.calls.find(gateway, call, signal).catch((error: unknown) => {
      if (!isCreoError(error) || error.code !== 'not_found') silent.add(gateway.id)
      return undefined
    })
    if (found === undefined) return {scheduledAtMs, call, state: 'unknown'}
    const {result, error} = found
    return {
      scheduledAtMs,
      call,
      state: found.state,
      ...(result !== undefined && {status: result.status}),
      ...(error !== undefined && {error: error.message})
    }
  }
}

/** Those behind `lastKey` first, so that none waits because others are asked again and again. */
function inTurn(waiting: readonly Fired[], lastKey: string): readonly Fired[] {
  const sorted = waiting.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  return [...sorted.filter(({key}) => key > lastKey), ...sorted.filter(({key}) => key <= lastKey)]
}

/** Schedules are spread over gateways, and each keeps to its own as long as that is there. */
function inOrder(gateways: readonly GatewayView[], key: string): readonly GatewayView[] {
  const ranked = gateways.map((gateway) => ({gateway, rank: sha256Hex(`${gateway.id} ${key}`)}))
  return ranked.sort((a, b) => (a.rank < b.rank ? 1 : -1)).map(({gateway}) => gateway)
}
