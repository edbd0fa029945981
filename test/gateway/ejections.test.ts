import {afterEach, describe, expect, it} from 'vitest'
import {Ejections} from '../../src/gateway/ejections.ts'
import {type GatewayWorld, openGatewayWorld} from '../support/gateway-world.ts'

interface Named {
  readonly name: string
  readonly hasRoom: boolean
}
const [a, b, c] = ['a', 'b', 'c'].map((name) => ({name, hasRoom: true})) as [Named, Named, Named]
const warm = [a, b, c]

function failing(times: number, instance = a, nowMs = 0): Ejections<Named> {
  const ejections = new Ejections<Named>()
  for (let count = 0; count < times; count += 1) ejections.judge(instance, 'failed', nowMs)
  return ejections
}

describe('an instance that fails while others do not', () => {
  it('is left out after five failures in a row, not after four, nor with one good answer between', () => {
    expect(failing(4).usable(warm, 0)).toEqual([a, b, c])
    expect(failing(5).usable(warm, 0)).toEqual([b, c])
    const mixed = failing(4)
    mixed.judge(a, 'served', 0)
    for (let count = 0; count < 4; count += 1) mixed.judge(a, 'failed', 0)
    expect(mixed.usable(warm, 0)).toEqual([a, b, c])
  })

  it('gets one request after its time, and is back when that is served', () => {
    const ejections = failing(5)
    expect(ejections.usable(warm, 9999)).toEqual([b, c])
    expect(ejections.usable(warm, 10_000)).toEqual([a])
    expect(ejections.usable(warm, 10_000)).toEqual([b, c])
    ejections.judge(a, 'served', 10_100)
    expect([ejections.usable(warm, 10_100), ejections.count]).toEqual([[a, b, c], 0])
  })

  it('is left out for longer each time its one request fails, and asked again when the client of that left', () => {
    const ejections = failing(5)
    expect(ejections.usable(warm, 10_000)).toEqual([a])
    ejections.judge(a, 'failed', 10_000)
    expect(ejections.usable(warm, 29_999)).toEqual([b, c])
    expect(ejections.usable(warm, 30_000)).toEqual([a])
    ejections.judge(a, 'unknown', 30_000)
    expect(ejections.usable(warm, 30_000)).toEqual([a])
  })

  it('keeps its one request for a time when it has room', () => {
    const full = {name: 'full', hasRoom: false}
    const ejections = failing(5, full)
    expect(ejections.usable([full, b, c], 10_000)).toEqual([b, c])
    full.hasRoom = true
    expect(ejections.usable([full, b, c], 10_001)).toEqual([full])
  })

  it('is not judged by what was under way when it was left out', () => {
    const ejections = failing(5)
    ejections.judge(a, 'served', 1)
    ejections.judge(a, 'failed', 1)
    expect(ejections.usable(warm, 9999)).toEqual([b, c])
    expect(ejections.usable(warm, 10_000)).toEqual([a])
  })

  it('is used all the same when most fail: then it is not the instance', () => {
    const ejections = failing(5)
    for (let count = 0; count < 5; count += 1) ejections.judge(b, 'failed', 0)
    expect(ejections.usable(warm, 0)).toEqual([a, b, c])
    ejections.forget(b)
    expect(ejections.usable([a, c], 0)).toEqual([c])
  })
})

describe('a gateway', () => {
  let world: GatewayWorld
  afterEach(async () => {
    await world.close()
    expect(world.fatal).toEqual([])
  })

  it('leaves a failing instance out, so that only its first requests fail, and says so in its metrics', async () => {
    world = await openGatewayWorld({spec: {scaleMin: 2}, tickMs: 20})
    const broken = new Set<string>()
    const serve: Parameters<GatewayWorld['addMiner']>[0]['serve'] = (request, response) => {
      const instance = String(response.getHeader('x-instance'))
      if (broken.has(instance)) request.socket.destroy()
      else response.end(instance)
    }
    const miner = await world.addMiner({serve}, {revision: 'rev_1'})
    await world.addMiner({serve}, {revision: 'rev_1'})
    const seen = new Set<string>()
    while (seen.size < 2) seen.add((await world.ask('/')).body)
    const [first] = [...miner.running.keys()]
    broken.add(String(first))
    // An idempotent request is tried on the other one at once.
    for (let count = 0; count < 4; count += 1) expect((await world.ask('/')).body).not.toBe(first)
    const statuses: number[] = []
    for (let count = 0; count < 60; count += 1) statuses.push((await world.ask('/', {method: 'POST', body: 'x'})).status)
    expect(statuses.filter((status) => status === 502).length).toBeLessThanOrEqual(5)
    expect(statuses.slice(-10)).toEqual(new Array(10).fill(200))
    const metrics = await (await fetch(`${world.gateway.tunnelUrl}/.creo/metrics`)).text()
    expect(metrics).toContain('creo_gateway_ejected_instances{revision="rev_1"} 1')
  })
})
