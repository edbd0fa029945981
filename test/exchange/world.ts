import assert from 'node:assert'
import {createHash} from 'node:crypto'
import {assertInvariants} from '../../src/core/exchange/invariants.ts'
import {LedgerMachine} from '../../src/core/exchange/ledger-machine.ts'
import type {Answer, Effect, Outcome} from '../../src/core/exchange/outcome.ts'
import type {KeyRole} from '../../src/core/protocol/account-keys.ts'
import type {BalanceKind} from '../../src/core/protocol/api.ts'
import type {CommandBody, CommandOf} from '../../src/core/protocol/commands.ts'
import {type Genesis, genesisSchema} from '../../src/core/protocol/genesis.ts'
import type {RewardLine} from '../../src/core/protocol/revisions.ts'

export const START_MS = 1_790_000_000_000
export const HOUR_MS = 3_600_000
export const NETWORK = 'ab'.repeat(32)
const ANY_KEY = 'A'.repeat(43)
const ANY_SIGNATURE = 'A'.repeat(86)

export function hexOf(text: string, length = 32): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}

export function genesisOf(changes: Partial<Genesis> = {}): Genesis {
  const wire = {
    format: 'creo-genesis-v1',
    network: 'development',
    name: 'test',
    createdAtMs: START_MS,
    coordinatorKey: ANY_KEY,
    operatorKey: ANY_KEY,
    exchangeOrg: 'creometry',
    ruleset: '1',
    emission: {
      epochMs: 60_000,
      perEpochMicroGutta: '1000000',
      halvingEpochs: 4,
      totalMicroGutta: '4000000',
      ownerShareMaxPermille: 600,
      workPerRequest: 10,
      workPerMillionMibMs: 5
    },
    fees: {makerPpm: 0, takerPpm: 0},
    redemptionTimeoutMs: 600_000,
    receiptGraceMs: 24 * HOUR_MS,
    volumeBucketMs: HOUR_MS,
    volumeBuckets: 24
  }
  return {...genesisSchema.parse(wire), ...changes}
}

export interface DoOptions {
  readonly key?: string
  readonly as?: string
  readonly bodyKeyIds?: readonly string[]
  readonly idempotencyKey?: string
}

/** A machine, a clock and people by name. After each command every invariant is asserted. */
export class World {
  readonly machine: LedgerMachine
  readonly effects: Effect[] = []
  /** The same, each with its time. */
  readonly timed: {readonly effect: Effect; readonly atMs: number}[] = []
  nowMs = START_MS
  readonly #ids = new Map<string, string>()
  readonly #checks: boolean
  #twin: LedgerMachine | undefined

  constructor(changes: Partial<Genesis> = {}, {checks = true}: {readonly checks?: boolean} = {}) {
    this.machine = LedgerMachine.fromGenesis(genesisOf(changes), NETWORK)
    this.#checks = checks
  }

  id(name: string): string {
    return this.#ids.get(name) ?? name
  }

