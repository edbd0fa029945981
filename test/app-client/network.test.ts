import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {acceptanceOf} from '../../src/app-client/invitations.ts'
import {Network} from '../../src/app-client/network.ts'
import {type KeyValueStore, Outbox} from '../../src/app-client/outbox.ts'
import {newRedemptionCode, redemptionOfCode} from '../../src/app-client/redemption-codes.ts'
import {answerSignIn, SignIn, type SignInAnswer} from '../../src/app-client/sign-in.ts'
import type {WireCommandBody} from '../../src/app-client/web-command.ts'
import {createWebKey, proveWebKey, type WebKey, webKeyOfSeed} from '../../src/app-client/web-key.ts'
import {verifyCommand} from '../../src/identity/commands.ts'
import {startWorld} from '../coordinator/coordinator-world.ts'

const ORIGIN = 'https://shop--colibris.example.org'
const SECRET = 'A'.repeat(43)

let world: Awaited<ReturnType<typeof startWorld>>
let network: Network
let key: WebKey
let account: string

/** A link that breaks: `lose` says of each request whether its answer is lost after the coordinator has done it. */
function linkThat(lose: (count: number) => boolean): typeof fetch {
  let count = 0
  return async (input, init) => {
    const response = await fetch(input, init)
    count += 1
    if (lose(count)) throw new TypeError('fetch failed')
    return response
  }
}

function memoryStore(): KeyValueStore {
  const kept = new Map<string, string>()
  return {getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value)}
}

beforeAll(async () => {
  world = await startWorld()
  network = await Network.connect({url: world.actors.url, networkId: world.actors.networkId})
  key = (await createWebKey()).key
  const proof = await proveWebKey(key, {network: network.id, account: 'ann'})
  const body: WireCommandBody = {type: 'account.create', name: 'ann', keys: [{publicKey: key.publicKey, roles: ['owner'], proof}]}
  const made = await network.submit({account: 'new', key}, body, {idempotencyKey: 'ann'})
  account = String(made.result.account)
})
afterAll(() => world.close())

describe('a network', () => {
  it('is believed only by its id', async () => {
    await expect(Network.connect({url: world.actors.url, networkId: '0'.repeat(64)})).rejects.toMatchObject({code: 'verification_failed'})
  })

  it('makes an account for a key of a browser, and shows it to the next read', async () => {
    expect(await network.account('ann')).toMatchObject({id: account, keys: [{publicKey: key.publicKey, roles: ['owner']}]})
    expect(await network.available('ann', 'gutta')).toBe(0n)
    expect(await network.offers('colibris/LEAF')).toEqual([])
  })

  it('says why a command is refused, and with its code', async () => {
    const body = {type: 'redemption.request', offer: 'off_99', quantity: 1} as const
    await expect(network.submit({account, key}, body, {idempotencyKey: 'none'})).rejects.toMatchObject({code: 'not_found'})
    const stranger = (await createWebKey()).key
    await expect(network.submit({account, key: stranger}, body, {idempotencyKey: 'stranger'})).rejects.toMatchObject({code: 'unauthorized'})
  })

  it('does a command once whose answer was lost, also where the device believes in another year', async () => {
    const url = world.actors.url
    const now = () => Date.now() + 400 * 86_400_000
    const lossy = await Network.connect({url, fetch: linkThat((count) => count === 3 || count === 4), now})
    const command = await lossy.sign(
      {account, key},
      {type: 'node.token', tokenHash: 'ab'.repeat(32), expiresAtMs: Date.now() + 60_000},
      {idempotencyKey: 'once'}
    )
    expect(verifyCommand(command, key.publicKey)).toBe(true)
    const first = await lossy.send(command)
    expect(await lossy.send(command)).toEqual(first)
  })

  it('is unreachable in words, and at once when nobody waits any more', async () => {
    const gone = {url: 'http://127.0.0.1:1', fetch: async () => Promise.reject(new TypeError('fetch failed'))}
    await expect(Network.connect(gone, AbortSignal.timeout(300))).rejects.toMatchObject({code: 'interrupted'})
  })
})

