import {randomUUID} from 'node:crypto'
import {once} from 'node:events'
import {writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {openUserConfig} from '../../src/config/user-config.ts'
import type {CreoError} from '../../src/core/errors.ts'
import type {SignedCommand} from '../../src/core/protocol/commands.ts'
import {commandSigningText} from '../../src/core/protocol/signing-texts.ts'
import {signCommand} from '../../src/identity/commands.ts'
import {signRequest} from '../../src/identity/http-signatures.ts'
import {generateKeyPair, type KeyPair, loadKeyFile, saveKeyFile, sha256Hex, signText} from '../../src/identity/keys.ts'
import {CliWorld} from '../commands/cli-world.ts'
import {creo} from '../support/processes.ts'

const LEAF = 'colibris/LEAF'
const NOWHERE = 'http://127.0.0.1:1'
const SOME_ID = 'ab'.repeat(32)
const DAY_MS = 24 * 60 * 60_000

let world: CliWorld
let colibris: {readonly id: string; readonly key: KeyPair}
let before: unknown
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  const operator = ['--operator-key', join(world.folder, 'coordinator', 'operator.key')]
  await world.must('account', 'create', 'creometry', ...operator)
  await world.must('account', 'create', 'colibris')
  const offer = ['--offer', 'Delivery', '--offer-price', '2', '--offer-stock', '5']
  await world.must('incentive', 'issue', 'LEAF', '--supply', '1000', '--limit', '100', ...offer, '--as', 'colibris')
  const {id} = await world.must('account', 'show', 'colibris')
  colibris = {id: String(id), key: await loadKeyFile(keyPath('colibris'))}
  before = await everything()
})
afterAll(() => world.close())

function keyPath(account: string): string {
  return join(world.folder, 'config', 'keys', world.networkId, `${account}.json`)
}

/** What a refusal must not have changed. */
async function everything(): Promise<unknown> {
  const {incentives} = await world.must('incentive', 'list')
  const [{balances}, {orders}] = [
    await world.must('account', 'balance', 'colibris'),
    await world.must('trade', 'orders', '--as', 'colibris')
  ]
  return {incentives, balances, orders}
}

/** A command whose body breaks a rule that the client would not let through, signed as it should be. */
function signedAnyhow(body: Record<string, unknown>): SignedCommand {
  const envelope = {
    network: world.networkId,
    account: colibris.id,
    key: colibris.key,
    idempotencyKey: randomUUID(),
    notAfterMs: Date.now() + 60_000
  }
  const {signature: _, ...valid} = signCommand({
    ...envelope,
    body: {type: 'incentive.limit', incentive: LEAF, tradeVolumeLimitMicroGutta: 1}
  })
  const command = {...valid, body: JSON.stringify(body)}
  return {...command, signature: signText(colibris.key, commandSigningText(command, sha256Hex(command.body)))}
}

async function post(command: SignedCommand): Promise<unknown> {
  const response = await fetch(`${world.coordinatorUrl}/v1/commands`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({commands: [command]})
  })
  const {answers} = (await response.json()) as {answers: readonly unknown[]}
  return answers[0]
}

describe('the ledger itself refuses', () => {
  it.each(['0', '-1', '9007199254740992', 1, null])('a trade volume limit of %j that is signed rightly', async (limit) => {
    const body = {type: 'incentive.limit', incentive: LEAF, tradeVolumeLimitMicroGutta: limit}
    expect(await post(signedAnyhow(body))).toMatchObject({status: 'error', error: {code: 'invalid_input', hint: expect.any(String)}})
  })

  it('a transfer of more than there is, an unknown incentive, and what is not theirs, each signed rightly', async () => {
    const order = {type: 'order.place', side: 'sell', priceMicroGutta: '1', lots: '1001', kind: 'limit', timeInForce: 'GTC'}
    expect(await post(signedAnyhow({...order, incentive: LEAF}))).toMatchObject({status: 'rejected', code: 'insufficient_funds'})
    expect(await post(signedAnyhow({...order, incentive: 'colibris/NONE'}))).toMatchObject({status: 'rejected', code: 'not_found'})
    const {signature: _, ...command} = signedAnyhow({...order, incentive: LEAF})
    const stranger = generateKeyPair()
    const foreign = {...command, keyId: stranger.keyId}
    const signature = signText(stranger, commandSigningText(foreign, sha256Hex(foreign.body)))
    expect(await post({...foreign, signature})).toMatchObject({status: 'error', error: {code: 'unauthorized', hint: expect.any(String)}})
  })

  it('a signature that is another one, and carries out a repeated command once', async () => {
    const good = signedAnyhow({type: 'node.token', tokenHash: 'a'.repeat(64), expiresAtMs: Date.now() + 60_000})
    const bad = {...good, notAfterMs: good.notAfterMs + 1}
    expect(await post(bad)).toMatchObject({status: 'error', error: {code: 'bad_signature', hint: expect.any(String)}})
    const first = await post(good)
    expect(first).toMatchObject({status: 'applied'})
    expect(await post(good)).toEqual(first)
  })
})

