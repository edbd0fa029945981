import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, it, onTestFinished, test} from 'vitest'
import {createClient} from '../../src/client/client.ts'
import {ClientLimits} from '../../src/coordinator/http/client-limits.ts'
import {RateLimit} from '../../src/coordinator/http/rate-limit.ts'
import {coordinatorSettings} from '../../src/coordinator/settings.ts'
import {heartbeatEveryMs} from '../../src/core/protocol/api.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {createNonceMemory, GENERATION_MS, noncesPerKey} from '../../src/identity/nonces.ts'
import {signRegistryToken} from '../../src/identity/registry-tokens.ts'
import {buildImage} from '../../src/images/build-image.ts'
import {scratchDirectory} from '../images/registry-world.ts'
import {type Person, startWorld} from './coordinator-world.ts'

const lacksSkopeo = (await execa('skopeo', ['--version'], {reject: false})).failed && process.env.CI === undefined
/** More than a bucket of five seconds' worth holds, whatever a slow machine lets drip in meanwhile. */
const MANY = 100
const HOUR_MS = 3_600_000
const START_MS = 1_800_000_000_000
const limited = {code: 'rate_limited', message: expect.stringMatching(/too many .*\.$/), hint: expect.stringMatching(/^Ask again in \d+ s/)}

describe('a bucket of tokens', () => {
  it('gives a burst, then one after the other, and says when there is one again; each name has its own', () => {
    const limit = new RateLimit({perSecond: 10, burst: 2})
    expect(['a', 'a', 'a', 'b'].map((name) => limit.take(name, 0))).toEqual([0, 0, 100, 0])
    expect([limit.take('a', 50), limit.take('a', 100), limit.waitMs('a', 150)]).toEqual([50, 0, 50])
  })

  it('lets what can’t be refused go on until a burst is owed, and has the others wait for it', () => {
    const limit = new RateLimit({perSecond: 10, burst: 2})
    expect([0, 0, 0, 0, 0].map(() => limit.owe('a', 0))).toEqual([0, 0, 0, 0, 100])
    expect([limit.take('a', 0), limit.take('a', 300)]).toEqual([300, 0])
  })

  it('is forgotten when very many others came since: memory has a limit', () => {
    const limit = new RateLimit({perSecond: 1, burst: 1})
    expect([limit.take('a', 0), limit.take('a', 0)]).toEqual([0, 1000])
    for (let other = 0; other < 50_000; other += 1) limit.take(`other ${other}`, 0)
    expect(limit.take('a', 0)).toBe(0)
  })

  it('is not forgotten for names that were only asked about: anybody can name what is not theirs', () => {
    const limit = new RateLimit({perSecond: 1, burst: 1})
    limit.take('a', 0)
    for (let other = 0; other < 50_000; other += 1) expect(limit.waitMs(`other ${other}`, 0)).toBe(0)
    expect([limit.waitMs('a', 0), limit.take('a', 0)]).toEqual([1000, 1000])
  })
})

describe.each(['development', 'production'] as const)('in a %s network', (network) => {
  it('a thousand nodes of one owner behind one address are never limited at the rate that they are told', () => {
    const settings = coordinatorSettings(network)
    let nowMs = 0
    const limits = new ClientLimits(settings, () => nowMs)
    const everyMs = heartbeatEveryMs(settings.scheduling.lostAfterMs)
    for (let beat = 0; beat < 100; beat += 1, nowMs += everyMs) {
      for (let node = 0; node < 1000; node += 1) {
        // A table, a heartbeat, and one that is said at once.
        for (let request = 0; request < 3; request += 1) limits.takeFromAddress('198.51.100.7')
        for (let request = 0; request < 2; request += 1) limits.takeFromSigner(`node_${node}`, {carries: false})
      }
    }
    expect(nowMs).toBe(100 * everyMs)
  })
})

it.each([200, 20])(
  'a key that signs %i times a second, as often as it may, is never short of room for its nonces',
  (accountRequestsPerSecondMax) => {
    const {accountRequests} = coordinatorSettings('production', {accountRequestsPerSecondMax})
    const nonces = createNonceMemory({perKeyMax: noncesPerKey(accountRequests)})
    const limit = new RateLimit(accountRequests)
    const seen = {new: 0, seen: 0, full: 0}
    // A burst, then the most for long, for longer than anything is remembered.
    for (let atMs = 0, count = 0; atMs < 3 * GENERATION_MS; atMs += 1000) {
      while (limit.owe('key', atMs) === 0) {
        seen[nonces.remember({keyId: 'key', nonce: `${count}`, nowMs: START_MS + atMs})] += 1
        count += 1
      }
    }
    expect([seen.seen, seen.full]).toEqual([0, 0])
    expect(seen.new).toBeGreaterThanOrEqual((accountRequestsPerSecondMax * 3 * GENERATION_MS) / 1000)
  }
)

