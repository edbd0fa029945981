import {mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {z} from 'zod'
import type {CommandAnswer, CommandBody, CommandOf, SignedCommand} from '../../src/core/protocol/commands.ts'
import {type Genesis, genesisSchema} from '../../src/core/protocol/genesis.ts'
import type {Receipt, ReceiptProposal} from '../../src/core/protocol/receipts.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {gatewayIdOf, generateKeyPair, type KeyPair, nodeIdOf, sha256Hex} from '../../src/identity/keys.ts'
import {attest, signProposal} from '../../src/identity/receipts.ts'
import {type OpenLedgerOptions, openLedger} from '../../src/ledger/open-ledger.ts'
import type {Ledger} from '../../src/ledger/port.ts'
import {deployOf, genesisOf, START_MS} from '../exchange/world.ts'

/** A ledger on a real disk, with keys of the network and of people by name. */
export class LedgerWorld {
  readonly directory: string
  readonly keys = new Map<string, KeyPair>()
  readonly accounts = new Map<string, string>()
  readonly genesisText: string
  readonly signal = new AbortController().signal
  nowMs = START_MS
  #ledger: Ledger | undefined
  #commands = 0

  private constructor(directory: string, changes: Partial<Genesis>) {
    this.directory = directory
    const genesis = {...genesisOf(changes), coordinatorKey: this.key('coordinator').publicKey, operatorKey: this.key('operator').publicKey}
    this.genesisText = JSON.stringify(z.encode(genesisSchema, genesis))
  }

  static async make(changes: Partial<Genesis> = {}): Promise<LedgerWorld> {
    const world = new LedgerWorld(await mkdtemp(join(tmpdir(), 'creo-ledger-')), changes)
    await writeFile(join(world.directory, 'genesis.json'), world.genesisText)
    await world.open()
    return world
  }

  get ledger(): Ledger {
    if (this.#ledger === undefined) throw new Error('The ledger is closed.')
    return this.#ledger
  }

  get network(): string {
    return sha256Hex(this.genesisText)
  }

  async open(more: Pick<OpenLedgerOptions, 'log' | 'digestPace'> = {}): Promise<void> {
    const {directory, genesisText, signal} = this
    this.#ledger = await openLedger({directory, genesisText, now: () => this.nowMs, signal, ...more})
  }

  async close(): Promise<void> {
    await this.#ledger?.close()
    this.#ledger = undefined
  }

  async remove(): Promise<void> {
    await this.close()
    await rm(this.directory, {recursive: true, force: true})
  }

  key(name: string): KeyPair {
    const key = this.keys.get(name) ?? generateKeyPair()
    this.keys.set(name, key)
    return key
  }

  sign(
    who: string,
    body: CommandBody,
    options: {readonly as?: string; readonly idempotencyKey?: string; readonly notAfterMs?: number} = {}
  ): SignedCommand {
    this.#commands += 1
    return signCommand({
      network: this.network,
      account: options.as ?? this.accounts.get(who) ?? who,
      key: this.key(who),
      idempotencyKey: options.idempotencyKey ?? `c${this.#commands}-${process.pid}`,
      notAfterMs: options.notAfterMs ?? this.nowMs + 60_000,
      body
    })
  }

  submit(command: SignedCommand): Promise<CommandAnswer> {
    return this.ledger.submit(command, this.signal)
  }

  /** Submits what must succeed; the projections have it when this resolves. */
  async must(who: string, body: CommandBody, options: {readonly as?: string} = {}): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.submit(this.sign(who, body, options))
    if (answer.status === 'rejected') throw new Error(`${body.type} by ${who}: ${answer.code}: ${answer.message}`)
    await this.ledger.projected(answer.seq, this.signal)
    return answer.result
  }

  async account(name: string): Promise<string> {
    const key = this.key(name)
    const proof = proveKey(key, {network: this.network, account: name})
    const body: CommandBody = {type: 'account.create', name, keys: [{publicKey: key.publicKey, roles: ['owner'], proof}]}
    const isExchange = name === genesisOf().exchangeOrg
    const id = String((await this.must(isExchange ? 'operator' : name, body, {as: isExchange ? 'operator' : 'new'})).account)
    this.accounts.set(name, id)
    return id
  }

  /** Org `acme` with `acme/LEAF` and a pool, the exchange's org, and traders `ann` and `bob` with Gutta. */
  async settle(): Promise<void> {
    for (const name of ['creometry', 'acme', 'ann', 'bob']) await this.account(name)
    const issue: CommandOf<'incentive.issue'> = {
      type: 'incentive.issue',
      code: 'LEAF',
      name: 'Leaf',
      decimals: 2,
      lotMinor: 10,
      supplyMinor: 1_000_000,
      tradeVolumeLimitMicroGutta: 1_000_000_000,
      captured: 'burn',
      transferable: false,
      firstOffer: {item: 'a cup of tea', priceMinor: 250, stock: 5, where: 'in-store'}
    }
    await this.must('acme', issue)
    await this.must('acme', {type: 'pool.fund', incentive: 'acme/LEAF', amountMinor: 100_000})
    for (const name of ['ann', 'bob']) {
      await this.must('operator', {type: 'allot', account: this.accounts.get(name) ?? '', amountMicroGutta: 1_000_000_000})
    }
  }

  /** Node of `ann`, a gateway, a deployed function paying LEAF and a lease of it. Answers a maker of receipts for windows. */
  async serve(): Promise<(window: number, requests: number) => Receipt> {
    const tokenHash = sha256Hex('token')
    const owner = this.accounts.get('ann') ?? ''
    await this.must('ann', {type: 'node.token', tokenHash, expiresAtMs: this.nowMs + 60_000})
    const {publicKey} = this.key('node')
    await this.must('node', {type: 'node.enroll', publicKey, tokenHash, owner, name: 'pi', architecture: 'arm64'}, {as: 'new'})
    const gatewayKey = this.key('gateway')
    await this.must('operator', {
      type: 'gateway.admit',
      publicKey: gatewayKey.publicKey,
      name: 'gate',
      tunnelUrl: 'http://127.0.0.1:1',
      publicUrl: 'http://localhost:2'
    })
    const line = {incentive: 'acme/LEAF', requestsPerMillionMinor: 1_500_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 10_000}
    const deployed = await this.must('acme', deployOf([line]))
    const revision = (deployed.revisions as {revision: string}[])[0]?.revision ?? ''
    const node = nodeIdOf(publicKey)
    const budgets = [{incentive: 'acme/LEAF', amountMinor: 1000}]
    const lease = String(
      (await this.must('coordinator', {type: 'lease.grant', node, revision, endsAtMs: this.nowMs + 3_600_000, budgets})).lease
    )
    return (window, requests) => {
      const proposal: ReceiptProposal = {
        v: 'creo-receipt-v1',
        network: this.network,
        gateway: gatewayIdOf(gatewayKey.publicKey),
        node,
        revision,
        lease,
        window,
        windowStartMs: this.nowMs,
        windowMs: 1000,
        requests,
        requestsFailed: 0,
        mibMs: 100,
        bytesIn: 1,
        bytesOut: 1
      }
      return attest(signProposal(proposal, gatewayKey), {mibMs: 100, bytesIn: 1, bytesOut: 1}, this.key('node'))
    }
  }
}
