import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'
import {createInterface} from 'node:readline'
import {fileURLToPath} from 'node:url'
import {expect, it, onTestFinished} from 'vitest'
import type {CommandBody, SignedCommand} from '../../src/core/protocol/commands.ts'
import {proveKey} from '../../src/identity/key-proofs.ts'
import {generateKeyPair, type KeyPair, loadKeyFile} from '../../src/identity/keys.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {Actors, makeNetwork, type Person, temporaryFolder} from './coordinator-world.ts'

const PROCESS = fileURLToPath(new URL('./clocked-process.ts', import.meta.url))
const ROUNDS = process.env.CREO_TEST_TIER === 'long' ? 20 : 3
const HOUR_MS = 3_600_000
/** From the start of a process to the whole hour; one that is late makes up for it. */
const BEFORE_HOUR_MS = 1000

/** A network on disk, and coordinators that are started on it one after the other. */
async function network() {
  const folder = await temporaryFolder()
  const made = await makeNetwork(folder.path)
  const children: ChildProcess[] = []
  const kill = async (): Promise<void> => {
    const child = children.at(-1)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  onTestFinished(async () => {
    await kill()
    await folder.remove()
  })
  const serve = async (aheadMs = 0): Promise<Actors> => {
    const child = spawn(process.execPath, [PROCESS, folder.path, String(aheadMs)], {stdio: ['ignore', 'pipe', 'inherit']})
    children.push(child)
    const [url] = (await once(createInterface({input: child.stdout}), 'line')) as [string]
    return new Actors({...made, url})
  }
  return {directory: folder.path, serve, kill, operator: await loadKeyFile(`${folder.path}/operator.key`)}
}

/** Adds, replaces and takes away a key of an account's again and again; knows after each answer which keys there are. */
class KeyChanger {
  readonly person: Person
  keyIds: readonly string[]
  /** Sent and not answered. */
  open: {readonly command: SignedCommand; readonly keyIds: readonly string[]} | undefined
  #turn = 0
  #last: KeyPair

  constructor(person: Person) {
    this.person = person
    this.#last = person.key
    this.keyIds = [person.key.keyId]
  }

  async change(actors: Actors): Promise<void> {
    this.open ??= this.#next(actors)
    const answer = await actors.send(this.open.command)
    if (answer.status !== 'applied') throw new Error(JSON.stringify(answer))
    this.keyIds = this.open.keyIds
    this.open = undefined
  }

  #next(actors: Actors): NonNullable<KeyChanger['open']> {
    const {id, key: owner} = this.person
    const [old, fresh] = [this.#last, generateKeyPair()]
    const {publicKey} = fresh
    const proof = proveKey(fresh, {network: actors.networkId, account: id})
    const changes: readonly [CommandBody, readonly string[]][] = [
      [{type: 'key.add', publicKey, roles: ['deployer'], proof}, [owner.keyId, fresh.keyId]],
      [{type: 'key.rotate', keyId: old.keyId, publicKey, proof}, [owner.keyId, fresh.keyId]],
      [{type: 'key.revoke', keyId: old.keyId}, [owner.keyId]]
    ]
    const [body, keyIds] = changes[this.#turn % changes.length] ?? [{type: 'recovery.cancel'}, []]
    this.#turn += 1
    this.#last = fresh
    return {command: actors.command(id, owner, body), keyIds}
  }
}

it('keeps every change of an account’s keys that it answered when it is killed, and carries out the one that it did not answer once', async () => {
  const {directory, serve, kill} = await network()
  let actors = await serve()
  const people = await Promise.all(['ann', 'bob', 'cyd', 'dan'].map((name) => actors.person(name)))
  const changers = people.map((person) => new KeyChanger(person))
  for (let round = 0; round < ROUNDS; round += 1) {
    let answered = 0
    const changing = changers.map(async (changer) => {
      for (;;) {
        await changer.change(actors)
        answered += 1
        if (answered === 30 + 7 * round) void kill()
      }
    })
    await Promise.allSettled(changing)
    await kill()
    actors = await serve()
    for (const changer of changers) {
      const shown = async (): Promise<string[]> => {
        const {json} = await actors.ask('GET', `/v1/accounts/${changer.person.id}`)
        return (json as unknown as {keys: {keyId: string}[]}).keys.map(({keyId}) => keyId)
      }
      const found = await shown()
      expect([changer.keyIds, changer.open?.keyIds ?? changer.keyIds]).toContainEqual(found)
      if (changer.open !== undefined) await changer.change(actors)
      await expect.poll(shown, {timeout: 30_000}).toEqual(changer.keyIds)
    }
  }
  await kill()
  const {signal} = new AbortController()
  expect(await verifyLedger({directory, signatures: true, signal})).toMatchObject({holds: true})
}, 120_000)

it('fires each time of a schedule at least once and always as the same call, whenever it is killed', async () => {
  const {serve, kill, operator} = await network()
  const handed: {readonly id: string; readonly scheduledAtMs: number}[] = []
  let when: 'before' | 'after' | 'never' = 'never'
  let dueMs = 0
  const gateway = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const call = JSON.parse(text) as (typeof handed)[number]
    handed.push(call)
    const isDue = call.scheduledAtMs === dueMs
    if (when === 'before' && isDue) return void kill()
    response.writeHead(200, {'content-type': 'application/json'}).end(JSON.stringify({state: 'queued'}))
    if (when === 'after' && isDue) void kill()
  }).listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  onTestFinished(async () => {
    gateway.closeAllConnections()
    await new Promise((resolve) => gateway.close(resolve))
  })
  const publicUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
  const actors = await serve()
  const org = await actors.colibris()
  const admitted = {publicKey: generateKeyPair().publicKey, name: 'gateway', tunnelUrl: publicUrl, publicUrl}
  await actors.apply('operator', operator, {type: 'gateway.admit', ...admitted})
  await actors.deploy(org, true, undefined, [{schedule: '0 * * * *', path: '/tick'}])
  const cron = async (by: Actors) =>
    (await by.signed('GET', '/v1/apps/colibris/garden/cron', org.key)).json as unknown as {schedules: unknown[]}
  // In force from the first look on: what came due before is not made up for.
  await expect.poll(async () => (await cron(actors)).schedules.length, {timeout: 30_000}).toBe(1)
  await kill()
  dueMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS
  for (const killed of ['before', 'after', 'before'] as const) {
    dueMs += HOUR_MS
    const ofThis = () => handed.filter(({scheduledAtMs}) => scheduledAtMs === dueMs)
    when = killed
    const aheadMs = dueMs - BEFORE_HOUR_MS - Date.now()
    await serve(aheadMs)
    await expect.poll(() => ofThis().length, {timeout: 60_000}).toBe(1)
    await kill()
    when = 'never'
    await serve(aheadMs)
    if (killed === 'before') await expect.poll(() => ofThis().length, {timeout: 60_000}).toBe(2)
    await kill()
    expect(new Set(ofThis().map(({id}) => id)).size).toBe(1)
  }
  expect(new Set(handed.map(({id}) => id)).size).toBe(new Set(handed.map(({scheduledAtMs}) => scheduledAtMs)).size)
}, 240_000)
