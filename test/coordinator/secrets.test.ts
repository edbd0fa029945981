import {readdir, readFile, stat} from 'node:fs/promises'
import {join} from 'node:path'
import Database from 'better-sqlite3'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {type NodeSecrets, nodeSecretsSchema, type Sealed, sealingContext, sealingKeySchema} from '../../src/core/protocol/secrets.ts'
import {generateKeyPair, type KeyPair} from '../../src/identity/keys.ts'
import {loadOrCreateSealingKey, type SealingKey, seal, signSealingKey, unseal, verifySealingKey} from '../../src/identity/sealing.ts'
import {Actors, type Answer, type Node, type Person, startWorld} from './coordinator-world.ts'

const VALUE = 'correct horse battery staple'
const PATH = '/v1/apps/colibris/garden/secrets'

let world: Awaited<ReturnType<typeof startWorld>>
let actors: Actors
let org: Person
let ann: Person
let leased: Node
let idle: Node
let revision: string

beforeAll(async () => {
  world = await startWorld()
  actors = world.actors
  org = await actors.colibris()
  ann = await actors.person('ann')
  leased = await actors.node(ann)
  idle = await actors.node(ann)
})
afterAll(() => world.close())

const code = (answer: Answer): string | undefined => answer.json.error?.code

async function deposit(name: string, value: string, changes: {app?: string} = {}): Promise<Sealed> {
  const key = sealingKeySchema.parse((await actors.ask('GET', '/v1/sealing-key')).json)
  expect(verifySealingKey(key, {network: actors.networkId, key: actors.coordinatorKey})).toBe(true)
  const place = {org: 'colibris', app: 'garden', ...changes}
  const context = sealingContext({network: actors.networkId, recipient: 'deposit', ...place, name, version: 0})
  return await seal(Buffer.from(value), {to: key.publicKey, context})
}

async function set(name: string, value: string, key = org.key): Promise<Answer> {
  return actors.signed('POST', PATH, key, {body: {name, sealed: await deposit(name, value)}})
}

function deploy(secrets: readonly string[]) {
  const line = {incentive: 'colibris/LEAF', requestsPerMillionMinor: 100_000_000, mibMsPerMillionMinor: 0, dailyBudgetMinor: 20_000}
  const limits = {memoryBytes: 64 * 2 ** 20, cpuMillis: 100, concurrency: 10, timeoutMs: 1000, scaleMin: 0, scaleMax: 2}
  const spec = {
    command: [],
    port: 8080,
    ...limits,
    env: {},
    egress: [],
    ...(secrets.length > 0 && {secrets: [...secrets]}),
    rewards: [line]
  }
  const revisions = [{function: 'api', imageDigest: `sha256:${'a'.repeat(64)}`, spec}]
  const routes = [{path: '/', function: 'api'}]
  return actors.send(actors.command(org.id, org.key, {type: 'revision.deploy', app: 'garden', revisions, routes}))
}

/** To the revision that names the secret. */
function goBack() {
  const functions = [{function: 'api', traffic: [{revision, percent: 100}]}]
  return actors.send(actors.command(org.id, org.key, {type: 'traffic.set', app: 'garden', functions}))
}

function ofNode(node: Node, by: {signer?: KeyPair; sealing: SealingKey; statedBy?: KeyPair}): Promise<Answer> {
  const statement = signSealingKey({network: actors.networkId, publicKey: by.sealing.publicKey}, by.statedBy ?? node.key)
  return actors.signed('POST', `/v1/nodes/${node.id}/secrets`, by.signer ?? node.key, {body: {revision, sealingKey: statement}})
}

async function opened(given: NodeSecrets, node: Node, key: SealingKey): Promise<string[]> {
  const values = given.secrets.map(({name, version, sealed}) => {
    const context = sealingContext({network: actors.networkId, recipient: node.id, org: given.org, app: given.app, name, version})
    return unseal(sealed, {key, context})
  })
  return (await Promise.all(values)).map(String)
}

it('refuses a deploy that names a secret which is not set, and says how to set it', async () => {
  expect(await deploy(['API_KEY'])).toMatchObject({
    status: 'error',
    error: {code: 'not_found', hint: 'creo secrets set colibris/garden API_KEY'}
  })
})

