import assert from 'node:assert'
import type {CommandOf} from '../protocol/commands.ts'
import type {Genesis} from '../protocol/genesis.ts'
import {admitGateway, createAccount, enrollNode, makeNodeToken, revokeGateway} from './account-commands.ts'
import {authorise} from './authorise.ts'
import {block, unblock} from './block-commands.ts'
import {cancelOrder, cancelOrders} from './cancel-commands.ts'
import {destroyApp} from './destroy-app.ts'
import {closeEpoch} from './epoch-commands.ts'
import {type FirstAnswer, IdempotencyMemory, type RememberedAnswer} from './idempotency.ts'
import {addOffer, allot, editOffer, fundPool, issueIncentive, limitTradeVolume} from './incentive-commands.ts'
import {acceptInvite, addKey, cancelRecovery, inviteKey, revokeKey, rotateKey, startRecovery} from './key-commands.ts'
import {endLease, grantLease} from './lease-commands.ts'
import {placeOrder} from './order-commands.ts'
import {BUY} from './order-pool.ts'
import {type BookLevel, type Effect, type Outcome, Refusal, type SequencedCommand} from './outcome.ts'
import {payReceipt} from './receipt-commands.ts'
import {captureRedemption, releaseRedemption, requestRedemption} from './redemption-commands.ts'
import {replaceOrder} from './replace-order.ts'
import {deployRevisions} from './revision-commands.ts'
import {type AccountState, type CommandContext, LedgerState, type Result} from './state.ts'
import {stateLines, takeStateLine} from './state-form.ts'
import {swap} from './swap-command.ts'
import {advanceTime, clearEnded} from './time-commands.ts'
import {setTraffic} from './traffic-commands.ts'
import {transfer} from './transfer-command.ts'

/** The rules that this machine runs; each journaled group names them. */
export const RULESET = '1'

/**
 * The ledger's rules as a deterministic machine: the same commands in the same order give the same outcomes and the same state everywhere. It has
 * no clock, no randomness and no I/O. A rejected command changes nothing but the memory of its idempotency key.
 */
export class LedgerMachine {
  readonly state: LedgerState
  readonly idempotency = new IdempotencyMemory()
  #seq = 0
  #atMs = 0

  private constructor(state: LedgerState) {
    this.state = state
  }

  static fromGenesis(genesis: Genesis, networkId: string): LedgerMachine {
    return new LedgerMachine(new LedgerState(genesis, networkId))
  }

  /** Sequence of the last command applied; 0 before the first. */
  get seq(): number {
    return this.#seq
  }

  /** Time of the last command applied: the next one's is not earlier. */
  get atMs(): number {
    return this.#atMs
  }

  /** From now on `takeLevels` has what each command changes. */
  keepLevels(): void {
    this.state.market.changed.isKept = true
  }

  /** The price levels that changed since the last call, as they are now. */
  takeLevels(): BookLevel[] {
    const {market} = this.state
    return market.changed.take().map(({book, side, priceMicroGutta}) => ({
      incentive: this.state.assetName(book),
      side: side === BUY ? 'buy' : 'sell',
      priceMicroGutta,
      lots: market.book(book).side(side).lotsOf(priceMicroGutta)
    }))
  }

  /** What people own and have, as text, the same for the same commands. Large: for tests. */
  stateText(): string {
    return [`${this.#seq}\n`, ...stateLines(this.state)].join('')
  }

  /** All that decides what the next command does, of the form `STATE_FORM`: what a digest is made of and a machine can be brought back from. */
  *lines(): Generator<string> {
    yield `${JSON.stringify(['sequence', this.#seq, this.#atMs])}\n`
    yield* stateLines(this.state)
    for (const entry of this.idempotency.entries()) yield `${JSON.stringify(['answer', ...entry])}\n`
  }