describe('a coordinator', () => {
  let world: Awaited<ReturnType<typeof startWorld>>
  let ann: Person
  let bob: Person
  beforeAll(async () => {
    world = await startWorld({operatorSettings: {accountCommandsPerSecondMax: 1, accountRequestsPerSecondMax: 2}})
    ann = await world.actors.person('ann')
    bob = await world.actors.person('bob')
  })
  afterAll(() => world.close())

  const tokenOf = ({id, key}: Person) =>
    world.actors.command(id, key, {type: 'node.token', tokenHash: 'a'.repeat(64), expiresAtMs: Date.now() + 1000})
  const post = (commands: readonly unknown[]) => world.actors.ask('POST', '/v1/commands', {body: {commands}})
  const secretsOf = ({name, key}: Person) => world.actors.signed('GET', `/v1/apps/${name}/app/secrets`, key)
  const spend = async (person: Person) =>
    (await Promise.all(Array.from({length: MANY}, () => secretsOf(person)))).filter(({status}) => status === 429)

  it('takes so many commands of an account and says of each other that it comes too often; nobody else notices', async () => {
    const forged = Array.from({length: MANY}, () => ({...tokenOf(ann), signature: generateKeyPair().publicKey.padEnd(86, 'A')}))
    const {answers: refused} = (await post(forged)).json as unknown as {answers: {error: {code: string}}[]}
    expect(new Set(refused.map(({error}) => error.code))).not.toContain('rate_limited')
    const {answers} = (await post(Array.from({length: MANY}, () => tokenOf(ann)))).json as unknown as {
      answers: {status: string; error?: object}[]
    }
    expect(answers.slice(0, 5).map(({status}) => status)).not.toContain('error')
    expect(answers.at(-1)).toEqual({status: 'error', error: limited})
    const all = await post(Array.from({length: MANY}, () => tokenOf(ann)).slice(0, 3))
    if (all.status === 429) expect([all.json.error, Number(all.headers.get('retry-after'))]).toEqual([limited, 1])
    expect((await post([tokenOf(bob)])).status).toBe(200)
  })

  it('takes so many receipts of a node, and says of the others that they may come again; another node’s are paid, and forged ones cost it nothing', async () => {
    const {actors, operator} = world
    const org = await actors.colibris()
    await actors.deploy(org, true, `sha256:${'b'.repeat(64)}`)
    const gateway = await actors.gateway(operator)
    const [first, second] = [await actors.node(bob), await actors.node(org)]
    for (const node of [first, second]) await actors.heartbeat(node)
    const [ofFirst, ofSecond] = [(await actors.leased(first)).lease, (await actors.leased(second)).lease]
    const hand = async (receipts: readonly object[]) =>
      ((await actors.ask('POST', '/v1/receipts', {body: {receipts}})).json as unknown as {answers: {status: string; code?: string}[]})
        .answers
    const receipts = Array.from({length: MANY}, (_, at) => actors.receipt({gateway, node: first, lease: ofFirst, window: at, requests: 0}))
    const forged = receipts.map((receipt) => ({...receipt, nodeSignature: receipt.gatewaySignature}))
    expect(new Set((await hand(forged)).map(({status}) => status))).toEqual(new Set(['rejected']))
    const answers = await hand(receipts)
    expect(answers.slice(0, 5).map(({status}) => status)).toEqual(Array(5).fill('paid'))
    expect(answers.at(-1)).toMatchObject({status: 'retry', code: 'rate_limited'})
    const other = [actors.receipt({gateway, node: second, lease: ofSecond, window: 1, requests: 0})]
    expect(await hand(other)).toMatchObject([{status: 'paid'}])
  })

  it('takes so many signed requests of an account, answers 429 with a time to wait, and creo’s client waits for it', async () => {
    const refused = await spend(ann)
    expect(refused.length).toBeGreaterThan(0)
    for (const {json, headers} of refused) expect([json.error, Number(headers.get('retry-after'))]).toEqual([limited, 1])
    expect((await secretsOf(bob)).status).toBe(200)
    const {url: coordinatorUrl, networkId, coordinatorKey} = world.actors
    const client = createClient({coordinatorUrl, networkId, coordinatorKey, now: Date.now, key: ann.key, account: ann.id})
    expect(await client.secrets({org: 'ann', app: 'app'})).toEqual({secrets: []})
    await client.close()
  })

  it('answers in the registry’s own form there', async () => {
    await spend(ann)
    const answers = await Promise.all(Array.from({length: MANY}, () => world.actors.signed('GET', '/v2/ann/app/web/tags/list', ann.key)))
    const refused = answers.find(({status}) => status === 429)
    expect(refused?.json).toEqual({
      errors: [{code: 'TOOMANYREQUESTS', message: limited.message, detail: {code: 'rate_limited', hint: limited.hint}}]
    })
    expect(Number(refused?.headers.get('retry-after'))).toBe(1)
  })

  test.skipIf(lacksSkopeo)('makes an unmodified skopeo wait, not fail', async () => {
    const scratch = await scratchDirectory()
    onTestFinished(() => scratch.remove())
    const {signal} = new AbortController()
    const [layoutDirectory, folder] = [join(scratch.path, 'layout'), join(scratch.path, 'app')]
    await mkdir(folder)
    const platforms = [{architecture: 'amd64', base: 'scratch'}] as const
    await buildImage({platforms, folder, argv: ['/app/run'], env: {}, layoutDirectory, signal})
    const scope = {account: 'bob', actions: ['pull', 'push'], issuedAtMs: Date.now(), notAfterMs: Date.now() + HOUR_MS} as const
    const token = signRegistryToken({network: world.coordinator.networkId, ...scope}, bob.key)
    await spend(bob)
    const remote = `docker://${new URL(world.coordinator.url).host}/bob/app/web:v1`
    await execa('skopeo', ['copy', '--all', '--dest-tls-verify=false', '--dest-creds', `bob:${token}`, `oci:${layoutDirectory}`, remote])
    const metrics = await (await fetch(`${world.actors.url}/metrics`)).text()
    expect(metrics).toMatch(/creo_coordinator_requests_total\{route="\/v2\/\*",status="429"\} [1-9]/)
  })
})

it('takes a request whose client went before it was looked at for no fault of its own', () => {
  const limits = new ClientLimits(coordinatorSettings('production'))
  expect(() => limits.takeFromAddress(undefined)).toThrow(expect.objectContaining({code: 'interrupted'}))
})