it('a request that is sent twice, and one of a wrong clock, are refused with a hint', async () => {
  const url = `${world.coordinatorUrl}/v1/apps/colibris/shop/logs`
  const signed = signRequest({method: 'GET', url, key: colibris.key, nowMs: Date.now()})
  expect((await fetch(url, {headers: signed})).status).not.toBe(409)
  const again = await fetch(url, {headers: signed})
  expect([again.status, await again.json()]).toEqual([
    409,
    {error: {code: 'replayed', message: expect.any(String), hint: expect.any(String)}}
  ])
  const late = await fetch(url, {headers: signRequest({method: 'GET', url, key: colibris.key, nowMs: Date.now() - DAY_MS})})
  expect([late.status, await late.json()]).toEqual([
    401,
    {error: {code: 'clock_skew', message: expect.any(String), hint: expect.any(String)}}
  ])
})

it.each([-DAY_MS, DAY_MS])('a machine whose clock is off by %i ms does its work all the same', async (offMs) => {
  const module = join(world.folder, `clock${offMs}.mjs`)
  await writeFile(module, `const now = Date.now\nDate.now = () => now() + ${offMs}\n`)
  const env = {...world.env, NODE_OPTIONS: `--import=${module}`}
  const token = await creo(['node', 'token', '--as', 'colibris', '--json'], {env})
  expect(token.code, token.stdout + token.stderr).toBe(0)
  const logs = await creo(['logs', 'colibris/shop', '--as', 'colibris', '--json'], {env})
  expect(JSON.parse(logs.stdout)).not.toMatchObject({error: {code: 'clock_skew'}})
})

it('an account whose key file is another key is refused', async () => {
  const other = await CliWorld.make()
  try {
    await other.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
    await saveKeyFile(join(other.folder, 'config', 'keys', world.networkId, 'colibris.json'), generateKeyPair())
    const said = await other.json('incentive', 'fund', LEAF, '1', '--as', 'colibris')
    expect(said).toMatchObject({code: 3, json: {error: {code: 'unauthorized', hint: expect.any(String)}}})
  } finally {
    await other.close()
  }
})

describe('a port that another program has', () => {
  const taken = createServer()
  let port = 0
  beforeAll(async () => {
    await once(taken.listen(0, '127.0.0.1'), 'listening')
    port = (taken.address() as {port: number}).port
  })
  afterAll(() => taken.close())

  it.each([
    ['creo gateway serve --listen', () => ['gateway', 'serve', ...gateway(), '--listen', `127.0.0.1:${port}`, '--tunnel', '127.0.0.1:0']],
    ['creo gateway serve --tunnel', () => ['gateway', 'serve', ...gateway(), '--listen', '127.0.0.1:0', '--tunnel', `127.0.0.1:${port}`]],
    ['creo up --coordinator-port', () => ['up', '--data', join(world.folder, 'up'), '--coordinator-port', `${port}`]]
  ])('is refused by %s, in whose own words the way out is', async (title, args) => {
    const said = await world.json(...args())
    expect(said).toMatchObject({
      code: 1,
      json: {error: {code: 'port_taken', hint: expect.stringContaining(title.startsWith('creo up') ? '--coordinator-port' : 'port')}}
    })
    expect((said.json.error as {message: string}).message).toContain(String(port))
  })

  function gateway(): readonly string[] {
    return ['--data', join(world.folder, 'gateway'), '--coordinator', world.coordinatorUrl, '--network-id', world.networkId]
  }
})

describe('a folder that cannot be made', () => {
  const network = ['--coordinator', NOWHERE, '--network-id', SOME_ID]
  const gateway = ['--listen', '127.0.0.1:0', '--tunnel', '127.0.0.1:0']
  it.each([
    ['coordinator', 'init', '--development'],
    ['coordinator', 'serve', '--listen', '127.0.0.1:0'],
    ['gateway', 'serve', ...network, ...gateway],
    ['mine', 'start', ...network, '--earn', 'gutta'],
    ['up', '--coordinator-port', '0', '--gateway-port', '0', '--tunnel-port', '0']
  ])('is refused by creo %s %s', async (...args) => {
    const file = join(world.folder, 'a-file')
    await writeFile(file, '')
    const said = await world.json(...args, '--data', join(file, 'below'))
    expect(said).toMatchObject({code: 1, json: {error: {code: 'data_dir_unwritable', hint: expect.any(String)}}})
  })
})

it('no coordinator is said with its address and how to start one, by commands and roles alike', async () => {
  const network = ['--coordinator', NOWHERE, '--network-id', SOME_ID]
  const roles = [
    ['gateway', 'serve', '--data', join(world.folder, 'g2'), ...network, '--listen', '127.0.0.1:0', '--tunnel', '127.0.0.1:0'],
    ['mine', 'start', '--data', join(world.folder, 'm2'), ...network, '--earn', 'gutta'],
    ['network', 'join', NOWHERE, '--id', SOME_ID]
  ]
  for (const args of roles) {
    const said = await world.json(...args)
    expect(said).toMatchObject({code: 5, json: {error: {code: 'unavailable', hint: 'creo coordinator serve'}}})
    expect((said.json.error as CreoError).message).toContain(NOWHERE)
  }
})

it('nothing that was refused has changed anything', async () => {
  expect(await everything()).toEqual(before)
  expect(openUserConfig(world.env).context().networkId).toBe(world.networkId)
  expect(await world.must('ledger', 'verify', '--data', join(world.folder, 'coordinator'))).toMatchObject({holds: true})
})
