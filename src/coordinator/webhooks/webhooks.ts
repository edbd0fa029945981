import {randomBytes, randomInt} from 'node:crypto'
import {CreoError} from '../../core/errors.ts'
import {type WebhookTested, webhookEventSchema} from '../../core/protocol/webhooks.ts'
import type {KeyPair} from '../../identity/keys.ts'
import {signWebhook} from '../../identity/webhook-signatures.ts'
import type {CommittedGroup, Ledger} from '../../ledger/port.ts'
import type {Log} from '../../telemetry/log.ts'
import {checkWebAddress, postAnywhere, postOutside, type WebAnswer, type WebOptions} from '../../tunnel/web-post.ts'
import {eventsOf, type ToldCommand, toldOf} from './webhook-events.ts'
import {type Attempt, type DueDelivery, WebhookStore} from './webhook-store.ts'

/** How often what happened is noted down and what is due is told: an org that hands things over hears of it at once. */
export const WEBHOOK_TICK_MS = 200
/** Deliveries under way at a time: of all orgs, and of one. */
const UNDER_WAY_MAX = 32
const PER_ORG_MAX = 4
/** Of all orgs, and of one, whose server has not been prompt: those that fail or keep others waiting never take what the others need. */
const SLOW_UNDER_WAY_MAX = 16
const PER_SLOW_ORG_MAX = 1
/** Who took its last event within this is prompt. */
const PROMPT_MS = 2000
/** From the name to the answer's status. */
const ATTEMPT_MAX_MS = 10_000
/** An event that did not arrive is told again after so long, twice as long each time, give or take a fifth. */
const RETRY_FIRST_MS = 5000
const RETRY_MAX_MS = 3600_000
const JITTER_PERMILLE = 200
/** One that did not arrive within three days is given up, until somebody asks for it. */
const GIVEN_UP_MS = 72 * 3600_000
/** Commands that are kept in memory until the next turn; of more, the journal is asked. */
const GATHERED_MAX = 10_000
/** Of the journal, in one step. */
const READ_COMMANDS = 1000
/** The place in the journal moves on by so many commands also when they are none of an org's business. */
const NOTED_EVERY = 5000
const SAID_CHARS_MAX = 300
const SUCCESS = 2
const HUNDRED = 100

export interface WebhookTools {
  readonly path: string
  readonly ledger: Ledger
  readonly key: KeyPair
  /** After which a redemption expires. */
  readonly timeoutMs: number
  /** True for a network that is tried out: its webhooks may go to any address, this machine's too, and over plain HTTP. */
  readonly anywhere: boolean
  readonly web?: WebOptions
  readonly log: Log
}

/** Tells orgs' own servers of their redemptions: each event at least once, from a place in the journal that is kept on disk, and never what replay does. */
export class Webhooks {
  readonly store: WebhookStore
  readonly #tools: WebhookTools
  readonly #unsubscribe: () => void
  /** Until it is in the store how they ended. */
  readonly #underWay = new Map<string, {readonly org: string; readonly done: Promise<void>}>()
  /** Orgs whose server took its last event at once. After a start nobody is known to. */
  readonly #prompt = new Set<string>()
  /** How attempts ended since the last turn. */
  #ended: Attempt[] = []
  #gathered: ToldCommand[] = []
  /** The last sequence that projections show. */
  #shownSeq: number
  /** What the store lacks is not all in memory: it is read from the journal. */
  #mustRead = true
  #lastOrg = ''

