import {mkdir, rm} from 'node:fs/promises'
import type {IncomingMessage, ServerResponse} from 'node:http'
import {join} from 'node:path'
import {afterEach, describe, expect, it, vi} from 'vitest'
import {SCALE_SETTINGS} from '../../src/core/autoscaling.ts'
import {LeaseBudgets} from '../../src/gateway/lease-budgets.ts'
import {openProposal} from '../../src/identity/receipts.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

let world: GatewayWorld
afterEach(async () => {
  await world.close()
  expect(world.fatal).toEqual([])
})

const hello = (_request: IncomingMessage, response: ServerResponse): void => void response.end('hello')
const codeOf = (body: string): string => JSON.parse(body).error.code
const admin = async (path: string): Promise<{status: number; text: string}> => {
  const response = await fetch(`${world.gateway.tunnelUrl}${path}`)
  return {status: response.status, text: await response.text()}
}

describe('instances', () => {
  it('are started once for requests that come together', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    const answers = await Promise.all(Array.from({length: 20}, () => world.ask('/')))
    expect(answers.map(({status}) => status)).toEqual(new Array(20).fill(200))
    expect(miner.messages.filter(({type}) => type === 'start')).toHaveLength(1)
  })

  it('are asked of another miner when one cannot start them', async () => {
    world = await openGatewayWorld()
    const broken = await world.addMiner({serve: hello, refuseStart: () => ({code: 'image_missing', message: 'No such image.'})})
    await world.addMiner({serve: hello})
    expect((await world.ask('/')).status).toBe(200)
    expect((await world.ask('/api')).status).toBe(200)
    expect(broken.running.size).toBe(0)
  })

  it('are missing: no_instance after a while, with Retry-After', async () => {
    world = await openGatewayWorld({spec: {timeoutMs: 300}})
    const answer = await world.ask('/')
    expect([answer.status, codeOf(answer.body), answer.headers['retry-after']]).toEqual([503, 'no_instance', '2'])
  })

  it('are not started on an empty budget', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: hello}, {budgetMinor: 0})
    const answer = await world.ask('/')
    expect([answer.status, codeOf(answer.body)]).toEqual([503, 'reward_pool_empty'])
  })

  it('are ended when the budget is earned, and not one request begins after that', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello}, {budgetMinor: 3})
    const stopped = miner.next('stop')
    for (let count = 0; count < 3; count += 1) expect((await world.ask('/')).status).toBe(200)
    // One minor unit a request: the third one earns the last of it.
    const answer = await world.ask('/')
    expect([answer.status, codeOf(answer.body)]).toEqual([503, 'reward_pool_empty'])
    await stopped
  })

  it('are ended when the miner says that the budget is earned', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    await world.ask('/')
    const stopped = miner.next('stop')
    miner.send({type: 'budget_empty', lease: 'lea_1'})
    await stopped
    expect(codeOf((await world.ask('/')).body)).toBe('reward_pool_empty')
    expect((await world.ask('/api')).status).toBe(200)
  })

  it('are started anew when one has crashed', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    const [first] = [(await world.ask('/')).headers['x-instance'] as string]
    miner.crash(first)
    const again = await world.ask('/')
    expect(again.status).toBe(200)
    expect(again.headers['x-instance']).not.toBe(first)
  })

  it('serve on after the line to their miner broke, without being started anew', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    const first = (await world.ask('/')).headers['x-instance']
    miner.drop()
    const again = await world.ask('/')
    expect([again.status, again.headers['x-instance']]).toEqual([200, first])
    expect(miner.messages.filter(({type}) => type === 'start')).toHaveLength(1)
  })

  it('of the new revision take over once one is warm, and those of the old one are ended', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    expect((await world.ask('/')).headers['x-revision']).toBe('rev_1')
    const stopped = miner.next('stop')
    const [site] = world.table.revisions
    world.table.revisions.push({...site!, id: 'rev_9'})
    world.table.apps[0]!.functions[0]!.revision = 'rev_9'
    world.table.leases.push({...world.table.leases[0]!, id: 'lea_9', revision: 'rev_9'})
    world.publish()
    expect((await stopped).rest).toBeUndefined()
    const answers = await Promise.all(Array.from({length: 5}, () => world.ask('/')))
    expect(answers.map(({headers}) => headers['x-revision'])).toEqual(new Array(5).fill('rev_9'))
  })

  it('of the old revision serve as long as the new one has no lease', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: hello})
    await world.ask('/')
    const [site] = world.table.revisions
    world.table.revisions.push({...site!, id: 'rev_9'})
    world.table.apps[0]!.functions[0]!.revision = 'rev_9'
    world.publish()
    expect((await world.ask('/')).headers['x-revision']).toBe('rev_1')
  })

  it('of the old revision serve without a search for a place for the new one at each request', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: hello})
    await world.ask('/')
    const [site] = world.table.revisions
    const [lease] = world.table.leases
    world.table.revisions.push({...site!, id: 'rev_9'})
    world.table.apps[0]!.functions[0]!.revision = 'rev_9'
    // Its only node is not connected.
    world.table.leases.push({...lease!, id: 'lea_9', revision: 'rev_9', node: `node_${'9'.repeat(32)}`})
    world.publish()
    await expect.poll(() => world.gateway.status().revisions.map(({revision}) => revision)).toContain('rev_9')
    const searched = vi.spyOn(LeaseBudgets.prototype, 'isEmpty')
    const answers = await Promise.all(Array.from({length: 20}, () => world.ask('/')))
    expect(answers.map(({headers}) => headers['x-revision'])).toEqual(new Array(20).fill('rev_1'))
    expect(searched.mock.calls.filter(([id]) => id === 'lea_9').length).toBeLessThan(10)
    searched.mockRestore()
  })

  it('under a lease that was followed by another serve until one under the new lease is warm', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    const before = (await world.ask('/')).headers['x-instance'] as string
    const stopped = miner.next('stop')
    const started = miner.next('start')
    world.table.leases[0] = {...world.table.leases[0]!, id: 'lea_7'}
    world.publish()
    expect((await started).lease).toBe('lea_7')
    expect((await stopped).instance).toBe(before)
    const after = await world.ask('/')
    expect([after.status, after.headers['x-instance']]).toEqual([200, (await started).instance])
  })

  it('are ended when their lease ends without another', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    await world.ask('/')
    const stopped = miner.next('stop')
    world.table.leases.splice(0, 1)
    world.publish()
    expect((await stopped).rest).toBeUndefined()
  })

  it('are started where one waits, the warmest first, before where nothing runs', async () => {
    world = await openGatewayWorld()
    const empty = await world.addMiner({serve: hello}, {revision: 'rev_1'})
    const busy = await world.addMiner({serve: hello, startsFrom: 'frozen'})
    const initialised = await world.addMiner({serve: hello}, {revision: 'rev_1'})
    expect((await world.ask('/api')).status).toBe(200)
    busy.send({type: 'resting', waiting: [{revision: 'rev_1', tier: 'frozen'}]})
    initialised.send({type: 'resting', waiting: [{revision: 'rev_1', tier: 'initialised'}]})
    const resting = () => world.gateway.status().miners.map(({node, resting: waiting}) => [node, waiting.frozen, waiting.initialised])
    await expect.poll(resting).toEqual([
      [empty.node, 0, 0],
      [busy.node, 1, 0],
      [initialised.node, 0, 1]
    ])
    expect((await world.ask('/')).status).toBe(200)
    expect([empty.running.size, busy.running.size, initialised.running.size]).toEqual([0, 2, 0])
    const {text} = await admin('/.creo/metrics')
    expect(text).toContain('creo_gateway_cold_starts_total{function="acme/shop/site",tier="frozen"} 1')
    expect(text).toContain('creo_gateway_activation_seconds_count{tier="frozen"} 2')
    expect(text).toContain('creo_gateway_resting_instances{tier="initialised"} 1')
    expect(text).toContain('creo_gateway_resting_instances{tier="frozen"} 0')
  })

  it('are kept at the least number, and all ended when nobody asks', async () => {
    const scale = {...SCALE_SETTINGS, stableWindowMs: 100, panicWindowMs: 50, zeroGraceMs: 50}
    world = await openGatewayWorld({scale, tickMs: 20})
    const miner = await world.addMiner({serve: hello})
    const {status, headers} = await world.ask('/')
    expect(status).toBe(200)
    const stopped = expect.objectContaining({type: 'stop', instance: headers['x-instance'], rest: true})
    await expect.poll(() => miner.messages).toContainEqual(stopped)
    world.table.revisions[1] = {...world.table.revisions[1]!, spec: {...world.table.revisions[1]!.spec, scaleMin: 1}}
    world.publish()
    await expect.poll(() => miner.messages).toContainEqual(expect.objectContaining({type: 'start', revision: 'rev_2'}))
    await expect.poll(() => miner.running.size).toBe(1)
  })

  it('are still listed as those of a function that sleeps, of which nothing is measured until somebody asks again', async () => {
    const scale = {...SCALE_SETTINGS, stableWindowMs: 100, panicWindowMs: 50, zeroGraceMs: 50}
    world = await openGatewayWorld({scale, tickMs: 20})
    await world.addMiner({serve: hello})
    const gauges = async (): Promise<boolean> => (await admin('/.creo/metrics')).text.includes('creo_gateway_instances{revision="rev_1"}')
    expect([(await world.ask('/')).status, await gauges()]).toEqual([200, true])
    await expect.poll(gauges, {timeout: 30_000}).toBe(false)
    const listed = world.gateway.status().revisions.find(({revision}) => revision === 'rev_1')
    expect(listed).toMatchObject({requests: 1, instances: 0, starting: 0, inFlight: 0, waiting: 0})
    expect([(await world.ask('/')).status, await gauges()]).toEqual([200, true])
  })

  it('of a miner that leaves get no new requests, and its last work is proposed at once', async () => {
    world = await openGatewayWorld()
    const leaving = await world.addMiner({serve: hello})
    await world.ask('/')
    const staying = await world.addMiner({serve: hello})
    const proposed = leaving.next('propose_receipt')
    leaving.send({type: 'draining'})
    expect(openProposal((await proposed).proposal)).toMatchObject({node: leaving.node, requests: 1})
    expect((await world.ask('/')).status).toBe(200)
    expect(staying.running.size).toBe(1)
  })
})

