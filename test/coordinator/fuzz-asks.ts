import {joinToken} from '../../src/core/join-token.ts'
import {sealingContext} from '../../src/core/protocol/secrets.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {signRegistryToken} from '../../src/identity/registry-tokens.ts'
import {seal, signSealingKey} from '../../src/identity/sealing.ts'
import {digestOf} from '../../src/images/digest.ts'
import {FuzzedCommands} from './fuzz-commands.ts'
import {registryAsk} from './fuzz-registry.ts'
import {type Ask, BLOBS, type FuzzedNetwork, INVALID_SHARE, type Operation, UNSIGNED_SHARE} from './fuzz-world.ts'
import {Dice, type JsonSchema, SchemaValues} from './schema-values.ts'

/** Of all that is asked for, one address takes commands, of which there are most kinds. */
const COMMANDS_PATH = '/v1/commands'
const COMMANDS_SHARE = 0.3
const TOKEN_MS = 3_600_000
/** What waits for a change would hold the test up. */
const WAITS = ['0', '1', '20', '-1', 'x', '1e999', '']
const HEADERS: readonly [string, readonly string[]][] = [
  ['creo-after', ['0', '1', '-1', 'x', '']],
  ['if-none-match', ['*', '"a", W/"b"', 'x'.repeat(2000)]],
  ['range', ['bytes=0-3', 'bytes=-5', 'bytes=9-1', 'bytes=0-1,2-3', 'bytes=999999999999999-']],
  ['content-range', ['0-8', '5-2', '99-120', 'x']],
  ['authorization', ['Bearer x', 'Bearer e30.e30', 'Basic OjpYOg==', 'Basic %%%', `Bearer ${'x'.repeat(8000)}`]],
  ['signature', ['creo=:AAAA:', 'x', 'creo=:AAAA:, creo=:BBBB:']],
  [
    'signature-input',
    ['creo=("@method");created=1', '"', 'creo=("@method" "@authority" "@path" "@query");created=1;keyid="x";nonce="n";tag="creo"']
  ],
  ['content-digest', ['sha-256=:AAAA:', 'sha-512=:AAAA:', 'x', '']],
  ['accept', ['*/*', 'application/json', 'x/y;q=z']]
]

/** Requests of every kind that the document describes, the same for the same seed. */
export class Asks {
  readonly #network: FuzzedNetwork
  readonly #dice: Dice
  readonly #values: SchemaValues
  readonly #commands: FuzzedCommands
  readonly #spareKeys = Array.from({length: 4}, generateKeyPair)
  /** Cursors and upload addresses that were given out. */
  readonly #seen: string[] = []
  readonly #basic: string