it('takes a sealed value from a key of the org alone, and shows names and versions but nothing of the value', async () => {
  expect(code(await set('API_KEY', VALUE, ann.key))).toBe('forbidden')
  expect((await set('API_KEY', VALUE)).json).toMatchObject({name: 'API_KEY', version: 1, keyId: org.key.keyId})
  expect((await set('API_KEY', `${VALUE} again`)).json).toMatchObject({version: 2})
  const {json} = await actors.signed('GET', PATH, org.key)
  expect(json).toEqual({secrets: [{name: 'API_KEY', version: 2, setAtMs: expect.any(Number), keyId: org.key.keyId}]})
  expect(code(await actors.signed('GET', PATH, ann.key))).toBe('forbidden')
  expect(code(await actors.ask('GET', PATH))).toBe('unauthorized')
})

it('takes the same sealed value again as the same version: an answer that was lost does no harm', async () => {
  const body = {name: 'ONCE', sealed: await deposit('ONCE', VALUE)}
  const first = await actors.signed('POST', PATH, org.key, {body})
  expect((await actors.signed('POST', PATH, org.key, {body})).json).toEqual(first.json)
})

it('refuses a value that was sealed as another name or app, is empty, too long or no text, and names that are no variable', async () => {
  const post = (name: string, sealed: Sealed) => actors.signed('POST', PATH, org.key, {body: {name, sealed}})
  expect(code(await post('OTHER', await deposit('API_KEY', VALUE)))).toBe('verification_failed')
  expect(code(await post('API_KEY', await deposit('API_KEY', VALUE, {app: 'other'})))).toBe('verification_failed')
  expect(code(await set('API_KEY', ''))).toBe('invalid_input')
  expect(code(await set('API_KEY', 'x'.repeat(8193)))).toBe('invalid_input')
  expect(code(await set('API_KEY', 'a\0b'))).toBe('invalid_input')
  expect(code(await set('MY-KEY', VALUE))).toBe('invalid_input')
  expect(code(await set('PORT', VALUE))).toBe('invalid_input')
})

it('gives a node that holds a lease what its revision names, sealed to its key alone, and nobody else', async () => {
  expect(await deploy(['API_KEY'])).toMatchObject({status: 'applied'})
  await actors.heartbeat(leased)
  revision = (await actors.leased(leased)).lease.revision
  const [sealing, other] = await Promise.all(['a', 'b'].map((name) => loadOrCreateSealingKey(join(world.folder.path, 'keys', name))))
  if (sealing === undefined || other === undefined) throw new Error('no keys')
  const answer = await ofNode(leased, {sealing})
  const given = nodeSecretsSchema.parse(answer.json)
  expect(given.secrets.map(({name, version}) => [name, version])).toEqual([['API_KEY', 2]])
  expect(await opened(given, leased, sealing)).toEqual([`${VALUE} again`])
  await expect(opened(given, leased, other)).rejects.toMatchObject({code: 'verification_failed'})
  await expect(opened(given, idle, sealing)).rejects.toMatchObject({code: 'verification_failed'})
  expect(code(await ofNode(idle, {sealing}))).toBe('forbidden')
  expect(code(await ofNode(leased, {sealing, signer: idle.key}))).toBe('forbidden')
  expect(code(await ofNode(leased, {sealing, statedBy: idle.key}))).toBe('bad_signature')
  expect(code(await ofNode(leased, {sealing, signer: generateKeyPair()}))).toBe('unauthorized')
})

it('tells the node with its heartbeat that something newer was set', async () => {
  const told = async () => Number((await actors.heartbeat(leased)).json.secretsChange)
  const before = await told()
  await set('API_KEY', VALUE)
  expect(await told()).toBeGreaterThan(before)
  expect((await actors.heartbeat(idle)).json).not.toHaveProperty('secretsChange')
})

it('refuses to unset what a function that serves names; afterwards nothing of the value is left, and the version goes on', async () => {
  const unset = () => actors.signed('POST', `${PATH}/unset`, org.key, {body: {name: 'API_KEY'}})
  expect(code(await unset())).toBe('conflict')
  expect(await deploy([])).toMatchObject({status: 'applied'})
  expect((await unset()).json).toEqual({status: 'unset'})
  expect((await unset()).json).toEqual({status: 'already_unset'})
  expect((await actors.signed('GET', PATH, org.key)).json).toMatchObject({secrets: [{name: 'ONCE'}]})
  expect(await goBack()).toMatchObject({
    status: 'error',
    error: {code: 'not_found', hint: 'creo secrets set colibris/garden API_KEY'}
  })
  expect((await set('API_KEY', VALUE)).json).toMatchObject({version: 4})
  expect(await goBack()).toMatchObject({status: 'applied'})
})

