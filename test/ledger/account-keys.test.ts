import {join} from 'node:path'
import {afterEach, beforeEach, expect, it} from 'vitest'
import {LedgerMachine} from '../../src/core/exchange/ledger-machine.ts'
import {RECOVERY_DELAY_MS} from '../../src/core/exchange/limits.ts'
import type {CommandBody} from '../../src/core/protocol/commands.ts'
import {proveInvite, proveKey} from '../../src/identity/key-proofs.ts'
import {authenticate} from '../../src/ledger/authenticate.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {genesisOf} from '../exchange/world.ts'
import {LedgerWorld} from './ledger-world.ts'

let world: LedgerWorld
let acme: string
beforeEach(async () => {
  world = await LedgerWorld.make()
  const keys = [proven('acme', 'acme', 'owner'), proven('paper', 'acme', 'recovery')]
  acme = String((await world.must('acme', {type: 'account.create', name: 'acme', keys}, {as: 'new'})).account)
  world.accounts.set('acme', acme)
})
afterEach(() => world.remove())

function proven(key: string, account: string, role: 'owner' | 'recovery' | 'viewer') {
  const {publicKey} = world.key(key)
  return {publicKey, roles: [role], proof: proveKey(world.key(key), {network: world.network, account})}
}

const shown = () => world.ledger.reads.account('acme')
const rolesOf = (key: string) => world.ledger.reads.accountByKey(world.key(key).keyId)?.roles

it('takes no key that has not signed for itself, and no proof of another account, network or key', async () => {
  const {publicKey} = world.key('victim')
  const keys = [proven('thief', 'thief', 'owner'), {publicKey, roles: ['viewer' as const]}]
  const create: CommandBody = {type: 'account.create', name: 'thief', keys}
  await expect(world.submit(world.sign('thief', create, {as: 'new'}))).rejects.toMatchObject({code: 'bad_signature'})
  const proofs = [
    proveKey(world.key('victim'), {network: world.network, account: 'acc_of_another'}),
    proveKey(world.key('victim'), {network: '0'.repeat(64), account: acme}),
    proveKey(world.key('acme'), {network: world.network, account: acme})
  ]
  for (const proof of proofs) {
    const body: CommandBody = {type: 'key.add', publicKey, roles: ['viewer'], proof}
    await expect(world.submit(world.sign('acme', body))).rejects.toMatchObject({code: 'bad_signature'})
  }
  await world.must('acme', {type: 'key.add', ...proven('victim', acme, 'viewer')})
  expect(rolesOf('victim')).toEqual(['viewer'])
})

