import {spawn} from 'node:child_process'
import {rename} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {ended} from '../support/processes.ts'
import {CliWorld} from './cli-world.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator('--recovery-delay', '1s')
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
}, 60_000)
afterAll(() => world.close())

/** Another person on another machine, who has joined the same network. */
async function stranger(): Promise<CliWorld> {
  const other = await CliWorld.make()
  await other.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  return other
}

async function recover(of: CliWorld, name: string, code: string): Promise<{code: number | null; json: Record<string, unknown>}> {
  const child = spawn(process.execPath, [CREO, 'account', 'recover', name, '--json'], {env: of.env, stdio: ['pipe', 'pipe', 'pipe']})
  child.stdin.end(code)
  const {code: exit, stdout} = await ended(child)
  return {code: exit, json: JSON.parse(stdout) as Record<string, unknown>}
}

it('adds, rotates and revokes keys, invites others, and recovers an account by its code', async () => {
  const made = await world.must('account', 'create', 'acme')
  expect(made.recoveryCode).toMatch(/^([0-9A-Z]{4}-){7}[0-9A-Z]{4}$/)
  expect(await world.must('account', 'create', 'acme')).not.toHaveProperty('recoveryCode')

  const out = join(world.folder, 'ci.json')
  const added = await world.must('account', 'key', 'add', 'deployer,viewer', '--out', out)
  expect(added).toMatchObject({status: 'added', roles: ['deployer', 'viewer'], keyPath: out})
  expect(await world.must('account', 'key', 'add', 'deployer', '--out', out)).toMatchObject({status: 'already_added'})
  const rotated = await world.must('account', 'key', 'rotate', '--key', out)
  expect(rotated).toMatchObject({replaces: added.keyId, keyPath: out})
  expect(await world.must('account', 'key', 'rotate')).toMatchObject({keyPath: made.keyPath})
  expect(await world.must('account', 'key', 'revoke', String(rotated.keyId))).toMatchObject({status: 'revoked'})
  expect(await world.must('account', 'key', 'revoke', String(rotated.keyId))).toMatchObject({status: 'already_revoked'})

  expect(await world.json('account', 'key', 'revoke', 'ci')).toMatchObject({code: 2, json: {error: {code: 'invalid_input'}}})

  const guest = await stranger()
  const {token, keyId} = await world.must('account', 'invite', 'viewer')
  expect((await world.must('account', 'key', 'list')).keys).toContainEqual(expect.objectContaining({keyId, state: 'invited until'}))
  expect(await guest.must('account', 'accept', String(token))).toMatchObject({
    name: 'acme',
    roles: ['viewer'],
    status: 'accepted',
    isDefault: true
  })
  expect(await guest.must('account', 'accept', String(token))).toMatchObject({status: 'already_accepted'})
  expect(await guest.json('node', 'token')).toMatchObject({code: 3, json: {error: {code: 'forbidden'}}})
  await guest.close()

  const renewed = await world.must('account', 'recovery', 'renew')
  const later = await stranger()
  const old = await recover(later, 'acme', String(made.recoveryCode))
  expect(old).toMatchObject({code: 3, json: {error: {code: 'forbidden'}}})
  expect(await recover(later, 'acme', 'no code')).toMatchObject({code: 2})
  expect(await recover(later, 'acme', `${renewed.recoveryCode}\n`)).toMatchObject({code: 0, json: {status: 'started'}})
  const isOwner = async () => (await later.json('node', 'token', '--as', 'acme')).code === 0
  await expect.poll(isOwner, {timeout: 20_000, interval: 300}).toBe(true)
  expect((await world.json('node', 'token')).json).toMatchObject({error: {code: 'unauthorized'}})
  await later.close()
}, 60_000)

it('completes a rotation that was cut after the network had taken the new key', async () => {
  const {keyPath} = await world.must('account', 'create', 'bolt')
  const first = await world.must('account', 'key', 'rotate', '--as', 'bolt')
  // As after a kill before the file was replaced: the new key beside, and the old one still in its place.
  await rename(String(keyPath), `${keyPath}.next`)
  const {saveKeyFile, generateKeyPair} = await import('../../src/identity/keys.ts')
  await saveKeyFile(String(keyPath), generateKeyPair())
  expect(await world.must('account', 'key', 'rotate', '--as', 'bolt')).toMatchObject({keyId: first.keyId})
  await world.must('node', 'token', '--as', 'bolt')
}, 30_000)
