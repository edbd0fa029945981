import {clientNetwork} from '../../core/client-network.ts'
import {CreoError} from '../../core/errors.ts'
import type {SignedCommand} from '../../core/protocol/commands.ts'
import type {CoordinatorSettings} from '../settings.ts'
import {type Rate, RateLimit, RateLimited} from './rate-limit.ts'

export type LimitSettings = Pick<CoordinatorSettings, 'addressRequests' | 'accountRequests' | 'accountCommands' | 'addressNewcomers'>

/** An account's name in a command that brings its own key. */
const NEWCOMER = 'new'

/**
 * How often somebody may ask: by address for everybody, and by account, or by node, for who has signed. Only what is known to be signed counts for an
 * account, so that nobody can use up another's.
 */
export class ClientLimits {
  readonly #settings: LimitSettings
  readonly #nowMs: () => number
  readonly #addressRequests: RateLimit
  readonly #signerRequests: RateLimit
  readonly #commands: RateLimit
  readonly #newcomers: RateLimit

  /** @param nowMs of a clock that nobody sets. */
  constructor(settings: LimitSettings, nowMs: () => number = () => performance.now()) {
    this.#settings = settings
    this.#nowMs = nowMs
    this.#addressRequests = new RateLimit(settings.addressRequests)
    this.#signerRequests = new RateLimit(settings.accountRequests)
    this.#commands = new RateLimit(settings.accountCommands)
    this.#newcomers = new RateLimit(settings.addressNewcomers)
  }

  /**
   * One request of any kind. One whose client went before it could be looked at has no address, and nobody who hears the answer.
   * @throws {RateLimited}
   * @throws {CreoError} `interrupted`
   */
  takeFromAddress(address: string | undefined): void {
    if (address === undefined) throw new CreoError('interrupted', 'The client has gone.')
    const waitMs = this.#addressRequests.take(clientNetwork(address), this.#nowMs())
    if (waitMs > 0) throw refusal('This address', 'requests', this.#settings.addressRequests, waitMs)
  }

  /**
   * One signed request of an account or a node.
   * @param carries it has a body that its sender may be unable to send again: it is counted, and what follows is refused.
   * @throws {RateLimited}
   */
  takeFromSigner(signer: string, {carries}: {readonly carries: boolean}): void {
    const nowMs = this.#nowMs()
    const waitMs = carries ? this.#signerRequests.owe(signer, nowMs) : this.#signerRequests.take(signer, nowMs)
    if (waitMs > 0) throw refusal(signer, 'signed requests', this.#settings.accountRequests, waitMs)
  }

  /** Refuses what `takeCommand` would refuse in any case, before its signature costs anything. @throws {RateLimited} */
  refuseSpent({account}: Pick<SignedCommand, 'account'>, address: string): void {
    if (account === NEWCOMER) this.#refuseNewcomer(this.#newcomers.waitMs(clientNetwork(address), this.#nowMs()))
    else this.#refuseCommand(account, this.#commands.waitMs(account, this.#nowMs()))
  }

  /**
   * One command whose key is known to have signed it. Who has no account yet is counted by address; the network's own keys are not.
   * @throws {RateLimited}
   */
  takeCommand({account}: Pick<SignedCommand, 'account'>, address: string): void {
    if (account === 'operator' || account === 'coordinator') return
    if (account === NEWCOMER) this.#refuseNewcomer(this.#newcomers.take(clientNetwork(address), this.#nowMs()))
    else this.#refuseCommand(account, this.#commands.take(account, this.#nowMs()))
  }

  /**
   * One receipt that the node and its gateway are known to have signed. It may come again: a node that was cut off for days hands in what waited.
   * @throws {RateLimited}
   */
  takeReceipt(node: string): void {
    const waitMs = this.#commands.take(node, this.#nowMs())
    if (waitMs > 0) throw refusal(node, 'receipts', this.#settings.accountCommands, waitMs)
  }

  #refuseNewcomer(waitMs: number): void {
    if (waitMs > 0) throw refusal('This address', 'commands of new accounts, keys and nodes', this.#settings.addressNewcomers, waitMs)
  }

  #refuseCommand(account: string, waitMs: number): void {
    if (waitMs > 0) throw refusal(account, 'commands', this.#settings.accountCommands, waitMs)
  }
}

function refusal(who: string, what: string, {perSecond, burst}: Rate, waitMs: number): RateLimited {
  return new RateLimited(`${who} sent too many ${what}: ${burst} at once and ${perSecond} a second are taken.`, waitMs)
}
