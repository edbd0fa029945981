import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {joinToken} from '../../src/core/join-token.ts'
import {generateKeyPair, type KeyPair, loadKeyFile, verifyText} from '../../src/identity/keys.ts'
import {type Actors, type Node, type Person, startWorld} from './coordinator-world.ts'

let world: Awaited<ReturnType<typeof startWorld>>
let actors: Actors
let org: Person
let ann: Person
let node: Node
let gateway: KeyPair

beforeAll(async () => {
  world = await startWorld()
  actors = world.actors
  org = await actors.colibris()
  ann = await actors.person('ann')
  node = await actors.node(ann)
  gateway = await actors.gateway(world.operator)
  await actors.heartbeat(node)
})
afterAll(() => world.close())

function code(answer: {json: {error?: {code: string}}}): string | undefined {
  return answer.json.error?.code
}

describe('what it refuses', () => {
  it('an address it does not have, in its own form of an error', async () => {
    const answer = await actors.ask('GET', '/v1/nothing')
    expect([answer.status, answer.json]).toMatchObject([404, {error: {code: 'not_found', hint: expect.any(String)}}])
  })

  it('a body that is too large, not JSON, or of another type', async () => {
    const large = await actors.ask('POST', '/v1/nodes/enroll', {body: {token: 'x'.repeat(300_000)}})
    expect([large.status, code(large)]).toEqual([413, 'payload_too_large'])
    expect(code(await actors.ask('POST', '/v1/commands', {body: '{"commands":'}))).toBe('invalid_input')
    expect(code(await actors.ask('POST', '/v1/commands', {body: 'x', headers: {'content-type': 'text/plain'}}))).toBe('invalid_input')
    expect(code(await actors.ask('POST', '/v1/commands', {body: {commands: []}}))).toBe('invalid_input')
  })

  it('a parameter that is no such thing', async () => {
    expect(code(await actors.ask('GET', '/v1/markets/colibris/leaf/book'))).toBe('invalid_input')
    expect(code(await actors.ask('GET', '/v1/tables/routes?waitMs=99999'))).toBe('invalid_input')
    expect(code(await actors.ask('GET', `/v1/tables/nodes/${node.id}?waitMs=900001`))).toBe('invalid_input')
    expect(code(await actors.ask('GET', '/v1/receipts?limit=0'))).toBe('invalid_input')
    expect(code(await actors.ask('GET', '/v1/network', {headers: {'creo-after': 'soon'}}))).toBe('invalid_input')
  })

  it('what is not there', async () => {
    for (const path of [
      '/v1/incentives/colibris/NONE',
      '/v1/markets/colibris/NONE/book',
      '/v1/accounts/nobody',
      '/v1/apps/colibris/none'
    ]) {
      const answer = await actors.ask('GET', path)
      expect([path, answer.status, code(answer)]).toEqual([path, 404, 'not_found'])
    }
    expect(code(await actors.ask('GET', `/v1/tables/nodes/node_${'0'.repeat(32)}`))).toBe('not_found')
  })

  it('a command that another key signed, or that was changed after', async () => {
    const good = actors.command(ann.id, ann.key, {type: 'node.token', tokenHash: 'a'.repeat(64), expiresAtMs: Date.now() + 1000})
    const changed = await actors.send({...good, body: good.body.replace('aaaa', 'bbbb')})
    expect(changed).toMatchObject({status: 'error', error: {code: 'bad_signature'}})
    const foreign = await actors.send(actors.command(ann.id, generateKeyPair(), JSON.parse(good.body)))
    expect(foreign).toMatchObject({status: 'error', error: {code: 'unauthorized'}})
  })

  it('one bad command of a batch alone', async () => {
    const good = actors.command(ann.id, ann.key, {type: 'node.token', tokenHash: 'c'.repeat(64), expiresAtMs: Date.now() + 60_000})
    const {json} = await actors.ask('POST', '/v1/commands', {body: {commands: [{v: 'other'}, good]}})
    expect(json).toMatchObject({answers: [{status: 'error', error: {code: 'invalid_input'}}, {status: 'applied'}]})
  })

  it('an order for an incentive that does not exist, and a trade volume limit of zero', async () => {
    const order = {
      type: 'order.place',
      incentive: 'colibris/NONE',
      side: 'buy',
      priceMicroGutta: 1,
      lots: 1,
      kind: 'limit',
      timeInForce: 'GTC'
    } as const
    expect(await actors.send(actors.command(ann.id, ann.key, order))).toMatchObject({status: 'rejected', code: 'not_found'})
    const limit = {type: 'incentive.limit', incentive: 'colibris/LEAF', tradeVolumeLimitMicroGutta: 1} as const
    const signed = actors.command(org.id, org.key, limit)
    const zero = {...signed, body: signed.body.replace('"1"', '"0"')}
    expect(await actors.send(zero)).toMatchObject({status: 'error', error: {code: expect.stringMatching(/invalid_input|bad_signature/)}})
  })

  it('a second use of an idempotency key for something else', async () => {
    const soonMs = Date.now() + 60_000
    const body = (tokenHash: string) => ({type: 'node.token', tokenHash, expiresAtMs: soonMs}) as const
    const first = await actors.send(actors.command(ann.id, ann.key, body('d'.repeat(64)), 'one'))
    expect(await actors.send(actors.command(ann.id, ann.key, body('d'.repeat(64)), 'one'))).toEqual(first)
    expect(await actors.send(actors.command(ann.id, ann.key, body('e'.repeat(64)), 'one'))).toMatchObject({
      error: {code: 'idempotency_conflict'}
    })
  })

  it('an enrolment with a wrong token, or past the address for it', async () => {
    const key = generateKeyPair()
    const right = joinToken(ann.id, 'right')
    const wrong = await actors.ask('POST', '/v1/nodes/enroll', {body: {token: 'guessed', command: actors.enrollment(key, right)}})
    expect([wrong.status, code(wrong)]).toEqual([401, 'unauthorized'])
    const unknown = await actors.ask('POST', '/v1/nodes/enroll', {body: {token: right, command: actors.enrollment(key, right)}})
    expect(unknown.json).toMatchObject({answer: {status: 'rejected', code: 'not_found'}})
    expect(await actors.send(actors.enrollment(key, right))).toMatchObject({error: {code: 'forbidden'}})
  })

  it('a heartbeat that is unsigned, of a stranger, of another node, of a wrong clock, or sent twice', async () => {
    const other = await actors.node(ann)
    expect(code(await actors.ask('POST', '/v1/heartbeats', {body: {}}))).toBe('unauthorized')
    expect(code(await actors.heartbeat({id: node.id, key: generateKeyPair()}))).toBe('unauthorized')
    expect(code(await actors.heartbeat({id: node.id, key: other.key}))).toBe('forbidden')
    expect(code(await actors.signed('POST', '/v1/heartbeats', node.key, {body: {}, nowMs: Date.now() - 3_600_000}))).toBe('clock_skew')
    const {signRequest} = await import('../../src/identity/http-signatures.ts')
    const headers = signRequest({method: 'GET', url: `${actors.url}/v1/apps/colibris/garden/logs`, key: org.key, nowMs: Date.now()})
    const twice = [
      await actors.ask('GET', '/v1/apps/colibris/garden/logs', {headers}),
      await actors.ask('GET', '/v1/apps/colibris/garden/logs', {headers})
    ]
    expect(twice.map((answer) => [answer.status, code(answer)])).toEqual([
      [200, undefined],
      [409, 'replayed']
    ])
  })

  it('to show the logs of an org to others, and to take their images', async () => {
    expect(code(await actors.signed('GET', '/v1/apps/colibris/garden/logs', ann.key))).toBe('forbidden')
    const push = await actors.signed('POST', '/v2/colibris/garden/api/blobs/uploads/', ann.key)
    expect([push.status, push.json]).toMatchObject([403, {errors: [{code: 'DENIED'}]}])
    expect((await actors.signed('POST', '/v2/colibris/garden/api/blobs/uploads/', org.key)).status).toBe(202)
  })
})