  constructor(tools: WebhookTools) {
    this.#tools = tools
    this.store = new WebhookStore(tools.path)
    this.#shownSeq = tools.ledger.sequence
    this.store.forgetAfter(this.#shownSeq)
    this.#unsubscribe = tools.ledger.onCommitted((group) => this.#gather(group))
  }

  /** Notes down what happened and how attempts ended, and tells what is due. It waits for nobody. */
  tick(signal: AbortSignal): void {
    this.#settle()
    if (this.store.isEmpty) return
    this.#note()
    const nowMs = this.#tools.ledger.nowMs()
    for (const org of inTurn(this.store.orgsDue(nowMs), this.#lastOrg)) {
      if (this.#underWay.size >= UNDER_WAY_MAX) return
      const {room, own} = this.#roomOf(org)
      if (room <= 0) continue
      // Those under way are still due.
      const due = this.store.due(org, {nowMs, limit: room + own}).filter(({id}) => !this.#underWay.has(id))
      if (due.length > 0) this.#lastOrg = org
      for (const delivery of due.slice(0, room)) this.#begin(delivery, signal)
    }
  }

  /** @throws {CreoError} `forbidden` for an address that no webhook goes to, `rejected` */
  set({org, url, keyId}: {readonly org: string; readonly url: string; readonly keyId: string}): void {
    this.#check(new URL(url))
    const {ledger} = this.#tools
    this.store.set({org, url, keyId, nowMs: ledger.nowMs(), seq: ledger.sequence})
    this.#prompt.delete(org)
  }

  /** False where there was none. With all that waits and was told. */
  remove(org: string): boolean {
    this.#prompt.delete(org)
    return this.store.remove(org)
  }

  /** Sends one event that says nothing, and answers how the server took it. @throws {CreoError} `not_found` without a webhook */
  async test(org: string, signal: AbortSignal): Promise<WebhookTested> {
    const url = this.store.urlOf(org)
    if (url === undefined) throw new CreoError('not_found', `${org} has no webhook.`, {hint: 'creo redemption webhook set URL'})
    const {ledger} = this.#tools
    const delivery = `evt_test_${randomBytes(16).toString('hex')}`
    const event = {v: 1, id: delivery, network: ledger.networkId, org, type: 'webhook.test', atMs: ledger.nowMs()} as const
    const beganMs = performance.now()
    const body = JSON.stringify(webhookEventSchema.encode(event))
    const answer = await this.#post(url, {id: delivery, body}, signal).catch(saidBy)
    signal.throwIfAborted()
    const tookMs = Math.round(performance.now() - beganMs)
    if (typeof answer === 'string') return {delivery, status: null, said: answer.slice(0, SAID_CHARS_MAX), tookMs}
    return {delivery, status: answer.status, said: saidOf(answer), tookMs}
  }

  /** Call it once the signal of the ticks has fired. */
  async close(): Promise<void> {
    this.#unsubscribe()
    await Promise.all([...this.#underWay.values()].map(({done}) => done))
    this.#settle()
    this.store.close()
  }

  /** How many more of an org may be under way now, and how many are. */
  #roomOf(org: string): {readonly room: number; readonly own: number} {
    const all = [...this.#underWay.values()]
    const own = all.filter((one) => one.org === org).length
    const left = UNDER_WAY_MAX - all.length
    if (this.#prompt.has(org)) return {room: Math.min(PER_ORG_MAX - own, left), own}
    const slow = all.filter((one) => !this.#prompt.has(one.org)).length
    return {room: Math.min(PER_SLOW_ORG_MAX - own, SLOW_UNDER_WAY_MAX - slow, left), own}
  }

  /** All that ended since the last turn costs one sync. What a crash keeps out of the store is told again, under the same id. */
  #settle(): void {
    const ended = this.#ended
    if (ended.length === 0) return
    this.#ended = []
    try {
      this.store.settle(ended)
    } catch (error) {
      this.#tools.log.error({err: error, deliveries: ended.length}, 'webhooks were not settled; they are told again')
    }
    for (const {id} of ended) this.#underWay.delete(id)
  }

  #gather({lastSeq, commands}: CommittedGroup): void {
    this.#shownSeq = lastSeq
    if (this.store.isEmpty) {
      this.#mustRead = true
      return
    }
    for (const command of commands) {
      const told = toldOf(command)
      if (told !== undefined) this.#gathered.push(told)
    }
    if (this.#gathered.length <= GATHERED_MAX) return
    this.#gathered = []
    this.#mustRead = true
  }

  /** All that is shown is in the store afterwards, or as much of the journal as is read in one step. */
  #note(): void {
    const {reads} = this.#tools.ledger
    const toldSeq = this.store.toldSeq ?? this.#shownSeq
    if (this.#mustRead) {
      const groups = reads.groupsAfter(toldSeq, READ_COMMANDS).filter(({lastSeq}) => lastSeq <= this.#shownSeq)
      const seq = groups.at(-1)?.lastSeq
      this.#mustRead = seq !== undefined && seq < this.#shownSeq
      const commands = groups.flatMap((group) => group.commands.flatMap((command) => toldOf(command) ?? []))
      if (seq !== undefined) this.#take(commands, {after: toldSeq, seq})
      return
    }
    const gathered = this.#gathered
    if (gathered.length === 0 && this.#shownSeq - toldSeq < NOTED_EVERY) return
    this.#gathered = []
    this.#take(gathered, {after: toldSeq, seq: this.#shownSeq})
  }

  #take(commands: readonly ToldCommand[], {after, seq}: {readonly after: number; readonly seq: number}): void {
    const {ledger, timeoutMs} = this.#tools
    const tools = {
      reads: ledger.reads,
      network: ledger.networkId,
      timeoutMs,
      isWanted: (org: string) => this.store.urlOf(org) !== undefined
    }
    this.store.take(
      commands.filter((command) => command.seq > after).flatMap((command) => eventsOf(command, tools)),
      {seq, nowMs: ledger.nowMs()}
    )
  }

  #begin(delivery: DueDelivery, signal: AbortSignal): void {
    const {id, org} = delivery
    const done = this.#deliver(delivery, signal)
      .catch((error: unknown) => this.#tools.log.error({err: error, org, delivery: id}, 'a webhook was not told; it is told again'))
      .then((attempt) => {
        if (attempt === undefined) this.#underWay.delete(id)
        else this.#ended.push(attempt)
      })
    this.#underWay.set(id, {org, done})
  }

  /** Undefined for one that did not come to an end. */
  async #deliver(delivery: DueDelivery, signal: AbortSignal): Promise<Attempt | undefined> {
    const {id, org} = delivery
    const url = this.store.urlOf(org)
    if (url === undefined) return undefined
    const beganMs = performance.now()
    const answer = await this.#post(url, delivery, signal).catch(saidBy)
    if (signal.aborted) return undefined
    const nowMs = this.#tools.ledger.nowMs()
    const isPrompt = performance.now() - beganMs <= PROMPT_MS
    if (typeof answer !== 'string' && isSuccess(answer)) {
      if (isPrompt && this.store.urlOf(org) === url) this.#prompt.add(org)
      else this.#prompt.delete(org)
      return {org, id, next: null, said: saidOf(answer), nowMs}
    }
    this.#prompt.delete(org)
    const said = (typeof answer === 'string' ? answer : saidOf(answer)).slice(0, SAID_CHARS_MAX)
    const waitMs = Math.max(typeof answer === 'string' ? 0 : Math.min(answer.retryAfterMs ?? 0, RETRY_MAX_MS), waitAfter(delivery.attempts))
    const next = nowMs + waitMs - delivery.begunMs > GIVEN_UP_MS ? 'given_up' : nowMs + waitMs
    if (next === 'given_up') this.#tools.log.warn({org, delivery: id, said}, 'a webhook did not arrive within three days')
    return {org, id, next, said, nowMs}
  }

  async #post(url: string, {id, body}: Pick<DueDelivery, 'id' | 'body'>, signal: AbortSignal): Promise<WebAnswer> {
    const {key, ledger, anywhere, web = {}} = this.#tools
    const to = new URL(url)
    this.#check(to)
    const headers = signWebhook({id, url, text: body, key, nowMs: ledger.nowMs()})
    const post = {url: to, headers, body: Buffer.from(body)}
    const ending = AbortSignal.any([signal, AbortSignal.timeout(ATTEMPT_MAX_MS)])
    return await (anywhere ? postAnywhere(post, web, ending) : postOutside(post, web, ending))
  }

  #check(url: URL): void {
    if (!this.#tools.anywhere) checkWebAddress(url, 'webhook')
  }
}

/** After so many attempts before, ms. */
export function waitAfter(attempts: number): number {
  const wait = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(attempts, 20))
  return Math.round((wait * (1000 - JITTER_PERMILLE + randomInt(2 * JITTER_PERMILLE + 1))) / 1000)
}

function saidOf({status}: WebAnswer): string {
  return `it answered ${status}`
}

function isSuccess({status}: WebAnswer): boolean {
  return Math.floor(status / HUNDRED) === SUCCESS
}

function saidBy(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${ATTEMPT_MAX_MS / 1000} s`
  return error instanceof Error ? error.message : String(error)
}

/** Those behind the one that was served last come first. */
function inTurn(orgs: readonly string[], last: string): readonly string[] {
  const sorted = orgs.toSorted()
  return [...sorted.filter((org) => org > last), ...sorted.filter((org) => org <= last)]
}
