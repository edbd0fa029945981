import {LedgerMachine} from '../../src/core/exchange/ledger-machine.ts'
import type {Answer, Effect} from '../../src/core/exchange/outcome.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {type Genesis, genesisSchema} from '../../src/core/protocol/genesis.ts'
import {MICRO_GUTTA_PER_GUTTA} from '../../src/core/units.ts'

export const HOUR_MS = 3_600_000
/** One whole unit of every incentive: four decimals, traded by hundredths. */
export const LOTS_PER_UNIT = 100
const DECIMALS = 4
const LOT_MINOR = 100
const UNIT_MINOR = LOTS_PER_UNIT * LOT_MINOR
const SUPPLY_UNITS = 100_000_000
const POOL_UNITS = 10_000_000
const STOCK = 1_000_000_000
const START_MS = Date.UTC(2026, 0, 1)
const LIFETIME_MS = 60_000
const NETWORK = 'ab'.repeat(32)
const ANY_KEY = 'A'.repeat(43)
const ANY_SIGNATURE = 'A'.repeat(86)
/** A lease is for a day, and a node is paid for each hour of it that it worked: a unit. */
export const LEASE_HOURS = 24
const MIB_MS_PER_HOUR = HOUR_MS
const RATE_MINOR = Math.round((UNIT_MINOR * 1e6) / MIB_MS_PER_HOUR)
/** The rate is rounded up to a minor unit per million. */
const LEASE_MINOR = Math.ceil((LEASE_HOURS * RATE_MINOR * MIB_MS_PER_HOUR) / 1e6)

export interface Issued {
  readonly incentive: string
  readonly offer: string
  readonly revision: string
}

/** The terms that every network has which does not choose others, with allotments so that customers have what to pay with. */
function worldGenesis(): Genesis {
  return genesisSchema.parse({
    format: 'creo-genesis-v1',
    network: 'development',
    name: 'simulation',
    createdAtMs: START_MS,
    coordinatorKey: ANY_KEY,
    operatorKey: ANY_KEY,
    exchangeOrg: 'creometry',
    ruleset: '1',
    emission: {
      epochMs: HOUR_MS,
      perEpochMicroGutta: '1',
      halvingEpochs: 0,
      totalMicroGutta: '1',
      ownerShareMaxPermille: 250,
      workPerRequest: 100,
      workPerMillionMibMs: 10_000
    },
    fees: {makerPpm: 0, takerPpm: 2000},
    redemptionTimeoutMs: 7 * 24 * HOUR_MS,
    receiptGraceMs: 24 * HOUR_MS,
    volumeBucketMs: HOUR_MS,
    volumeBuckets: 24
  })
}

/** The ledger's machine with a clock and people by name. Signatures are the edge's to check, so these are made up. */
export class MarketWorld {
  readonly machine = LedgerMachine.fromGenesis(worldGenesis(), NETWORK)
  nowMs = START_MS
  /** Hears what each command did. */
  readonly #hear: (effects: readonly Effect[]) => void
  readonly #ids = new Map<string, string>()
  readonly #indexes = new Map<string, number>()
  readonly #keys = new Map<string, number>()
  #gateway = ''
  #window = 0

  constructor(hear: (effects: readonly Effect[]) => void) {
    this.#hear = hear
    this.account('creometry')
    const body = {name: 'gateway', tunnelUrl: 'http://127.0.0.1:1', publicUrl: 'http://127.0.0.1:2'}
    this.#gateway = String(this.#must('operator', {type: 'gateway.admit', publicKey: ANY_KEY, ...body}, ['gateway']).gateway)
  }

  account(name: string): void {
    const as = name === 'creometry' ? 'operator' : 'new'
    const body: CommandBody = {type: 'account.create', name, keys: [{publicKey: ANY_KEY, roles: ['owner']}]}
    this.#ids.set(name, String(this.#must(name, body, [name], as).account))
    this.#indexes.set(name, this.machine.state.accountsByName.get(name)?.index ?? -1)
  }

