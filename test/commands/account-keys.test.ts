import {spawn} from 'node:child_process'
import {copyFile, rename} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {afterAll, beforeAll, expect, it} from 'vitest'
import {rotateKey} from '../../src/developer/account-keys.ts'
import type {AccountContext} from '../../src/developer/context.ts'
import {renewRecovery} from '../../src/developer/recovery.ts'
import {generateKeyPair, loadKeyFile, saveKeyFile} from '../../src/identity/keys.ts'
import {ended} from '../support/processes.ts'
import {CliWorld} from './cli-world.ts'

const CREO = fileURLToPath(new URL('../../bin/run.js', import.meta.url))

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator('--recovery-delay', '1s')
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
})
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
})

it('makes a key of its own for a recovery or an invitation, whatever key lies there, and says where that one went', async () => {
  const made = await world.must('account', 'create', 'cole')
  const keyPath = String(made.keyPath)
  const shown = (await world.must('account', 'key', 'list', '--as', 'cole')).keys as {keyId: string}[]
  // A thief has copied the key, rotated it away, and left the file.
  await copyFile(keyPath, `${keyPath}.left`)
  await world.must('account', 'key', 'rotate', '--as', 'cole')
  const own = (await loadKeyFile(keyPath)).keyId
  await rename(`${keyPath}.left`, keyPath)
  const old = shown[0]?.keyId
  const started = await recover(world, 'cole', String(made.recoveryCode))
  expect(started).toMatchObject({code: 0, json: {status: 'started', keyPath, movedTo: `${keyPath}.${old}`}})
  expect([own, old]).not.toContain(started.json.keyId)

  const isOwner = async () => (await world.json('node', 'token', '--as', 'cole')).code === 0
  await expect.poll(isOwner, {timeout: 20_000, interval: 300}).toBe(true)
  const guest = await stranger()
  const accept = async () =>
    guest.must('account', 'accept', String((await world.must('account', 'invite', 'viewer', '--as', 'cole')).token))
  const first = await accept()
  await world.must('account', 'key', 'revoke', String(first.keyId), '--as', 'cole')
  const second = await accept()
  expect(second).toMatchObject({status: 'accepted', movedTo: `${first.keyPath}.${first.keyId}`})
  expect(second.keyId).not.toBe(first.keyId)
  // As after a run that was cut before its acceptance was known: its key is aside, and the account has it.
  await rename(String(second.keyPath), `${second.keyPath}.${second.keyId}`)
  expect(await accept()).toMatchObject({status: 'already_accepted', keyId: second.keyId, keyPath: second.keyPath})
  await guest.close()
})

it('goes on with a recovery that this machine began, with the same key', async () => {
  const patient = await CliWorld.make()
  await patient.startCoordinator('--recovery-delay', '1h')
  await patient.must('network', 'join', patient.coordinatorUrl, '--id', patient.networkId)
  const {recoveryCode, keyPath} = await patient.must('account', 'create', 'cole')
  await rename(String(keyPath), `${keyPath}.lost`)
  const {keyId} = (await recover(patient, 'cole', String(recoveryCode))).json
  expect(await recover(patient, 'cole', String(recoveryCode))).toMatchObject({code: 0, json: {status: 'already_started', keyId}})
  await patient.close()
})

it('shows a recovery code before it asks for the account, and says how to get another', async () => {
  const made = await world.run('account', 'create', 'dora')
  expect(made.stdout).toMatch(/^Recovery code.*good once\nthis command ends without an error.*Created dora/s)
  expect((await world.run('account', 'create', 'dora')).stdout).toContain('creo account recovery renew --as dora')
  const shown: string[] = []
  const refused = renewRecovery(refusing(), (code) => shown.push(code))
  await expect(refused).rejects.toThrow('cut')
  expect(shown).toHaveLength(1)
})

it('takes a rotation for done when the network has the new key, whatever became of the answer', async () => {
  const {keyPath} = await world.must('account', 'create', 'erin')
  const old = await loadKeyFile(String(keyPath))
  const {keyId, replaces} = await rotateKey(
    refusing(async () => [(await loadKeyFile(`${keyPath}.next`)).keyId]),
    String(keyPath)
  )
  expect([replaces, keyId]).toEqual([old.keyId, (await loadKeyFile(String(keyPath))).keyId])
  await expect(rotateKey(refusing(), String(keyPath))).rejects.toThrow('cut')
})

/** The account of a client whose commands are carried out or not, and never answered. */
function refusing(keysAfter: () => Promise<readonly string[]> = async () => []): AccountContext {
  let isAfter = false
  const client = {
    account: async () => ({keys: (isAfter ? await keysAfter() : []).map((keyId) => ({keyId, roles: ['owner']}))}),
    submit: async () => {
      isAfter = true
      throw new Error('cut')
    }
  }
  return {client, account: {id: 'acc_1', name: 'acme'}, networkId: '0'.repeat(64), name: 'net'} as unknown as AccountContext
}

it('completes a rotation that was cut after the network had taken the new key', async () => {
  const {keyPath} = await world.must('account', 'create', 'bolt')
  const first = await world.must('account', 'key', 'rotate', '--as', 'bolt')
  // As after a kill before the file was replaced: the new key beside, and the old one still in its place.
  await rename(String(keyPath), `${keyPath}.next`)
  await saveKeyFile(String(keyPath), generateKeyPair())
  expect(await world.must('account', 'key', 'rotate', '--as', 'bolt')).toMatchObject({keyId: first.keyId})
  await world.must('node', 'token', '--as', 'bolt')
})