describe('receipts', () => {
  it('are proposed for what was served, signed by the miner, and then forgotten', async () => {
    world = await openGatewayWorld({windowMs: 50})
    const miner = await world.addMiner({serve: hello})
    for (let count = 0; count < 3; count += 1) await world.ask('/')
    let requests = 0
    while (requests < 3) {
      await miner.next('propose_receipt')
      requests = miner.receipts.reduce((sum, receipt) => sum + openProposal(receipt.proposal).requests, 0)
    }
    expect(requests).toBe(3)
    const ids = miner.receipts.map((receipt) => openProposal(receipt.proposal).window)
    expect(new Set(ids).size).toBe(ids.length)
    const work = miner.receipts.map((receipt) => openProposal(receipt.proposal)).find((proposal) => proposal.mibMs > 0)
    expect(work!.mibMs).toBeLessThanOrEqual(64 * work!.windowMs)
  })

  it('wait over a restart of the gateway for a miner that did not sign', async () => {
    world = await openGatewayWorld({windowMs: 50})
    const silent = await world.addMiner({serve: hello, signs: false})
    await world.ask('/')
    await silent.next('propose_receipt')
    await silent.close()
    await world.restart()
    expect(world.gateway.status().unsignedReceipts).toBeGreaterThan(0)
    const {promise: signed, resolve} = Promise.withResolvers<void>()
    const back = await world.addMiner({serve: hello, key: silent.key})
    const requests = () => back.receipts.reduce((sum, receipt) => sum + openProposal(receipt.proposal).requests, 0)
    const wait = async (): Promise<void> => {
      while (requests() < 1) await back.next('propose_receipt')
      resolve()
    }
    if (requests() < 1) void wait()
    else resolve()
    await signed
    expect(requests()).toBe(1)
  })
})