describe('what it answers', () => {
  it('a node of a newer version that says more than is known here', async () => {
    const {status} = await actors.heartbeat(node, {battery: 'full'} as object)
    expect(status).toBe(200)
  })

  it('no list without a limit: as many rows as asked, and never more than an answer has room for', async () => {
    await actors.node(ann)
    for (const list of ['incentives', 'offers', 'apps', 'leases', 'nodes', 'receipts', 'accounts', 'redemptions']) {
      expect([list, code(await actors.ask('GET', `/v1/${list}?limit=1001`))]).toEqual([list, 'invalid_input'])
      const {json} = await actors.ask('GET', `/v1/${list}?limit=1`)
      expect((json as unknown as Record<string, unknown[]>)[list]?.length).toBeLessThanOrEqual(1)
    }
    expect((await actors.ask('GET', '/v1/incentives?after=colibris/LEAF')).json).toEqual({incentives: []})
  })

  it('its time, signed and bound to the nonce', async () => {
    const {json} = await actors.ask('GET', '/v1/time?nonce=n1')
    const {atMs, signature} = json as unknown as {atMs: number; signature: string}
    expect(verifyText(actors.coordinatorKey, `creo-time-v1\nn1\n${atMs}`, signature)).toBe(true)
  })

  it('a read that shows what its caller wrote', async () => {
    const {seq} = await actors.apply(org.id, org.key, {type: 'pool.fund', incentive: 'colibris/LEAF', amountMinor: 700})
    const {json} = await actors.ask('GET', '/v1/accounts/colibris/entries?asset=colibris/LEAF&limit=2', {
      headers: {'creo-after': String(seq)}
    })
    expect(
      (json as unknown as {entries: {seq: number; deltaMinor: string}[]}).entries.map((entry) => [entry.seq, entry.deltaMinor])
    ).toEqual(
      expect.arrayContaining([
        [seq, '-700'],
        [seq, '700']
      ])
    )
  })

  it('every public read', async () => {
    const paths = ['/v1/incentives', '/v1/incentives/colibris/LEAF', '/v1/offers?incentive=colibris/LEAF', '/v1/markets/colibris/LEAF/book']
    paths.push(
      '/v1/markets/colibris/LEAF/trades',
      '/v1/redemptions?status=held',
      '/v1/apps?org=colibris',
      '/v1/apps/colibris/garden',
      '/v1/leases'
    )
    paths.push(
      '/v1/nodes',
      `/v1/nodes/${node.id}`,
      '/v1/receipts',
      '/v1/epochs',
      '/v1/gateways',
      '/v1/journal?limit=2',
      '/v1/network',
      '/healthz',
      '/readyz'
    )
    paths.push('/v1/accounts/ann', '/v1/accounts/ann/orders?status=open', '/v1/accounts/ann/redemptions')
    const statuses = await Promise.all(paths.map(async (path) => [path, (await actors.ask('GET', path)).status]))
    expect(statuses).toEqual(paths.map((path) => [path, 200]))
    expect(await (await fetch(`${actors.url}/metrics`)).text()).toContain('creo_ledger_sequence')
  })

  it('who has an account', async () => {
    const {json} = await actors.ask('GET', '/v1/accounts')
    expect((json as unknown as {accounts: {name: string}[]}).accounts.map((account) => account.name)).toEqual(
      expect.arrayContaining(['ann', 'colibris'])
    )
  })

  it('why a node has no work', async () => {
    const idle = await actors.node(ann)
    const {json} = await actors.heartbeat(idle, {earn: ['gutta']})
    expect(json).toEqual({ok: true, noWorkReason: 'No deployed function pays what you selected (gutta).', everyMs: 15_000})
    expect((await actors.ask('GET', `/v1/nodes/${idle.id}`)).json).toMatchObject({presence: {earn: ['gutta'], draining: false}})
  })
})