  constructor(network: FuzzedNetwork, seed: number) {
    this.#network = network
    this.#dice = new Dice(seed)
    const {actors, people, nodes, lease, gateway} = network
    const names = people.flatMap(({id, name}) => [id, name])
    const keys = [...this.#spareKeys, gateway].flatMap(({keyId, publicKey}) => [keyId, publicKey])
    const things = [
      'colibris/LEAF',
      'colibris/TREE',
      'LEAF',
      'TREE',
      'org:colibris',
      'gutta',
      'garden',
      'api',
      'off_4',
      'ord_20',
      'red_30',
      '/',
      '/tick',
      '*/5 * * * *',
      'UTC'
    ]
    const amounts = ['1', '5', '100', '1000', '20000']
    const digests = [`sha256:${'a'.repeat(64)}`, ...BLOBS.map(digestOf)]
    this.#values = new SchemaValues(this.#dice, [
      ...names,
      ...nodes.map(({id}) => id),
      ...keys,
      lease.id,
      lease.revision,
      ...things,
      ...amounts,
      ...digests
    ])
    const scope = {
      account: 'colibris',
      actions: ['pull', 'push', 'delete'],
      issuedAtMs: Date.now(),
      notAfterMs: Date.now() + TOKEN_MS
    } as const
    const token = signRegistryToken({network: actors.networkId, ...scope}, people[0]?.key ?? generateKeyPair())
    this.#basic = Buffer.from(`colibris:${token}`).toString('base64')
    this.#commands = new FuzzedCommands(network, {dice: this.#dice, values: this.#values, spareKeys: this.#spareKeys})
  }

  async next(): Promise<Ask> {
    const {operations} = this.#network
    const isCommands = this.#dice.chance(COMMANDS_SHARE)
    const operation = this.#dice.pick(isCommands ? operations.filter(({path}) => path === COMMANDS_PATH) : operations)
    if (operation.path.startsWith('/v2/'))
      return registryAsk({
        dice: this.#dice,
        values: this.#values,
        seen: this.#seen,
        sign: (...parts) => this.#signed(...parts),
        basic: this.#basic,
        oddHeaders: (isChanged) => this.#oddHeaders(isChanged)
      })
    const isChanged = this.#dice.chance(INVALID_SHARE)
    const path = this.#pathOf(operation, isChanged)
    const body = await this.#bodyOf(operation, isChanged)
    const isSigned = operation.security.length > 0 && !this.#dice.chance(UNSIGNED_SHARE)
    return {
      method: operation.method,
      path,
      headers: {
        ...(body !== undefined && {'content-type': isChanged && this.#dice.chance(0.05) ? 'text/plain' : 'application/json'}),
        ...(isSigned && this.#signed(operation.method, path, body)),
        ...this.#oddHeaders(isChanged)
      },
      ...(body !== undefined && {body}),
      isValid: !isChanged && (operation.security.length === 0 || isSigned)
    }
  }

  /** What an answer gives to go on with is used later. */
  saw(text: string, location: unknown): void {
    const next = /"next":"([\w-]+)"/.exec(text)?.[1]
    for (const one of [next, location]) if (typeof one === 'string') this.#seen.unshift(one)
    this.#seen.length = Math.min(this.#seen.length, 50)
  }

  #pathOf({path, parameters = []}: Operation, isChanged: boolean): string {
    const query = new URLSearchParams()
    let at = path
    for (const {name, in: where, required, schema} of parameters) {
      const value = String(isChanged && this.#dice.chance(0.3) ? this.#values.junk() : this.#values.valid(schema))
      if (where === 'path') at = at.replace(`{${name}}`, this.#segment(value, isChanged))
      else if (where === 'query' && name === 'waitMs') query.set(name, this.#dice.pick(isChanged ? WAITS : WAITS.slice(0, 3)))
      else if (where === 'query' && name === 'cursor') this.#addCursor(query, isChanged)
      else if (where === 'query' && (required || this.#dice.chance(0.4))) query.append(name, value)
    }
    if (isChanged && this.#dice.chance(0.1)) query.append(String(this.#values.junk()), 'x')
    return query.size === 0 ? at : `${at}?${query}`
  }

  #segment(value: string, isChanged: boolean): string {
    return isChanged && this.#dice.chance(0.1)
      ? this.#dice.pick(['%ff', '..', '%2e%2e', '%00', '', '%'])
      : encodeURIComponent(value.toWellFormed())
  }

  #addCursor(query: URLSearchParams, isChanged: boolean): void {
    if (!this.#dice.chance(0.3)) return
    const cursors = this.#seen.filter((one) => !one.startsWith('/'))
    const forged = [[], [1], ['a'], [1, 2], [-1], ['a', 'b', 'c'], [2 ** 53 - 1], Array(300).fill(1)]
    const text = isChanged
      ? Buffer.from(JSON.stringify(this.#dice.pick(forged))).toString('base64url')
      : this.#dice.pick(['WzFd', ...cursors])
    query.set('cursor', text)
  }

  async #bodyOf(operation: Operation, isChanged: boolean): Promise<string | undefined> {
    const schema = operation.requestBody?.content['application/json'].schema
    if (schema === undefined) return isChanged && this.#dice.chance(0.1) ? '{"a":1}' : undefined
    const right = await this.#rightBody(operation, schema)
    if (!isChanged) return JSON.stringify(right)
    if (this.#dice.chance(0.1))
      return this.#dice.pick(['', '{', '[]', 'null', `${'['.repeat(5000)}`, '\u0000', '{"a":1}{"b":2}', `"${'x'.repeat(70_000)}"`])
    return JSON.stringify(this.#values.changed(right))
  }

  /** With signatures and ids that hold, so that it gets as far as it can. */
  async #rightBody({path}: Operation, schema: JsonSchema): Promise<unknown> {
    const {nodes, people, actors, sealingKey, gateway, lease} = this.#network
    const dice = this.#dice
    if (path === '/v1/commands')
      return {commands: Array.from({length: dice.chance(0.1) ? 20 : 1 + dice.below(2)}, () => this.#commands.next())}
    const body = this.#values.valid(schema) as Record<string, unknown>
    const node = dice.pick(nodes)
    if (path === '/v1/heartbeats') return {...body, node: nodes[0]?.id}
    if (path === '/v1/receipts') {
      const parts = {gateway, node, lease, window: dice.below(200), requests: dice.below(3)}
      return {receipts: [actors.receipt(parts), ...(dice.chance(0.3) ? (body.receipts as object[]) : [])]}
    }
    if (path === '/v1/apps/{org}/{app}/secrets') {
      const context = sealingContext({
        network: actors.networkId,
        recipient: 'deposit',
        org: 'colibris',
        app: 'garden',
        name: 'KEY',
        version: 0
      })
      return dice.chance(0.5) ? body : {name: 'KEY', sealed: await seal(Buffer.from('value'), {to: sealingKey, context})}
    }
    if (path === '/v1/nodes/{node}/secrets' && nodes[0] !== undefined)
      return {
        revision: lease.revision,
        sealingKey: signSealingKey({network: actors.networkId, publicKey: generateKeyPair().publicKey}, nodes[0].key)
      }
    if (path === '/v1/nodes/enroll')
      return dice.chance(0.5)
        ? body
        : {
            token: joinToken(people[0]?.id ?? '', 'secret'),
            command: actors.enrollment(generateKeyPair(), joinToken(people[0]?.id ?? '', 'secret'))
          }
    return body
  }

  #signed(method: string, path: string, body: string | Buffer | undefined): Record<string, string> {
    const {actors, people, nodes} = this.#network
    const key =
      path.startsWith('/v1/nodes') || path.startsWith('/v1/heartbeats')
        ? nodes[0]?.key
        : this.#dice.pick([people[0], people[0], people[1]])?.key
    if (key === undefined) throw new Error('nobody signs')
    const url = new URL(path, actors.url).href
    return signRequest({method, url, key, nowMs: Date.now(), ...(body !== undefined && {body})})
  }

  #oddHeaders(isChanged: boolean): Record<string, string> {
    if (!isChanged || !this.#dice.chance(0.4)) return {}
    const [name, values] = this.#dice.pick(HEADERS)
    return {[name]: this.#dice.pick(values)}
  }
}
