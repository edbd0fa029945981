import {readdir, readFile, rm, stat} from 'node:fs/promises'
import {connect} from 'node:net'
import {join} from 'node:path'
import {buffer} from 'node:stream/consumers'
import {expect, onTestFinished, test, vi} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import {type NodeSecrets, type SealingKeyStatement, sealingContext} from '../../src/core/protocol/secrets.ts'
import type {RevisionEntry} from '../../src/core/protocol/tables.ts'
import {generateKeyPair, type KeyPair, nodeIdOf} from '../../src/identity/keys.ts'
import {seal, verifySealingKey} from '../../src/identity/sealing.ts'
import {SecretBook} from '../../src/miner/secret-book.ts'
import {openSecretsSocket} from '../../src/miner/secrets-socket.ts'
import {secretsOf} from '../../src/runtime/ways-out.ts'
import {NETWORK, quietLog, revisionEntry, temporaryDirectory} from './worlds.ts'

const IMAGE = `sha256:${'0'.repeat(64)}`
const REVISION = revisionEntry(IMAGE, {secrets: ['API_KEY']})
const OTHER: RevisionEntry = {...revisionEntry(IMAGE, {secrets: ['API_KEY']}), id: 'rev_8', app: 'blog'}
const PATIENCE = {timeout: 30_000}
const VALUE = 'correct horse battery staple'

/** A coordinator that gives each revision's secrets, sealed to the key that asks; or nothing, while it is gone. */
class FakeGiver {
  readonly asked: string[] = []
  values: Record<string, {version: number; value: string}> = {API_KEY: {version: 1, value: VALUE}}
  change = 1
  isGone = false
  #held: PromiseWithResolvers<undefined> | undefined
  readonly #nodeKey: KeyPair

  constructor(nodeKey: KeyPair) {
    this.#nodeKey = nodeKey
  }

  /** The next answer is of now, but comes when this resolves. */
  hold(): PromiseWithResolvers<undefined> {
    this.#held = Promise.withResolvers()
    return this.#held
  }