  nameOf(id: string): string {
    return [...this.#ids].find(([, known]) => known === id)?.[0] ?? id
  }

  do(who: string, body: CommandBody, {key = who, as, bodyKeyIds = [], idempotencyKey}: DoOptions = {}): Answer {
    const seq = this.machine.seq + 1
    const command = {
      seq,
      atMs: this.nowMs,
      account: as ?? this.id(who),
      keyId: hexOf(`key of ${key}`),
      hash: () => hexOf(`command ${seq}`, 64),
      idempotencyKey: idempotencyKey ?? `c${seq}`,
      notAfterMs: this.nowMs + 60_000,
      bodySha256: hexOf(JSON.stringify(body), 64),
      bodyKeyIds,
      body
    }
    const outcome: Outcome = this.machine.apply(command)
    if (this.#twin !== undefined) assert.equal(JSON.stringify(this.#twin.apply(command)), JSON.stringify(outcome))
    this.effects.push(...outcome.effects)
    this.timed.push(...outcome.effects.map((effect) => ({effect, atMs: this.nowMs})))
    if (this.#checks) assertInvariants(this.machine)
    return outcome.answer
  }

  /** Brings a second machine back from the first one's lines. From then on it must do the same with every command. */
  branch(): void {
    const {genesis, networkId} = this.machine.state
    this.#twin = LedgerMachine.fromGenesis(genesis, networkId)
    for (const line of this.machine.lines()) this.#twin.takeLine(line)
    this.assertSame()
  }

  /** The machine that was brought back is the first one's like. */
  assertSame(): void {
    assert(this.#twin !== undefined, 'nothing was brought back')
    assertInvariants(this.#twin)
    assert.equal([...this.#twin.lines()].join(''), [...this.machine.lines()].join(''))
  }

  /** Applies a command that must succeed, and returns its result. */
  must(who: string, body: CommandBody, options: DoOptions = {}): Record<string, unknown> {
    const answer = this.do(who, body, options)
    if (answer.status === 'rejected') throw new Error(`${body.type} by ${who}: ${answer.code}: ${answer.message}`)
    return {...answer.result}
  }

  /** `applied`, or the code of the rejection. */
  try(who: string, body: CommandBody, options: DoOptions = {}): string {
    const answer = this.do(who, body, options)
    return answer.status === 'rejected' ? answer.code : 'applied'
  }

  account(name: string, roles: readonly {readonly key: string; readonly roles: KeyRole[]}[] = [{key: name, roles: ['owner']}]): string {
    const keys = roles.map((entry) => ({publicKey: ANY_KEY, roles: entry.roles}))
    const bodyKeyIds = roles.map((entry) => hexOf(`key of ${entry.key}`))
    const as = name === this.machine.state.genesis.exchangeOrg ? 'operator' : 'new'
    const id = String(this.must(name, {type: 'account.create', name, keys}, {as, key: roles[0]?.key, bodyKeyIds}).account)
    this.#ids.set(name, id)
    return id
  }

  node(name: string, owner: string): string {
    const tokenHash = hexOf(`token of ${name}`, 64)
    this.must(owner, {type: 'node.token', tokenHash, expiresAtMs: this.nowMs + HOUR_MS})
    const body: CommandBody = {type: 'node.enroll', publicKey: ANY_KEY, tokenHash, owner: this.id(owner), name, architecture: 'amd64'}
    return String(this.must(name, body, {as: 'new', bodyKeyIds: [hexOf(`key of ${name}`)]}).node)
  }

  gateway(name: string): string {
    const body: CommandBody = {
      type: 'gateway.admit',
      publicKey: ANY_KEY,
      name,
      tunnelUrl: 'http://127.0.0.1:1',
      publicUrl: 'http://localhost:2'
    }
    return String(this.must('operator', body, {bodyKeyIds: [hexOf(`key of ${name}`)]}).gateway)
  }

  issue(org: string, changes: Partial<CommandOf<'incentive.issue'>> = {}): string {
    const body: CommandBody = {
      type: 'incentive.issue',
      code: 'LEAF',
      name: 'Leaf',
      decimals: 2,
      lotMinor: 10,
      supplyMinor: 1_000_000,
      tradeVolumeLimitMicroGutta: 1_000_000_000,
      captured: 'burn',
      transferable: false,
      firstOffer: {item: 'a cup of tea', priceMinor: 250, stock: 5, where: 'in-store'},
      ...changes
    }
    return String(this.must(org, body).incentive)
  }

  allot(name: string, amountMicroGutta: number): void {
    this.must('operator', {type: 'allot', account: this.id(name), amountMicroGutta})
  }

  /** A revision of `app/fn` that pays these lines. */
  deploy(org: string, rewards: RewardLine[] = [], {app = 'site', fn = 'web', image = 'a'} = {}): string {
    const result = this.must(org, deployOf(rewards, {app, fn, image}))
    return (result.revisions as {revision: string}[])[0]?.revision ?? ''
  }

  balance(name: string, asset: string, kind: BalanceKind = 'available'): number {
    const {state} = this.machine
    const account = state.accountsByName.get(name)?.index ?? -1
    const number = asset === 'gutta' ? 0 : (state.incentivesById.get(asset)?.asset ?? -1)
    const kinds: readonly BalanceKind[] = ['available', 'held', 'pool', 'reserved', 'issued', 'fee', 'sink']
    return state.balances.of(account, number, kinds.indexOf(kind))
  }
}

export function deployOf(rewards: RewardLine[] = [], {app = 'site', fn = 'web', image = 'a'} = {}): CommandOf<'revision.deploy'> {
  const spec = {
    command: [],
    port: 8080,
    memoryBytes: 64 * 2 ** 20,
    cpuMillis: 100,
    concurrency: 10,
    timeoutMs: 1000,
    scaleMin: 0,
    scaleMax: 2,
    env: {},
    egress: [],
    rewards
  }
  return {
    type: 'revision.deploy',
    app,
    revisions: [{function: fn, imageDigest: `sha256:${hexOf(image, 64)}`, spec}],
    routes: [{path: '/', function: fn}]
  }
}

export interface ReceiptParts {
  readonly gateway: string
  readonly node: string
  readonly revision: string
  readonly lease: string
  readonly window: number
  readonly requests?: number
  readonly requestsFailed?: number
  readonly mibMs?: number
  readonly nodeMibMs?: number
  readonly standbyMs?: number
  readonly nodeStandbyMs?: number
  readonly windowStartMs?: number
  readonly windowMs?: number
}

export function receiptOf(parts: ReceiptParts): CommandOf<'receipt.pay'> {
  const {
    requests = 0,
    requestsFailed = 0,
    mibMs = 0,
    nodeMibMs = mibMs,
    standbyMs,
    nodeStandbyMs = standbyMs,
    windowStartMs = START_MS,
    windowMs = 10_000,
    gateway,
    node,
    revision,
    lease,
    window
  } = parts
  const proposal = JSON.stringify({
    v: 'creo-receipt-v1',
    network: NETWORK,
    gateway,
    node,
    revision,
    lease,
    window,
    windowStartMs,
    windowMs,
    requests,
    requestsFailed,
    mibMs,
    standbyMs,
    bytesIn: 0,
    bytesOut: 0
  })
  const attestation = JSON.stringify({
    v: 'creo-attestation-v1',
    proposalSha256: hexOf(proposal, 64),
    mibMs: nodeMibMs,
    standbyMs: nodeStandbyMs,
    bytesIn: 0,
    bytesOut: 0
  })
  return {type: 'receipt.pay', receipt: {proposal, attestation, gatewaySignature: ANY_SIGNATURE, nodeSignature: ANY_SIGNATURE}}
}
