import {z} from 'zod'
import {commandBodySchema, type UnsignedCommand} from '../../src/core/protocol/commands.ts'
import {batchSigningText, commandSigningText} from '../../src/core/protocol/signing-texts.ts'
import {batchTree} from '../../src/identity/command-batch.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {generateKeyPair, type KeyPair, sha256Hex, signText} from '../../src/identity/keys.ts'
import type {FuzzedNetwork} from './fuzz-world.ts'
import type {Dice, JsonSchema, SchemaValues} from './schema-values.ts'

const CHANGED_SHARE = 0.2
const REPEATED_SHARE = 0.05
const BAD_ENVELOPE_SHARE = 0.05
const TRADING_SHARE = 0.4
const SWAPPED_SHARE = 0.2
const LIMITED_SHARE = 0.05
const BEYOND_SHARE = 0.001
const MARKETS = ['colibris/LEAF', 'colibris/TREE'] as const
/** Signed as one of a batch of two; the other one is never sent. */
const BATCHED_SHARE = 0.2

/** Commands by the schemas of their bodies, signed as they are by who may, so that they reach the ledger. */
export class FuzzedCommands {
  readonly #network: FuzzedNetwork
  readonly #tools: {readonly dice: Dice; readonly values: SchemaValues; readonly spareKeys: readonly KeyPair[]}
  readonly #schema = z.toJSONSchema(commandBodySchema, {io: 'input', unrepresentable: 'any'}) as JsonSchema
  #count = 0

  constructor(network: FuzzedNetwork, tools: {readonly dice: Dice; readonly values: SchemaValues; readonly spareKeys: readonly KeyPair[]}) {
    this.#network = network
    this.#tools = tools
  }

  next(): unknown {
    const {dice, values} = this.#tools
    this.#count += 1
    const {body, ...signer} = this.#signedBy(dice.chance(TRADING_SHARE) ? this.#trading() : (values.valid(this.#schema) as {type: string}))
    const text = JSON.stringify(dice.chance(CHANGED_SHARE) ? values.changed(body) : body)
    const idempotencyKey = dice.chance(REPEATED_SHARE) ? 'again' : `fuzz-${this.#count}`
    const {networkId: network} = this.#network.actors
    const command = signed({network, ...signer, idempotencyKey, body: text}, {isBatched: dice.chance(BATCHED_SHARE)})
    return dice.chance(BAD_ENVELOPE_SHARE) ? values.changed(command) : command
  }

  /** Of a size, and at a price, at which it may find somebody; a limit that lets it. */
  #trading(): {readonly type: string} {
    const {dice} = this.#tools
    const few = (from: number, count: number): string => String(from + dice.below(count))
    const [from, to] = dice.chance(0.5) ? MARKETS : MARKETS.toReversed()
    if (dice.chance(SWAPPED_SHARE)) {
      const swap = {type: 'swap', from, to, exact: dice.pick(['send', 'receive']), sendLots: few(2, 4), receiveLots: '1'}
      return {...swap, ...(dice.chance(0.5) && {selfTrade: 'cancel-oldest'})}
    }
    const limit = {type: 'incentive.limit', incentive: from, tradeVolumeLimitMicroGutta: '1000000000'}
    if (dice.chance(LIMITED_SHARE)) return limit
    const timeInForce = dice.pick(['GTC', 'GTC', 'GTC', 'GTC', 'IOC', 'FOK'])
    const order = {side: dice.pick(['buy', 'sell']), priceMicroGutta: this.#price(), lots: few(1, 9), kind: 'limit', timeInForce}
    return {type: 'order.place', incentive: from, ...order} as {readonly type: string}
  }

  /** Around what the markets have traded at, now and then beyond their bands. */
  #price(): string {
    const {dice} = this.#tools
    return String(dice.chance(BEYOND_SHARE) ? 7 + dice.below(8) : 9 + dice.below(3))
  }

  #signedBy(body: {readonly type: string}): {readonly account: string; readonly key: KeyPair; readonly body: object} {
    const {people, operator} = this.#network
    const {dice} = this.#tools
    if (body.type === 'account.create') {
      const key = generateKeyPair()
      return {
        account: 'new',
        key,
        body: {...body, name: `p${this.#count.toString(36)}`, keys: [{publicKey: key.publicKey, roles: ['owner']}]}
      }
    }
    if (/^(gateway|operator)\.|^allot$/.test(body.type)) return {account: 'operator', key: operator, body}
    const {id, key} = dice.pick(people)
    return {account: id, key, body: this.#proven(body, id)}
  }

  /** Keys that a body names say that they want to be there. */
  #proven(body: {readonly type: string}, account: string): object {
    if (!('proof' in body)) return body
    const {dice, spareKeys} = this.#tools
    const key = dice.pick(spareKeys)
    return {...body, publicKey: key.publicKey, proof: proveKey(key, {network: this.#network.actors.networkId, account})}
  }
}

interface Unsigned {
  readonly network: string
  readonly account: string
  readonly key: KeyPair
  readonly idempotencyKey: string
  readonly body: string
}

/** Whatever the body is. */
function signed({key, ...command}: Unsigned, {isBatched}: {readonly isBatched: boolean}): object {
  const unsigned: UnsignedCommand = {v: 'creo-command-v1', ...command, keyId: key.keyId, notAfterMs: Date.now() + 60_000}
  const text = commandSigningText(unsigned, sha256Hex(unsigned.body))
  if (!isBatched) return {...unsigned, signature: signText(key, text)}
  const {root, places} = batchTree([text, 'another command'])
  return {...unsigned, batch: places[0], signature: signText(key, batchSigningText(unsigned, {size: 2, root}))}
}