describe('an invitation', () => {
  it('makes a key of a browser one of the account, once, and in its role', async () => {
    const seed = crypto.getRandomValues(new Uint8Array(32))
    const inviteKey = (await webKeyOfSeed(seed)).publicKey
    const expiresAtMs = Date.now() + 60_000
    await network.submit({account, key}, {type: 'key.invite', inviteKey, roles: ['treasurer'], expiresAtMs}, {idempotencyKey: 'invite'})
    const token = `invite.${account}.${Buffer.from(seed).toString('base64url')}`
    const link = async (linked: WebKey) =>
      network.submit({account: 'new', key: linked}, (await acceptanceOf(token, linked, network.id)).body, {idempotencyKey: linked.keyId})
    const linked = (await createWebKey()).key
    await link(linked)
    expect((await network.account(account)).keys.find(({keyId}) => keyId === linked.keyId)).toMatchObject({roles: ['treasurer']})
    await expect(link((await createWebKey()).key)).rejects.toMatchObject({
      code: expect.stringMatching(/^(not_found|unauthorized|expired)$/)
    })
    await expect(acceptanceOf(token.slice(1), linked, network.id)).rejects.toMatchObject({code: 'invalid_input'})
  })
})

describe('a code at the counter', () => {
  it('names the one redemption that waits with it, however it was typed, and none where somebody copied it', async () => {
    const {code, kept} = await newRedemptionCode(key, network.id)
    const other = (await newRedemptionCode(key, network.id)).kept
    const waiting = [
      {id: 'red_1', codeSalt: other.salt, codeHash: other.hash},
      {id: 'red_2', codeSalt: kept.salt, codeHash: kept.hash},
      {id: 'red_3', codeSalt: null}
    ]
    expect(await redemptionOfCode(network.id, ` ${code.toLowerCase().replaceAll('-', ' ')}`, waiting)).toBe('red_2')
    await expect(redemptionOfCode(network.id, code, waiting.slice(0, 1))).rejects.toMatchObject({code: 'not_found'})
    await expect(redemptionOfCode(network.id, code, [...waiting, {...waiting[1]!, id: 'red_4'}])).rejects.toMatchObject({code: 'conflict'})
    await expect(redemptionOfCode(network.id, `${code}0`, waiting)).rejects.toMatchObject({code: 'invalid_input'})
  })
})

describe('an outbox', () => {
  const body = (hash: string) => ({type: 'node.token', tokenHash: hash.repeat(32), expiresAtMs: 4_000_000_000_000 - 1}) as const

  it('keeps what has no answer over a reload, and sends it once more as it was', async () => {
    const store = memoryStore()
    const broken = await Network.connect({url: world.actors.url, fetch: linkThat((count) => count > 2)})
    const soon = {...body('cd'), expiresAtMs: Date.now() + 60_000}
    const command = await broken.sign({account, key}, soon, {idempotencyKey: 'kept'})
    await expect(new Outbox(store, 'ann').send(broken, {about: 'A node.', command})).rejects.toMatchObject({code: 'unavailable'})
    const reloaded = new Outbox(store, 'ann')
    expect(reloaded.waiting()).toMatchObject([{about: 'A node.', command: {idempotencyKey: 'kept'}}])
    expect(await reloaded.resend(network)).toMatchObject([{status: 'applied', waiting: {about: 'A node.'}}])
    expect(reloaded.waiting()).toEqual([])
  })

  it.each(['no_instance', 'reward_pool_empty', 'internal'])(
    'keeps what was lost on the way and then refused by who stands there: %s',
    async (code) => {
      const store = memoryStore()
      const between = new Response(JSON.stringify({error: {code, message: 'Not here.'}}), {status: 503})
      const lossy = await Network.connect({
        url: world.actors.url,
        fetch: async (address, init) => (init?.method === 'POST' ? between.clone() : fetch(address, init))
      })
      const command = await lossy.sign({account, key}, body('0a'), {idempotencyKey: `between:${code}`})
      await expect(new Outbox(store, 'ann').send(lossy, {about: 'A node.', command})).rejects.toMatchObject({code})
      expect(new Outbox(store, 'ann').waiting()).toHaveLength(1)
    }
  )

  it('forgets what was refused, and takes one wish clicked twice for one', async () => {
    const store = memoryStore()
    const outbox = new Outbox(store, 'ann')
    const command = await network.sign({account, key}, body('ef'), {idempotencyKey: 'refused'})
    await Promise.allSettled([outbox.send(network, {about: 'Once.', command}), outbox.send(network, {about: 'Twice.', command})])
    expect(outbox.waiting()).toEqual([])
  })

  it('reads what somebody else wrote in its place as nothing', () => {
    const store = memoryStore()
    store.setItem('ann', '{"not": "ours"')
    expect(new Outbox(store, 'ann').waiting()).toEqual([])
  })
})