it('shows invitations and recoveries, forgets what is revoked, and carries a recovery out after a restart', async () => {
  const {publicKey: inviteKey, keyId: invitation} = world.key('token')
  const expiresAtMs = world.nowMs + 60_000
  await world.must('acme', {type: 'key.invite', inviteKey, roles: ['deployer'], expiresAtMs})
  const madeBy = world.key('acme').keyId
  expect(shown()?.invites).toEqual([{keyId: invitation, roles: ['deployer'], expiresAtMs, madeBy}])
  const {publicKey} = world.key('guest')
  const acceptWith = (key: string): CommandBody => {
    const inviteProof = proveInvite(world.key('token'), {network: world.network, account: acme}, world.key(key).publicKey)
    return {type: 'key.accept', account: acme, publicKey, inviteKey, inviteProof}
  }
  // Whoever sees the command on its way can't put a key of their own in its place.
  await expect(world.submit(world.sign('guest', acceptWith('thief'), {as: 'new'}))).rejects.toMatchObject({code: 'bad_signature'})
  await world.must('guest', acceptWith('guest'), {as: 'new'})
  expect([shown()?.invites, rolesOf('guest')]).toEqual([undefined, ['deployer']])
  expect(shown()?.keys.map(({addedBy}) => addedBy)).toEqual([undefined, undefined, madeBy])
  expect(shown()?.keys.at(-1)?.addedAtMs).toBe(world.nowMs)
  await world.must('acme', {type: 'key.revoke', keyId: world.key('guest').keyId})
  expect(rolesOf('guest')).toBeUndefined()
  await expect(world.submit(world.sign('guest', {type: 'recovery.cancel'}, {as: acme}))).rejects.toMatchObject({code: 'unauthorized'})
  const {publicKey: newKey, proof} = proven('new owner', acme, 'owner')
  await world.must('paper', {type: 'recovery.start', publicKey: newKey, proof}, {as: acme})
  expect(shown()?.recovery).toEqual({
    keyId: world.key('new owner').keyId,
    dueAtMs: world.nowMs + RECOVERY_DELAY_MS,
    startedBy: world.key('paper').keyId
  })
  await world.close()
  await world.open()
  expect(world.ledger.nextExpiryMs()).toBe(world.nowMs + RECOVERY_DELAY_MS)
  world.nowMs += RECOVERY_DELAY_MS
  await world.must('coordinator', {type: 'time.advance'})
  expect([rolesOf('acme'), rolesOf('new owner'), shown()?.recovery]).toEqual([undefined, ['owner'], undefined])
  expect(shown()?.keys.find(({roles}) => roles.includes('owner'))?.addedBy).toBe(world.key('paper').keyId)
  await world.close()
  expect(await verifyLedger({directory: join(world.directory), signatures: true, signal: world.signal})).toMatchObject({holds: true})
})

it('answers a key that has replaced itself, or was taken away, with what its last commands did and takes no others from it', async () => {
  const {publicKey, proof} = proven('acme-two', acme, 'owner')
  const rotate: CommandBody = {type: 'key.rotate', keyId: world.key('acme').keyId, publicKey, proof}
  const first = world.sign('acme', rotate, {idempotencyKey: 'rotate'})
  const answer = await world.submit(first)
  expect(answer.status).toBe('applied')
  expect(await world.submit(first)).toEqual(answer)
  await world.close()
  await world.open()
  // Signed again, as after a mended clock: answered, but nothing more is journaled for a key that is gone.
  const again = world.sign('acme', rotate, {idempotencyKey: 'rotate', notAfterMs: world.nowMs + 120_000})
  expect(await world.submit(again)).toEqual(answer)
  expect(world.ledger.sequence).toBe(answer.seq)
  const thiefs = world.sign('thief', rotate, {as: acme, idempotencyKey: 'rotate'})
  for (const keyId of [world.key('acme').keyId, thiefs.keyId]) {
    await expect(world.submit({...thiefs, keyId})).rejects.toMatchObject({code: keyId === thiefs.keyId ? 'unauthorized' : 'bad_signature'})
  }
  const other = world.sign('acme', {type: 'recovery.cancel'}, {idempotencyKey: 'rotate'})
  await expect(world.submit(other)).rejects.toMatchObject({code: 'unauthorized'})
})

it('replays accounts whose keys have a role many times, and takes no new one of them, nor one of many keys', async () => {
  const roles = Array.from({length: 6}, () => 'owner' as const)
  const twice: CommandBody = {type: 'account.create', name: 'bolt', keys: [{publicKey: world.key('bolt').publicKey, roles}]}
  const command = world.sign('bolt', twice, {as: 'new'})
  expect(authenticate(LedgerMachine.fromGenesis(genesisOf(), world.network), command, {signatures: true}).body).toMatchObject({
    name: 'bolt'
  })
  await expect(world.submit(command)).rejects.toMatchObject({code: 'invalid_input'})
  const keys = ['bolt', 'two', 'three', 'four', 'five'].map((key) => ({...proven(key, 'bolt', 'owner'), proof: 'A'.repeat(86)}))
  const many = world.sign('bolt', {type: 'account.create', name: 'bolt', keys}, {as: 'new'})
  await expect(world.submit(many)).rejects.toMatchObject({code: 'invalid_input'})
})