describe('leases, tables and receipts', () => {
  it('leases a function to the node whose owner selected what it pays, with a budget out of the pool', async () => {
    const {lease, table} = await actors.leased(node)
    expect(lease.budgets).toEqual([{incentive: 'colibris/LEAF', amountMinor: 10_000}])
    expect(table.revisions.map((revision) => `${revision.org}/${revision.app}/${revision.function}`)).toEqual(['colibris/garden/api'])
  })

  it('gives a table the same version as long as it says the same', async () => {
    const {version} = await actors.leased(node)
    await actors.apply(ann.id, ann.key, {type: 'node.token', tokenHash: 'f'.repeat(64), expiresAtMs: Date.now() + 60_000})
    expect((await actors.leased(node)).version).toBe(version)
    expect((await actors.ask('GET', `/v1/tables/nodes/${node.id}?after=${version}`)).status).toBe(204)
  })

  it('wakes who waits for a newer table', async () => {
    const {version} = await actors.leased(node)
    const waiting = actors.ask('GET', `/v1/tables/nodes/${node.id}?after=${version}&waitMs=30000`)
    await actors.gateway(world.operator)
    const {status, json} = await waiting
    expect([status, Number(json.version) > version]).toEqual([200, true])
  })

  it('pays a receipt once, whoever sends it and however often', async () => {
    const {lease} = await actors.leased(node)
    const receipt = actors.receipt({gateway, node, lease, window: 1, requests: 3})
    const before = await actors.available('ann', 'colibris/LEAF')
    const first = await actors.ask('POST', '/v1/receipts', {body: {receipts: [receipt]}})
    expect(first.json).toMatchObject({answers: [{status: 'paid', id: expect.stringContaining(node.id)}]})
    const {sequence} = (await actors.ask('GET', '/v1/network')).json as unknown as {sequence: number}
    const headers = {'creo-after': String(sequence)}
    expect((await actors.ask('GET', `/v1/receipts?lease=${lease.id}`, {headers})).json).toMatchObject({receipts: [{requests: 3}]})
    const again = actors.receipt({gateway, node, lease, window: 1, requests: 99})
    const second = await actors.ask('POST', '/v1/receipts', {body: {receipts: [receipt, again]}})
    expect(second.json).toMatchObject({answers: [{status: 'already_paid'}, {status: 'already_paid'}]})
    expect((await actors.ask('GET', '/v1/network')).json).toMatchObject({sequence})
    expect((await actors.available('ann', 'colibris/LEAF', sequence)) - before).toBe(300)
  })

  it('pays nothing for a receipt that one of the two did not sign, or that cannot be read', async () => {
    const {lease} = await actors.leased(node)
    const good = actors.receipt({gateway, node, lease, window: 2, requests: 3})
    const stranger = actors.receipt({gateway: generateKeyPair(), node, lease, window: 2, requests: 3})
    const unleased = actors.receipt({gateway, node, lease: {...lease, id: 'lea_1'}, window: 2, requests: 3})
    const forged = {...good, nodeSignature: stranger.gatewaySignature}
    const {json} = await actors.ask('POST', '/v1/receipts', {body: {receipts: [forged, stranger, unleased, {...good, proposal: '{}'}]}})
    expect((json as unknown as {answers: {status: string}[]}).answers.map((answer) => answer.status)).toEqual(Array(4).fill('rejected'))
  })

  it('follows a lease that is used up with another, to which gateways move over while the old one still pays', async () => {
    const {lease, version} = await actors.leased(node)
    await actors.ask('POST', '/v1/receipts', {body: {receipts: [actors.receipt({gateway, node, lease, window: 3, requests: 96})]}})
    const {status, json} = await actors.ask('GET', `/v1/tables/nodes/${node.id}?after=${version}&waitMs=15000`)
    const table = JSON.parse(String(json.body)) as {leases: {id: string}[]}
    expect([status, table.leases.length, table.leases.some((other) => other.id === lease.id)]).toEqual([200, 2, true])
    const routes = JSON.parse(String((await actors.ask('GET', '/v1/tables/routes')).json.body)) as {leases: {id: string}[]}
    expect(routes.leases.map((other) => other.id)).toEqual(table.leases.map((other) => other.id).filter((id) => id !== lease.id))
  })

  it('shows of each revision how many of its instances run, by what its nodes said last', async () => {
    const {lease} = await actors.leased(node)
    await actors.heartbeat(node, {
      instances: 3,
      running: [
        {revision: lease.revision, instances: 2},
        {revision: 'rev_1', instances: 1}
      ]
    })
    const {json} = await actors.ask('GET', '/v1/apps/colibris/garden/revisions?limit=1')
    expect(json).toMatchObject({revisions: [{id: lease.revision, percent: 100, tags: [], instances: 2}]})
    expect((await actors.ask('GET', '/v1/apps/colibris/nothing/revisions')).status).toBe(404)
  })

  it('keeps the lines of functions that the node runs, and wakes their reader', async () => {
    const {lease} = await actors.leased(node)
    const {next} = (await actors.signed('GET', '/v1/apps/colibris/garden/logs', org.key)).json as unknown as {next: number}
    const waiting = actors.signed('GET', `/v1/apps/colibris/garden/logs?after=${next}&waitMs=20000`, org.key)
    const line = {instance: 'i-1', atMs: Date.now(), line: 'hello'}
    await actors.heartbeat(node, {
      logs: [
        {...line, revision: lease.revision},
        {...line, revision: 'rev_1', line: 'not mine'}
      ]
    })
    expect(((await waiting).json as unknown as {lines: {line: string}[]}).lines.map((each) => each.line)).toEqual(['hello'])
  })

  it('still pays what was served before a lease was ended, and journals nothing for what was after', async () => {
    const {lease} = await actors.leased(node)
    const served = actors.receipt({gateway, node, lease, window: 4, requests: 1})
    const key = await loadKeyFile(join(world.folder.path, 'coordinator.key'))
    const {seq, result} = await actors.apply('coordinator', key, {type: 'lease.end', lease: lease.id})
    const headers = {'creo-after': String(seq)}
    expect((await actors.ask('GET', `/v1/leases?node=${node.id}&status=ended`, {headers})).json).toMatchObject({
      leases: [{id: lease.id, endsAtMs: result.endsAtMs}]
    })
    const late = actors.receipt({gateway, node, lease, window: 5, requests: 1, windowStartMs: Number(result.endsAtMs)})
    const {json} = await actors.ask('POST', '/v1/receipts', {body: {receipts: [served, late]}})
    expect(json).toMatchObject({answers: [{status: 'paid'}, {status: 'rejected', code: 'expired'}]})
  })
})