describe('signing in', () => {
  const signedFor = async (changes: Partial<SignInAnswer> = {}): Promise<{desk: SignIn; answer: SignInAnswer}> => {
    const desk = new SignIn(network, {origin: ORIGIN, secret: SECRET})
    const challenge = await desk.challenge()
    const answer = await answerSignIn(challenge, {signer: {account, key}, origin: ORIGIN, network: network.id})
    return {desk, answer: {...answer, ...changes}}
  }

  it('says whose key it was, in any instance of the app that has the secret, and once in each', async () => {
    const {desk, answer} = await signedFor()
    const other = new SignIn(network, {origin: ORIGIN, secret: SECRET})
    expect(await other.verify(answer)).toEqual({account, name: 'ann', keyId: key.keyId, roles: ['owner']})
    expect(await desk.verify(answer)).toMatchObject({account})
    await expect(desk.verify(answer)).rejects.toMatchObject({code: 'replayed'})
  })

  it.each<[string, Partial<SignInAnswer>, string]>([
    ['for another app', {origin: 'https://evil.example.org'}, 'bad_signature'],
    ['whose time was moved', {expiresAtMs: 4_000_000_000_000}, 'bad_signature'],
    ['with a challenge that was not made here', {nonce: `AAAA.${'A'.repeat(43)}`}, 'bad_signature'],
    ['by a key that the account does not have', {keyId: '0'.repeat(32)}, 'unauthorized'],
    ['signed with something else', {signature: 'A'.repeat(86)}, 'bad_signature'],
    ['of an account that is not there', {account: `acc_${'0'.repeat(32)}`}, 'not_found']
  ])('refuses an answer %s', async (_what, changes, code) => {
    const {desk, answer} = await signedFor(changes)
    await expect(desk.verify(answer)).rejects.toMatchObject({code})
  })

  it('takes a challenge in one spelling alone: with something behind it, it would be another one to be taken once', async () => {
    const desk = new SignIn(network, {origin: ORIGIN, secret: SECRET})
    const challenge = await desk.challenge()
    const longer = {...challenge, nonce: `${challenge.nonce}.again`}
    const answer = await answerSignIn(longer, {signer: {account, key}, origin: ORIGIN, network: network.id})
    await expect(desk.verify(answer)).rejects.toMatchObject({code: 'bad_signature'})
  })

  it('signs for nobody who hands on the challenge of somebody else', async () => {
    const challenge = await new SignIn(network, {origin: ORIGIN, secret: SECRET}).challenge()
    const asked = {signer: {account, key}, origin: 'https://evil.example.org', network: network.id}
    await expect(answerSignIn(challenge, asked)).rejects.toMatchObject({code: 'forbidden'})
  })

  it('needs a secret that cannot be guessed', () => {
    expect(() => new SignIn(network, {origin: ORIGIN, secret: 'short'})).toThrow(expect.objectContaining({code: 'invalid_input'}))
  })
})