  allot(name: string, gutta: number): void {
    const amountMicroGutta = Math.round(gutta * MICRO_GUTTA_PER_GUTTA)
    this.#must('operator', {type: 'allot', account: this.#id(name), amountMicroGutta})
  }

  /** An org with an incentive, an offer, a filled pool and a function that pays a unit for an hour. */
  org(name: string, limitMicroGutta: number, ownerSharePermille: number): Issued {
    this.account(name)
    const issued = this.#must(name, {
      type: 'incentive.issue',
      code: 'UNIT',
      name,
      decimals: DECIMALS,
      lotMinor: LOT_MINOR,
      supplyMinor: SUPPLY_UNITS * UNIT_MINOR,
      tradeVolumeLimitMicroGutta: limitMicroGutta,
      ownerSharePermille,
      captured: 'burn',
      transferable: false,
      firstOffer: {item: 'an item', priceMinor: UNIT_MINOR, stock: STOCK, where: 'in-app'}
    })
    const incentive = String(issued.incentive)
    this.#must(name, {type: 'pool.fund', incentive, amountMinor: POOL_UNITS * UNIT_MINOR})
    const rewards = [{incentive, requestsPerMillionMinor: 0, mibMsPerMillionMinor: RATE_MINOR, dailyBudgetMinor: POOL_UNITS * UNIT_MINOR}]
    const limits = {memoryBytes: 2 ** 20, cpuMillis: 100, concurrency: 10, timeoutMs: 1000, scaleMin: 0, scaleMax: 1}
    const spec = {command: [], port: 8080, ...limits, env: {}, egress: [], rewards}
    const imageDigest = `sha256:${'1'.repeat(64)}`
    const deployed = this.#must(name, {
      type: 'revision.deploy',
      app: 'site',
      revisions: [{function: 'web', imageDigest, spec}],
      routes: [{path: '/', function: 'web'}]
    })
    const [first] = deployed.revisions as {readonly revision: string}[]
    return {incentive, offer: String(issued.offer), revision: first?.revision ?? ''}
  }

  node(name: string): string {
    const tokenHash = hex(this.machine.seq, 64)
    this.#must(name, {type: 'node.token', tokenHash, expiresAtMs: this.nowMs + HOUR_MS})
    const body: CommandBody = {type: 'node.enroll', publicKey: ANY_KEY, tokenHash, owner: this.#id(name), name, architecture: 'amd64'}
    return String(this.#must(name, body, [`key of ${name}`], 'new').node)
  }

  lease(node: string, {incentive, revision}: Issued): string {
    const budgets = [{incentive, amountMinor: LEASE_MINOR}]
    const endsAtMs = this.nowMs + LEASE_HOURS * HOUR_MS
    return String(this.#must('coordinator', {type: 'lease.grant', node, revision, endsAtMs, budgets}).lease)
  }

  endLease(lease: string): void {
    this.#must('coordinator', {type: 'lease.end', lease})
  }

  /** Pays the hour that has just ended. */
  pay(node: string, lease: string, {revision}: Issued): void {
    this.#window += 1
    const measured = {mibMs: MIB_MS_PER_HOUR, bytesIn: 0, bytesOut: 0}
    const window = {window: this.#window, windowStartMs: this.nowMs - HOUR_MS, windowMs: HOUR_MS, requests: 0, requestsFailed: 0}
    const names = {network: NETWORK, gateway: this.#gateway, node, revision, lease}
    const proposal = JSON.stringify({v: 'creo-receipt-v1', ...names, ...window, ...measured})
    const attestation = JSON.stringify({v: 'creo-attestation-v1', proposalSha256: hex(this.#window, 64), ...measured})
    const receipt = {proposal, attestation, gatewaySignature: ANY_SIGNATURE, nodeSignature: ANY_SIGNATURE}
    this.#must('coordinator', {type: 'receipt.pay', receipt})
  }

  /** What waits for its time: leases after their grace, orders that ended. */
  advance(): void {
    while ((this.machine.state.expiries.next?.atMs ?? Number.POSITIVE_INFINITY) <= this.nowMs)
      this.#must('coordinator', {type: 'time.advance'})
  }

  /** A refusal is an answer like any other: no funds, an own order in the way, a limit that is used up. */
  order(
    name: string,
    order: {
      readonly incentive: string
      readonly side: 'buy' | 'sell'
      readonly lots: number
      readonly priceMicroGutta: number
      /** Absent: what does not trade at once ends. */
      readonly restsMs?: number
    }
  ): Answer {
    const {restsMs, ...what} = order
    const time =
      restsMs === undefined ? ({timeInForce: 'IOC'} as const) : ({timeInForce: 'GTT', expiresAtMs: this.nowMs + restsMs} as const)
    return this.#do(name, {type: 'order.place', ...what, kind: 'limit', ...time})
  }

  cancelOrders(name: string, incentive: string): void {
    this.#must(name, {type: 'orders.cancel', incentive})
  }

  /** Whole units, back to their issuer, who burns them. */
  redeem(name: string, {incentive, offer}: Issued, quantity: number): void {
    const redeemed = this.#must(name, {type: 'redemption.request', offer, quantity})
    this.#must(incentive.split('/')[0] ?? '', {type: 'redemption.capture', redemption: String(redeemed.redemption)})
  }

  gutta(name: string): number {
    return this.#available(name, 0) / MICRO_GUTTA_PER_GUTTA
  }

  lots(name: string, incentive: string): number {
    return Math.floor(this.#available(name, this.machine.state.incentive(incentive).asset) / LOT_MINOR)
  }

  /** Best bid and ask, micro-gutta per lot. */
  best(incentive: string): {readonly bid: number | undefined; readonly ask: number | undefined} {
    const {market} = this.machine.state
    const book = market.book(this.machine.state.incentive(incentive).asset)
    return {bid: book.bids.priceAt(0), ask: book.asks.priceAt(0)}
  }

  #available(name: string, asset: number): number {
    return this.machine.state.balances.of(this.#indexes.get(name) ?? -1, asset, 0)
  }

  #id(name: string): string {
    return this.#ids.get(name) ?? name
  }

  /** Of the key that a name has. */
  #keyId(name: string): string {
    const known = this.#keys.get(name) ?? this.#keys.size
    this.#keys.set(name, known)
    return hex(known, 32)
  }

  #do(who: string, body: CommandBody, bodyKeys: readonly string[] = [], as = this.#id(who)): Answer {
    const seq = this.machine.seq + 1
    const bodyKeyIds = bodyKeys.map((name) => this.#keyId(name))
    const outcome = this.machine.apply({
      seq,
      atMs: this.nowMs,
      account: as,
      keyId: as === 'new' ? (bodyKeyIds[0] ?? '') : this.#keyId(who),
      hash: () => hex(seq, 64),
      idempotencyKey: String(seq),
      notAfterMs: this.nowMs + LIFETIME_MS,
      bodySha256: hex(seq, 64),
      bodyKeyIds,
      body
    })
    this.#hear(outcome.effects)
    return outcome.answer
  }

  #must(who: string, body: CommandBody, bodyKeys: readonly string[] = [], as = this.#id(who)): Readonly<Record<string, unknown>> {
    const answer = this.#do(who, body, bodyKeys, as)
    if (answer.status === 'rejected') throw new Error(`${body.type} by ${who}: ${answer.code}: ${answer.message}`)
    return answer.result
  }
}

/** A number as a hash would look, different for different numbers in its first half too, of which ids are made. */
function hex(number: number, length: number): string {
  return number.toString(16).padStart(12, '0').padEnd(length, '0')
}