  readonly nodeSecrets = async (revision: string, sealingKey: SealingKeyStatement): Promise<NodeSecrets> => {
    this.asked.push(revision)
    if (this.isGone) throw new CreoError('unavailable', 'gone')
    expect(verifySealingKey(sealingKey, {network: NETWORK, key: this.#nodeKey.publicKey})).toBe(true)
    const place = {org: 'colibris', app: 'shop'}
    const [held, {values, change}] = [this.#held, this]
    this.#held = undefined
    await held?.promise
    const secrets = Object.entries(values).map(async ([name, {version, value}]) => {
      const context = sealingContext({network: NETWORK, recipient: nodeIdOf(this.#nodeKey.publicKey), ...place, name, version})
      return {name, version, sealed: await seal(Buffer.from(value), {to: sealingKey.publicKey, context})}
    })
    return {...place, secrets: await Promise.all(secrets), change}
  }
}

async function world() {
  const directory = await temporaryDirectory()
  const nodeKey = generateKeyPair()
  const giver = new FakeGiver(nodeKey)
  const ended = new AbortController()
  onTestFinished(() => ended.abort())
  const changed: string[] = []
  const options = {
    directory: join(directory, 'secrets'),
    keyPath: join(directory, 'secrets.key'),
    network: NETWORK,
    nodeKey,
    client: giver,
    onChanged: (revision: string) => changed.push(revision),
    random: () => 0,
    log: quietLog,
    signal: ended.signal
  }
  return {directory, giver, changed, options, open: (changes: object = {}) => SecretBook.open({...options, ...changes})}
}

async function files(directory: string): Promise<string[]> {
  return (await readdir(join(directory, 'secrets')).catch(() => [])).sort()
}

test('secrets come ahead of need with the lease, lie sealed for their owner alone, and open after a restart without the coordinator', async () => {
  const {directory, giver, open} = await world()
  const first = await open()
  first.sync([REVISION])
  await expect.poll(() => files(directory)).toEqual(['rev_7.json'])
  giver.isGone = true
  const second = await open()
  await second.ready(REVISION)
  expect(await second.environment(REVISION)).toEqual({API_KEY: VALUE})
  const path = join(directory, 'secrets', 'rev_7.json')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await stat(join(directory, 'secrets.key'))).mode & 0o777).toBe(0o600)
  expect(await readFile(path, 'utf8')).not.toContain(VALUE)
})

test('a node with another key cannot open what lies on a disk, and asks for it while it can', async () => {
  const {directory, giver, open} = await world()
  await (await open()).ready(REVISION)
  giver.isGone = true
  const thief = await open({keyPath: join(directory, 'other.key')})
  await expect(thief.environment(REVISION)).rejects.toMatchObject({code: 'unavailable'})
  const renamed = await open({nodeKey: generateKeyPair()})
  await expect(renamed.environment(REVISION)).rejects.toMatchObject({code: 'unavailable'})
})

test('a node whose sealing key was lost asks once for what does not open any more', async () => {
  const {directory, giver, open} = await world()
  await (await open()).ready(REVISION)
  await rm(join(directory, 'secrets.key'))
  const book = await open()
  expect(await book.environment(REVISION)).toEqual({API_KEY: VALUE})
  expect(giver.asked).toHaveLength(2)
  giver.isGone = true
  expect(await (await open()).environment(REVISION)).toEqual({API_KEY: VALUE})
})

test('a newer value comes although what was leased meanwhile told of a later change, and although the process was killed before', async () => {
  const {giver, changed, open} = await world()
  const book = await open()
  book.sync([REVISION])
  await book.ready(REVISION)
  giver.values = {API_KEY: {version: 2, value: 'newer'}}
  giver.change = 3
  book.sync([REVISION, OTHER])
  await book.ready(OTHER)
  const restarted = await open()
  restarted.sync([REVISION, OTHER])
  for (const one of [book, restarted]) one.noticed(3)
  await expect.poll(() => book.environment(REVISION)).toEqual({API_KEY: 'newer'})
  await expect.poll(() => restarted.environment(REVISION)).toEqual({API_KEY: 'newer'})
  expect(changed).toEqual(['rev_7', 'rev_7'])
})

test('what is answered while a newer change is told is asked for once more', async () => {
  const {giver, open} = await world()
  const book = await open()
  book.sync([REVISION])
  await book.ready(REVISION)
  book.noticed(1)
  await expect.poll(() => giver.asked).toHaveLength(2)
  await book.settled()
  const held = giver.hold()
  book.noticed(2)
  await expect.poll(() => giver.asked).toHaveLength(3)
  giver.values = {API_KEY: {version: 2, value: 'newer'}}
  giver.change = 3
  book.noticed(3)
  const ready = book.ready(REVISION)
  held.resolve(undefined)
  await ready
  await expect.poll(() => book.environment(REVISION)).toEqual({API_KEY: 'newer'})
  expect(giver.asked).toHaveLength(4)
})

test('what no lease needs any more is forgotten, on disk too', async () => {
  const {directory, giver, open} = await world()
  const book = await open()
  await book.ready(REVISION)
  book.sync([])
  await expect.poll(() => files(directory)).toEqual([])
  giver.isGone = true
  await expect(book.environment(REVISION)).rejects.toMatchObject({code: 'unavailable'})
})

test('it asks again when the coordinator speaks of a newer change, or knows of none any more, and says which revision changed', async () => {
  const {giver, changed, open} = await world()
  const book = await open()
  book.sync([REVISION])
  await expect.poll(() => giver.asked).toHaveLength(1)
  await book.ready(REVISION)
  book.noticed(1)
  await expect.poll(() => giver.asked).toHaveLength(2)
  await book.settled()
  book.noticed(1)
  giver.values = {API_KEY: {version: 2, value: 'newer'}}
  giver.change = 5
  book.noticed(5)
  await expect.poll(() => changed).toEqual(['rev_7'])
  book.noticed(5)
  expect(await book.environment(REVISION)).toEqual({API_KEY: 'newer'})
  expect(giver.asked).toHaveLength(3)
  book.noticed(undefined)
  await expect.poll(() => giver.asked).toHaveLength(4)
  await book.settled()
  expect(changed).toEqual(['rev_7'])
})

test('a start fails by what is not set, with the command that sets it; a secret that was unset goes from the node', async () => {
  const {directory, giver, open} = await world()
  const book = await open()
  book.sync([REVISION])
  await book.ready(REVISION)
  giver.values = {}
  giver.change = 2
  book.noticed(2)
  await expect.poll(async () => await readFile(join(directory, 'secrets', 'rev_7.json'), 'utf8')).not.toContain('API_KEY')
  await expect(book.ready(REVISION)).rejects.toMatchObject({code: 'not_found', hint: 'creo secrets set colibris/shop API_KEY'})
})

test('a revision without secrets asks for nothing and makes no key', async () => {
  const {directory, giver, open} = await world()
  const plain: RevisionEntry = revisionEntry(IMAGE)
  const book = await open()
  book.sync([plain])
  await book.ready(plain)
  expect(await book.environment(plain)).toEqual({})
  expect([giver.asked, await readdir(directory)]).toEqual([[], []])
})

test('it goes on asking until the coordinator is back', async () => {
  vi.useFakeTimers({toFake: ['setTimeout', 'setInterval']})
  onTestFinished(() => void vi.useRealTimers())
  const {giver, open} = await world()
  giver.isGone = true
  const book = await open()
  book.sync([REVISION])
  await expect.poll(() => giver.asked).toHaveLength(1)
  await expect(book.ready(REVISION)).rejects.toMatchObject({code: 'unavailable'})
  giver.isGone = false
  await vi.waitFor(async () => {
    await vi.advanceTimersByTimeAsync(1000)
    expect(giver.asked).toHaveLength(3)
  }, PATIENCE)
  giver.isGone = true
  await book.ready(REVISION)
})

test('the socket tells the secrets once, and nobody a second time', async () => {
  const socketPath = join(await temporaryDirectory(), 'secrets')
  const opened = await openSecretsSocket({socketPath, secrets: async () => ({A: '1', B: 'x=y\nz'}), log: quietLog})
  expect(secretsOf(await buffer(connect(socketPath)))).toEqual({A: '1', B: 'x=y\nz'})
  await expect(buffer(connect(socketPath))).rejects.toMatchObject({code: expect.stringMatching(/ENOENT|ECONNREFUSED/)})
  await opened.close()
})

test('what the socket can not open it does not tell in part', async () => {
  const socketPath = join(await temporaryDirectory(), 'secrets')
  const opened = await openSecretsSocket({socketPath, secrets: () => Promise.reject(new CreoError('unavailable', 'gone')), log: quietLog})
  expect(() => secretsOf(Buffer.alloc(0))).toThrow('did not come')
  expect((await buffer(connect(socketPath))).length).toBe(0)
  await opened.close()
})