it('forgets the values of an app that is destroyed, and not what was set since when the same command comes again', async () => {
  const names = async () => (await actors.signed('GET', PATH, org.key)).json as unknown as {secrets: {name: string; version: number}[]}
  const destroy = actors.command(org.id, org.key, {type: 'app.destroy', app: 'garden'})
  expect((await names()).secrets).toHaveLength(2)
  expect(await actors.send(destroy)).toMatchObject({status: 'applied'})
  expect((await names()).secrets).toEqual([])
  for (const name of ['API_KEY', 'ONCE']) expect((await set(name, VALUE)).status).toBe(200)
  expect(await actors.send(destroy)).toMatchObject({status: 'applied'})
  expect((await names()).secrets).toMatchObject([
    {name: 'API_KEY', version: 5},
    {name: 'ONCE', version: 2}
  ])
})

it('notes nothing of a destruction that was not to be: signed by nobody, or under the key of another command', async () => {
  const open = (): unknown => {
    const db = new Database(join(world.folder.path, 'secrets.sqlite'), {readonly: true})
    const rows = db.prepare('SELECT * FROM forgetting').all()
    db.close()
    return rows
  }
  const destroy = actors.command(org.id, org.key, {type: 'app.destroy', app: 'garden'})
  const forged = {...destroy, signature: `${destroy.signature.startsWith('A') ? 'B' : 'A'}${destroy.signature.slice(1)}`}
  expect(await actors.send(forged)).toMatchObject({status: 'error', error: {code: 'bad_signature'}})
  expect(open()).toEqual([])
  const token = {type: 'node.token', tokenHash: 'b'.repeat(64), expiresAtMs: Date.now() + 60_000} as const
  expect(await actors.send(actors.command(org.id, org.key, token, 'once'))).toMatchObject({status: 'applied'})
  const again = actors.command(org.id, org.key, {type: 'app.destroy', app: 'garden'}, 'once')
  expect(await actors.send(again)).toMatchObject({status: 'error', error: {code: 'idempotency_conflict'}})
  expect(open()).toEqual([])
})

it('forgets at its start the values of an app that was destroyed right before it was killed, and keeps them where the app stands', async () => {
  const names = async (by: Actors) => ((await by.signed('GET', PATH, org.key)).json as unknown as {secrets: {name: string}[]}).secrets
  expect(await deploy([])).toMatchObject({status: 'applied'})
  const restartedWith = async (): Promise<Actors> => {
    await world.coordinator.close()
    const db = new Database(join(world.folder.path, 'secrets.sqlite'))
    db.prepare('INSERT INTO forgetting VALUES (?, ?, ?, ?)').run('colibris', 'garden', Date.now(), org.key.keyId)
    db.close()
    world.coordinator = await world.start()
    world.actors = actors = new Actors({...actors, url: world.coordinator.url})
    return actors
  }
  expect(await names(await restartedWith())).toHaveLength(2)
  expect(await actors.send(actors.command(org.id, org.key, {type: 'app.destroy', app: 'garden'}))).toMatchObject({status: 'applied'})
  for (const name of ['API_KEY', 'ONCE']) expect((await set(name, VALUE)).status).toBe(200)
  expect(await names(await restartedWith())).toEqual([])
  for (const name of ['API_KEY', 'ONCE']) expect((await set(name, VALUE)).status).toBe(200)
})

it('has no value in its data directory, and its key is readable by its owner alone; a restart keeps all of it', async () => {
  const files = await readdir(world.folder.path, {recursive: true, withFileTypes: true})
  const contents = files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name)))
  const all = Buffer.concat(await Promise.all(contents))
  expect(all.includes('API_KEY')).toBe(true)
  expect([VALUE, Buffer.from(VALUE).toString('base64').slice(0, 30)].filter((text) => all.includes(text))).toEqual([])
  expect((await stat(join(world.folder.path, 'secrets.key'))).mode & 0o777).toBe(0o600)
  await world.coordinator.close()
  const again = await world.start()
  const {json} = await new Actors({...actors, url: again.url}).signed('GET', PATH, org.key)
  expect(json).toMatchObject({
    secrets: [
      {name: 'API_KEY', version: 7},
      {name: 'ONCE', version: 4}
    ]
  })
  await again.close()
})