describe('a gateway', () => {
  it('serves from the table on its disk while the coordinator is gone', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    await world.ask('/')
    world.coordinatorDown = true
    await world.restart()
    expect((await admin('/.creo/readyz')).status).toBe(200)
    await world.addMiner({serve: hello, key: miner.key})
    expect((await world.ask('/')).status).toBe(200)
  })

  it('says that it is not ready while it is not admitted', async () => {
    world = await openGatewayWorld()
    world.table.gateways.splice(0)
    await world.addMiner({serve: hello})
    await expect.poll(async () => (await admin('/.creo/readyz')).text).toContain('has not admitted')
    expect((await world.ask('/')).status).toBe(503)
    expect((await admin('/.creo/healthz')).status).toBe(200)
  })

  it('tells its operator how it does', async () => {
    world = await openGatewayWorld()
    const miner = await world.addMiner({serve: hello})
    await world.ask('/')
    const status = JSON.parse((await admin('/.creo/status')).text)
    expect(status).toMatchObject({admitted: true, miners: [{node: miner.node, instances: 1}]})
    expect(status.revisions.find(({revision}: {revision: string}) => revision === 'rev_1')).toMatchObject({
      requests: 1,
      instances: 1,
      function: 'site'
    })
    const metrics = (await admin('/.creo/metrics')).text
    expect(metrics).toContain('creo_gateway_requests_total{function="acme/shop/site",class="2xx",from="client"} 1')
    expect(metrics).toContain('creo_gateway_cold_starts_total{function="acme/shop/site",tier="pulled"} 1')
  })

  it('closes its listeners also when it can no longer write down what it counted', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: hello})
    await world.ask('/')
    const {tunnelUrl} = world.gateway
    await rm(join(world.directory, 'meter'), {recursive: true})
    await expect(world.gateway.close()).rejects.toThrow('ENOENT')
    await expect(fetch(`${tunnelUrl}/.creo/healthz`)).rejects.toThrow()
    await mkdir(join(world.directory, 'meter', 'proposals'), {recursive: true})
    await world.restart()
    world.fatal.splice(0)
  })

  it('cuts off a miner whose node is no longer in the table', async () => {
    world = await openGatewayWorld()
    await world.addMiner({serve: hello})
    world.table.nodes.splice(0)
    world.publish()
    await expect.poll(() => world.gateway.status().miners).toEqual([])
  })
})