  /** Brings back one of the lines, in their order, before the first command. Only for lines whose digest has been checked. */
  takeLine(line: string): void {
    const [name, ...parts] = JSON.parse(line) as [string, ...unknown[]]
    if (name === 'sequence') [this.#seq, this.#atMs] = parts as [number, number]
    else if (name === 'answer') this.idempotency.restore(parts as RememberedAnswer)
    else takeStateLine(this.state, [name, ...parts])
  }

  firstAnswer(command: Pick<SequencedCommand, 'account' | 'keyId' | 'idempotencyKey'>): FirstAnswer | undefined {
    return this.idempotency.find(command)
  }

  /** The public key of the account's key that a command names, if the account has it now. */
  keyOf({account, keyId}: Pick<SequencedCommand, 'account' | 'keyId'>): string | undefined {
    const known = this.state.accountsByKey.get(keyId)
    return known?.account.id === account ? known.key.publicKey : undefined
  }

  /**
   * Applies the next command. A repeat (same key, same body) under a later not-after does nothing but lengthen the memory of its key; the caller has
   * asked `firstAnswer` and hands in no other command whose key is known.
   * @throws {AssertionError} on a broken rule; the machine must not be used any more.
   */
  apply(command: SequencedCommand): Outcome {
    assert(command.seq === this.#seq + 1, `sequence ${command.seq} after ${this.#seq}`)
    assert(command.atMs >= this.#atMs, 'time runs backwards')
    assert(command.notAfterMs > command.atMs, 'a command after its not-after')
    this.#seq = command.seq
    this.#atMs = command.atMs
    const first = this.idempotency.find(command)
    if (first !== undefined) return this.#repeat(command, first)
    const publicKey = this.keyOf(command)
    const outcome = this.#decide(command)
    this.idempotency.add(command, outcome.answer, publicKey)
    return outcome
  }

  #repeat(command: SequencedCommand, first: FirstAnswer): Outcome {
    const isLonger = command.bodySha256 === first.bodySha256 && command.notAfterMs > first.notAfterMs
    assert(isLonger, `the idempotency key of command ${first.seq} is used again`)
    this.idempotency.extend(command, first)
    return {answer: first.answer, effects: [], repeats: first.seq}
  }

  #decide(command: SequencedCommand): Outcome {
    const {state} = this
    const {seq, atMs, keyId, hash, bodyKeyIds} = command
    state.balances.begin()
    try {
      const signer = authorise(state, command)
      const effects: Effect[] = []
      const result = carryOut({state, seq, atMs, keyId, hash, bodyKeyIds, signer, effects}, command)
      clearEnded(state)
      state.addEntries(effects)
      return {answer: {status: 'applied', result}, effects}
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal
      state.balances.rollback()
      return {answer: {status: 'rejected', code: refusal.code, message: refusal.message}, effects: []}
    }
  }
}

function carryOut(context: CommandContext, {body}: SequencedCommand): Result {
  switch (body.type) {
    case 'incentive.issue':
      return issueIncentive(context, signerOf(context), body)
    case 'incentive.limit':
      return limitTradeVolume(context, signerOf(context), body)
    case 'pool.fund':
      return fundPool(context, signerOf(context), body)
    case 'offer.add':
      return addOffer(context, signerOf(context), body)
    case 'offer.edit':
      return editOffer(context, signerOf(context), body)
    case 'order.place':
      return placeOrder(context, signerOf(context), body)
    case 'order.cancel':
      return cancelOrder(context, signerOf(context), body)
    case 'order.replace':
      return replaceOrder(context, signerOf(context), body)
    case 'orders.cancel':
      return cancelOrders(context, signerOf(context), body)
    case 'swap':
      return swap(context, signerOf(context), body)
    case 'account.transfer':
      return transfer(context, signerOf(context), body)
    case 'redemption.request':
      return requestRedemption(context, signerOf(context), body)
    case 'redemption.capture':
      return captureRedemption(context, signerOf(context), body)
    case 'redemption.release':
      return releaseRedemption(context, signerOf(context), body)
    case 'revision.deploy':
      return deployRevisions(context, signerOf(context), body)
    case 'traffic.set':
      return setTraffic(context, signerOf(context), body)
    case 'app.destroy':
      return destroyApp(context, signerOf(context), body)
    case 'allot':
      return allot(context, body)
    case 'lease.grant':
      return grantLease(context, body)
    case 'lease.end':
      return endLease(context, body)
    case 'receipt.pay':
      return payReceipt(context, body)
    case 'epoch.close':
      return closeEpoch(context, body)
    case 'time.advance':
      return advanceTime(context)
    default:
      return changeMembers(context, body)
  }
}

type MemberCommand =
  | `node.${'token' | 'enroll'}`
  | `gateway.${'admit' | 'revoke'}`
  | `key.${'accept' | 'add' | 'revoke' | 'rotate' | 'invite'}`
  | `recovery.${'start' | 'cancel'}`
  | `operator.${'block' | 'unblock'}`
  | 'account.create'

/** Who belongs to the network, who may sign for whom, and what is kept out. */
function changeMembers(context: CommandContext, body: CommandOf<MemberCommand>): Result {
  switch (body.type) {
    case 'account.create':
      return createAccount(context, body)
    case 'key.accept':
      return acceptInvite(context, body)
    case 'key.add':
      return addKey(context, signerOf(context), body)
    case 'key.revoke':
      return revokeKey(context, signerOf(context), body)
    case 'key.rotate':
      return rotateKey(context, signerOf(context), body)
    case 'key.invite':
      return inviteKey(context, signerOf(context), body)
    case 'recovery.start':
      return startRecovery(context, signerOf(context), body)
    case 'recovery.cancel':
      return cancelRecovery(context, signerOf(context))
    case 'node.token':
      return makeNodeToken(context, signerOf(context), body)
    case 'node.enroll':
      return enrollNode(context, body)
    case 'gateway.admit':
      return admitGateway(context, body)
    case 'gateway.revoke':
      return revokeGateway(context)
    case 'operator.block':
      return block(context, body)
    case 'operator.unblock':
      return unblock(context, body)
  }
}

function signerOf(context: CommandContext): AccountState {
  assert(context.signer !== undefined, 'a command of an account without its account')
  return context.signer
}
